/** Line drawings, 24 by 24, in the colour of the text around them. They say nothing that the text does not. */

import { svgElement } from "./elements.ts";

const PATHS = {
  call: "M6 3.5h3l1.6 4.4-2.1 1.7a12.5 12.5 0 0 0 5.9 5.9l1.7-2.1 4.4 1.6v3a2.2 2.2 0 0 1-2.4 2.2A16.6 16.6 0 0 1 3.8 5.9 2.2 2.2 0 0 1 6 3.5z",
  copy: "M9 9h9.5a1.5 1.5 0 0 1 1.5 1.5V19a1.5 1.5 0 0 1-1.5 1.5H10A1.5 1.5 0 0 1 8.5 19V9zM5.5 15.5H5A1.5 1.5 0 0 1 3.5 14V5A1.5 1.5 0 0 1 5 3.5h9A1.5 1.5 0 0 1 15.5 5v.5",
  share: "M12 15V3.5M7.5 7.5 12 3l4.5 4.5M5 12v7a1.5 1.5 0 0 0 1.5 1.5h11A1.5 1.5 0 0 0 19 19v-7",
  warning: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.2",
  link: "M10 14a4.2 4.2 0 0 0 6 0l3.2-3.2a4.2 4.2 0 0 0-6-6L12 6M14 10a4.2 4.2 0 0 0-6 0l-3.2 3.2a4.2 4.2 0 0 0 6 6L12 18",
} as const;

export function icon(name: keyof typeof PATHS): SVGSVGElement {
  return svgElement(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svgElement("path", { d: PATHS[name] }),
  );
}

/** SecureCall's mark: a voice with a lock's keyhole in its middle. */
export function mark(): SVGSVGElement {
  return svgElement(
    "svg",
    { viewBox: "0 0 32 32", class: "mark", "aria-hidden": "true", focusable: "false" },
    svgElement("rect", { width: "32", height: "32", rx: "9", class: "mark-ground" }),
    svgElement("path", {
      d: "M16 9.2a3.4 3.4 0 0 1 1.8 6.3l1 6.3a.9.9 0 0 1-.9 1h-3.8a.9.9 0 0 1-.9-1l1-6.3A3.4 3.4 0 0 1 16 9.2z",
      class: "mark-keyhole",
    }),
    svgElement("path", {
      d: "M9.6 11.6a8.5 8.5 0 0 0 0 8.8M5.9 9.1a13.2 13.2 0 0 0 0 13.8M22.4 11.6a8.5 8.5 0 0 1 0 8.8M26.1 9.1a13.2 13.2 0 0 1 0 13.8",
      class: "mark-waves",
    }),
  );
}
