/** The built file itself. `npm run build` comes first. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { build } from "vite";

const page = readFileSync("dist/index.html", "utf8");

test("the page is one file", () => {
  assert.deepEqual(readdirSync("dist"), ["index.html"]);
});

test("the policy comes before everything that it is about, and allows this script and this style alone", () => {
  const policy = only(/<meta http-equiv="Content-Security-Policy" content="([^"]*)"/g);
  const script = only(/<script>([\s\S]*?)<\/script>/g);
  const style = only(/<style>([\s\S]*?)<\/style>/g);
  assert.deepEqual(policy.split("; "), [
    "default-src 'none'",
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]);
  const first = page.search(/<(script|style|link|title)\b/);
  assert.ok(page.indexOf("Content-Security-Policy") < first);
});

test("nothing in the file points to another", () => {
  const tags = page.replace(/<script>[\s\S]*?<\/script>|<style>[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, "");
  for (const [, url] of tags.matchAll(/\b(?:src|href|action|srcset|data|poster)\s*=\s*"([^"]*)"/g)) {
    assert.match(url ?? "", /^data:image\/svg\+xml,/);
  }
  assert.doesNotMatch(only(/<style>([\s\S]*?)<\/style>/g), /url\(|@import|@font-face/);
  assert.doesNotMatch(tags, /\son[a-z]+=|style=/);
});

test("what could send or store something is not in the script", () => {
  const script = only(/<script>([\s\S]*?)<\/script>/g);
  assert.doesNotMatch(
    script,
    /\bfetch\s*\(|XMLHttpRequest|sendBeacon|WebSocket|EventSource|RTCPeerConnection|localStorage|sessionStorage|indexedDB|document\.cookie|serviceWorker|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\s*\(|new Function|import\s*\(/,
  );
});

test("the licences of what is inside are passed on", () => {
  assert.match(page, /This page contains @noble\/hashes:\s+The MIT License/);
  assert.match(page, /This page contains uqr:\s+MIT License/);
});

test("building again gives the same bytes", async () => {
  const [result] = [await build({ logLevel: "silent", build: { write: false } })].flat();
  assert.ok(result !== undefined && "output" in result);
  const file = result.output.find(({ fileName }) => fileName === "index.html");
  assert.ok(file?.type === "asset");
  assert.equal(file.source, page);
});

/** The first group of the only match. */
function only(pattern: RegExp): string {
  const matches = [...page.matchAll(pattern)];
  assert.equal(matches.length, 1, `${pattern}`);
  return matches[0]?.[1] ?? "";
}

function hash(text: string): string {
  return `sha256-${createHash("sha256").update(text, "utf8").digest("base64")}`;
}
