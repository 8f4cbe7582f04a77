/** The QR code of a contact: always dark on white, which every reader takes. */

import { encode } from "uqr";

import { svgElement } from "./elements.ts";

/** Modules of white around the code; ISO 18004 asks for four. */
const QUIET_ZONE = 4;
/** About how wide the picture is to be, in CSS pixels. A module is a whole number of them, so that all look alike. */
const WIDTH = 276;

/** The code as a picture, at error correction M or better, named `label` for those who cannot see it. */
export function qrPicture(text: string, label: string): SVGSVGElement {
  const { data, size } = encode(text, { ecc: "M", boostEcc: true, border: QUIET_ZONE });
  const width = size * Math.max(2, Math.floor(WIDTH / size));
  const background = svgElement("rect", { width: `${size}`, height: `${size}`, fill: "#fff" });
  const modules = svgElement("path", { d: darkModules(data), fill: "#000" });
  return svgElement(
    "svg",
    {
      viewBox: `0 0 ${size} ${size}`,
      width: `${width}`,
      height: `${width}`,
      role: "img",
      "aria-label": label,
      "shape-rendering": "crispEdges",
    },
    background,
    modules,
  );
}

/** One rectangle for each row's run of dark modules. */
function darkModules(rows: boolean[][]): string {
  return rows
    .flatMap((row, y) => runsIn(row).map(({ start, length }) => `M${start} ${y}h${length}v1h-${length}z`))
    .join("");
}

function runsIn(row: boolean[]): { start: number; length: number }[] {
  const runs: { start: number; length: number }[] = [];
  row.forEach((dark, x) => {
    const last = runs[runs.length - 1];
    if (dark && last !== undefined && last.start + last.length === x) {
      last.length += 1;
    } else if (dark) {
      runs.push({ start: x, length: 1 });
    }
  });
  return runs;
}
