import assert from "node:assert/strict";
import { test } from "node:test";

import { type PageAddress, linkIn, pageHost, wasSeenByServer } from "../../src/page_address.ts";

const ID = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";

test("the contact is read from the fragment or the path, wherever the page is hosted", () => {
  for (const [address, link] of [
    [`https://a.example/add/#${ID}?name=Bo`, `https://stealthx.tech/add/#${ID}?name=Bo`],
    [`https://a.example/add#${ID}`, `https://stealthx.tech/add#${ID}`],
    [`https://a.example/add/?utm=1#${ID}`, `https://stealthx.tech/add/?utm=1#${ID}`],
    [`https://a.example/add/index.html#${ID}`, `https://stealthx.tech/add/#${ID}`],
    [`https://a.example/add/${ID}?name=Bo`, `https://stealthx.tech/add/${ID}?name=Bo`],
    [`https://a.example/add/${ID}/`, `https://stealthx.tech/add/${ID}/`],
    [`https://a.example/add/${ID}#`, `https://stealthx.tech/add/${ID}#`],
    [`https://a.example/add/${ID}/add/${ID}`, `https://stealthx.tech/add/${ID}/add/${ID}`],
    [`http://localhost:8000/add/${ID}`, `https://stealthx.tech/add/${ID}`],
    [`http://localhost:5173/#${ID}`, `https://stealthx.tech/add/#${ID}`],
    [`https://a.example/address/${ID}`, "https://stealthx.tech/add/"],
    [`file:///home/ada/add/dist/index.html#${ID}`, `https://stealthx.tech/add/#${ID}`],
    [`file:///home/ada/page.html`, "https://stealthx.tech/add/"],
  ] as const) {
    assert.equal(linkIn(at(address)), link, address);
  }
});

test("the server has seen what is not in the fragment", () => {
  assert.equal(wasSeenByServer(at(`https://a.example/add/#${ID}`)), false);
  assert.equal(wasSeenByServer(at(`https://a.example/add/${ID}`)), true);
});

test("a web link names the host of this page, if a web link can lead there", () => {
  for (const [address, host] of [
    ["https://a.example/add/", "a.example"],
    ["https://a.example:8443/add/x", "a.example:8443"],
    ["https://[2001:db8::1]/add/", "[2001:db8::1]"],
    ["https://a.example/elsewhere/", "stealthx.tech"],
    ["https://a_b.example/add/", "stealthx.tech"],
    ["http://localhost:8000/add/", "stealthx.tech"],
    ["file:///add/index.html", "stealthx.tech"],
  ] as const) {
    assert.equal(pageHost(at(address)), host, address);
  }
});

function at(address: string): PageAddress {
  return new URL(address);
}
