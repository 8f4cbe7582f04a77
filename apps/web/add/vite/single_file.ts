/** Makes one HTML file of the page: script and style inside, allowed by their hash alone. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import type { Plugin } from "vite";

/** What may be done on the page: run this very script, use this very style, show pictures that are in the file. */
function policyFor(script: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src '${sha256(script)}'`,
    `style-src '${sha256(style)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

export function singleFile(packages: readonly string[]): Plugin {
  return {
    name: "single-file",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      let script: string | undefined;
      let style = "";
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === "chunk") {
          if (script !== undefined) {
            this.error("there is more than one script");
          }
          script = file.code.trim();
          delete bundle[name];
        } else if (name.endsWith(".css")) {
          style += asText(file.source).trim();
          delete bundle[name];
        }
      }
      const page = bundle["index.html"];
      if (script === undefined || page?.type !== "asset" || Object.keys(bundle).length !== 1) {
        this.error(`besides index.html there is left: ${Object.keys(bundle).join(", ")}`);
        return;
      }
      if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) {
        this.error("script or style holds what would end it");
      }
      page.source = assembled(asText(page.source), script, style, noticesOf(packages));
    },
  };
}

function assembled(html: string, script: string, style: string, notices: string): string {
  const bare = html
    .replace(/\s*<script\b[^>]*\bsrc=[^>]*><\/script>/g, "")
    .replace(/\s*<link\b[^>]*\brel="stylesheet"[^>]*>/g, "");
  const policy = `<meta http-equiv="Content-Security-Policy" content="${policyFor(script, style)}" />`;
  // Replaced by functions: a dollar sign in a string would mean something.
  return bare
    .replace(/<meta charset="utf-8" \/>/, (charset) => `${charset}\n    ${policy}`)
    .replace(/\s*<\/head>/, (end) => `\n    <style>${style}</style>${end}`)
    .replace(/\s*<\/body>/, (end) => `\n    <script>${script}</script>${end}`)
    .replace(/<\/html>\s*$/, (end) => `${end.trim()}\n<!--\n${notices}\n-->\n`);
}

/** The licences of what is inside, which ask to be passed on. */
function noticesOf(packages: readonly string[]): string {
  return packages
    .map((name) => {
      const licence = readFileSync(new URL(`../node_modules/${name}/LICENSE`, import.meta.url), "utf8");
      return `This page contains ${name}:\n\n${licence.trim()}`;
    })
    .join("\n\n");
}

function asText(source: string | Uint8Array): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source);
}

function sha256(text: string): string {
  return `sha256-${createHash("sha256").update(text, "utf8").digest("base64")}`;
}
