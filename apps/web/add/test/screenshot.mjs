/**
 * A picture of the built page, opened with a contact link:
 *
 *     node apps/web/add/test/screenshot.mjs --link LINK --out FILE.png [--dark] [--width N] [--height N] [--scale N]
 *                                           [--language TAG] [--full]
 *
 * LINK is a contact link of any form. Nothing is fetched: the page is `dist/index.html`, whatever host the link names.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { launch } from "./chromium.mjs";

const { values } = parseArgs({
  options: {
    link: { type: "string" },
    out: { type: "string" },
    dark: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    width: { type: "string", default: "1280" },
    height: { type: "string", default: "800" },
    scale: { type: "string", default: "1" },
    language: { type: "string", default: "en" },
  },
});
const { link, out } = values;
if (link === undefined || out === undefined) {
  console.error("usage: screenshot.mjs --link LINK --out FILE.png [--dark] [--width N] [--height N] [--scale N] [--language TAG] [--full]");
  process.exit(2);
}

const html = readFileSync(new URL("../dist/index.html", import.meta.url), "utf8");
const browser = await launch();
try {
  const context = await browser.newContext({
    viewport: { width: Number(values.width), height: Number(values.height) },
    deviceScaleFactor: Number(values.scale),
    colorScheme: values.dark ? "dark" : "light",
    locale: values.language ?? "en",
    reducedMotion: "reduce",
  });
  await context.route("**", (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: html }));
  const page = await context.newPage();
  await page.goto(webForm(link));
  await page.screenshot({ path: out, fullPage: values.full ?? false });
} finally {
  await browser.close();
}

/** The address to open: a browser cannot open the deep link. @param {string} text */
function webForm(text) {
  return text.replace(/^securecall:\/\/contact\//i, "https://stealthx.tech/add/#");
}
