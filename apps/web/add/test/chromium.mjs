/** The system's Chromium, without a window: no browser is ever downloaded. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** Chromium looks for its vendor's servers on its own; these tests are to see the page's requests alone. */
const ARGUMENTS = [
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts Chromium; the caller closes it. */
export function launch() {
  return chromium.launch({ executablePath: executable(), args: ARGUMENTS, chromiumSandbox: false });
}

/** `CHROMIUM` if it is set, else the first of the usual names in `PATH`. */
function executable() {
  const named = process.env["CHROMIUM"];
  if (named) {
    return named;
  }
  const directories = (process.env["PATH"] ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => directories.map((directory) => join(directory, name))).find((path) =>
    existsSync(path),
  );
  if (found === undefined) {
    throw new Error("there is no Chromium: install Debian's package chromium, or name one in CHROMIUM");
  }
  return found;
}
