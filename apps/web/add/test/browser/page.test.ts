/** The built page in Chromium: what it shows, and that it asks nobody for anything. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import jsqr from "jsqr";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";

import { ADA, FILE, HTML, Host, ID, OTHER_ID, Visitor } from "./visitor.ts";

const SITE = "https://calls.example/add/";
const ADA_DEEP = `securecall://contact/${ADA}`;

let visitor: Visitor;
let host: Host;

before(async () => {
  visitor = await Visitor.start();
  host = await Host.start();
});

after(async () => {
  await visitor?.leave();
  await host?.stop();
});

test("a contact is shown with name, server, ID in groups, QR code and a link that opens SecureCall", async () => {
  const { page, complaints } = await visitor.open(`${SITE}#${ADA}`);
  assert.equal(await page.title(), "Ada Lovelace – SecureCall contact");
  assert.equal(await page.locator("h1").innerText(), "Ada Lovelace");
  await shows(page, "This is what they call themselves. Nobody has checked it.");
  assert.equal(await page.locator("dl").innerText(), "Account on\nexample.org");
  assert.deepEqual(await page.locator(".group").allInnerTexts(), ID.match(/.{4}/g));
  const open = page.getByRole("link", { name: "Open in SecureCall" });
  assert.equal(await open.getAttribute("href"), ADA_DEEP);
  assert.equal(await qrText(page), ADA_DEEP);
  await shows(page, `securecall contact add '${ADA_DEEP}'`);
  assert.deepEqual(complaints, []);
});

test("the page works from a file, from a web server and in the path form, and only the page itself is asked for", async () => {
  for (const [address, asked] of [
    [`${FILE}#${ADA}`, FILE],
    [`${host.origin}/add/#${ADA}`, `${host.origin}/add/`],
    [`${host.origin}/add/${ADA}`, `${host.origin}/add/${ADA}`],
    [`${host.origin}/add/?utm_source=x#${ADA}`, `${host.origin}/add/?utm_source=x`],
    [`${SITE}#${ADA}`, SITE],
  ] as const) {
    host.log.length = 0;
    const { page, requests, complaints } = await visitor.open(address, { before: SHARE_RECORDER });
    assert.equal(await page.locator("h1").innerText(), "Ada Lovelace", address);
    for (const button of await page.locator("main button").all()) {
      await button.click();
    }
    await page.getByRole("button", { name: "Deutsch" }).click();
    await page.evaluate((hash) => (location.hash = hash), `#${OTHER_ID}`);
    await page.waitForFunction(() => document.title === "SecureCall-Kontakt" || document.querySelector(".damaged"));
    assert.deepEqual(requests.map(withoutFragment), [asked], address);
    const logged = asked.startsWith(host.origin) ? [`GET ${asked.slice(host.origin.length)}`] : [];
    assert.deepEqual(host.log, logged, address);
    assert.deepEqual(complaints, [], address);
  }
});

test("what the server could see is said truly", async () => {
  const inFragment = await visitor.open(`${SITE}#${ADA}`);
  await shows(inFragment.page, /behind #, which your browser keeps to itself/);
  const inPath = await visitor.open(`${SITE}${ADA}`);
  await shows(inPath.page, /the server that hosts this page could see it/);
});

test("nothing is stored", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before: SHARE_RECORDER });
  for (const button of await page.locator("main button").all()) {
    await button.click();
  }
  await page.getByRole("button", { name: "Deutsch" }).click();
  assert.deepEqual(await page.context().storageState({ indexedDB: true }), { cookies: [], origins: [] });
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("the policy is in force: no other script and style, and no way to send anything", async () => {
  const injected = `<style>h1 { display: none }</style><script>window.injected = 1</script>
    <p style="position: fixed" onclick="window.injected = 2">x</p><img src="/pixel.png" onerror="window.injected = 3">
    <iframe src="/frame.html"></iframe><base href="https://evil.example/">`;
  const host = await Host.start(HTML.replace("<body>", `<body>${injected}`));
  const { page, complaints } = await visitor.open(`${host.origin}/add/#${ADA}`);
  assert.ok(await page.locator("h1").isVisible());
  assert.equal(await page.evaluate(() => "injected" in window), false);
  const refused = await page.evaluate(async () => {
    const outcomes: string[] = [];
    await fetch("/add/").catch(() => outcomes.push("fetch"));
    new WebSocket(location.origin.replace("http", "ws"));
    navigator.sendBeacon("/beacon", "x");
    try {
      document.body.innerHTML = "<b>x</b>";
    } catch {
      outcomes.push("markup");
    }
    const script = document.createElement("script");
    try {
      script.text = "window.injected = 4";
    } catch {
      outcomes.push("script");
    }
    document.body.append(script);
    return outcomes;
  });
  assert.deepEqual(refused, ["fetch", "markup", "script"]);
  assert.equal(await page.evaluate(() => "injected" in window), false);
  await host.stop();
  assert.deepEqual(host.log, ["GET /add/"]);
  assert.ok(complaints.some((complaint) => complaint.includes("Content Security Policy")));
});

test("markup in name, server and Matrix ID is text", async () => {
  const markup = `"><img src=x onerror=injected=1><script>injected=2</script>`;
  const account = `@"><img/src/onerror=injected=3>'&<b>:example.org`;
  const query = new URLSearchParams({ name: markup, mxid: account });
  for (const address of [`${SITE}#${ID}?${query}`, `${SITE}${ID}?${query}`, `${FILE}#${ID}?${query}`]) {
    const { page, complaints } = await visitor.open(address);
    assert.equal(await page.locator("h1").innerText(), markup);
    assert.equal(await page.locator("dd").innerText(), account);
    assert.equal(await page.locator("main img, main script, main b").count(), 0);
    assert.equal(await page.evaluate(() => "injected" in window), false);
    const href = await page.getByRole("link", { name: "Open in SecureCall" }).getAttribute("href");
    assert.match(href ?? "", /^securecall:\/\/contact\/[a-z2-7]{56}\?mxid=[\w%.~-]+&name=[\w%.~-]+$/);
    assert.equal(await qrText(page), href);
    assert.deepEqual(complaints, []);
  }
  const { page } = await visitor.open(`${SITE}#${ID}?server=<script>injected=4</script>`);
  assert.equal(await page.locator("h1").innerText(), "This link is damaged");
  assert.equal(await page.evaluate(() => "injected" in window), false);
});

test("a name cannot turn the text around or hide in it", async () => {
  const { page } = await visitor.open(`${SITE}#${ID}?name=%E2%80%AEeboB%E2%80%AC%E2%80%8B%0A%0ABob`);
  assert.equal(await page.locator("h1").innerText(), "eboB Bob");
  const invisible = await visitor.open(`${SITE}#${ID}?name=%E2%80%8B%EF%BB%BF`);
  assert.equal(await invisible.page.locator("h1").innerText(), "SecureCall contact");
  await shows(invisible.page, "The link suggests no name.");
});

test("what a gateway, a chat or a document has put into a link does not count", async () => {
  for (const rest of [
    `%23${ID}?server=bugs.test`,
    `%23${ID}%3Fserver%3Dbugs.test`,
    `#${ID}%3FSERVER%3DBUGS.TEST`,
    `#${ID.slice(0, 20)}%E2%80%8B${ID.slice(20)}?server=bugs.test%E2%80%8E`,
    `#%64${ID.slice(1)}?Server=Bugs.Test%E3%80%82%E8%B0%A2`,
  ]) {
    const { page } = await visitor.open(`${SITE}${rest}`);
    const href = await page.getByRole("link", { name: "Open in SecureCall" }).getAttribute("href");
    assert.equal(href, `securecall://contact/${ID}?server=bugs.test`, rest);
  }
});

test("a damaged link says what is wrong and opens, copies and shares nothing", async () => {
  for (const [rest, reason] of [
    [`#${ID.slice(0, -1)}`, "A SecureCall ID has 56 characters, this one has 55."],
    [`#${ID}b`, "this one has 57."],
    [`#w${ID.slice(1)}`, "A character of the SecureCall ID was changed or lost."],
    [`#1${ID.slice(1)}`, "Character 1 of the SecureCall ID, “1”, cannot be there."],
    ["#dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjdmpyc", "is of version 2."],
    ["#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad5gib", "holds no usable key."],
    [`#${SITE}#${ID}`, "does not belong there."],
    [`#securecall://contact/${ID}`, "does not belong there."],
    [`#${ID}&name=Bo`, "does not belong there."],
    [`#${ID.slice(0, 20)}%20${ID.slice(20)}`, "does not belong there."],
    [`#${ID}?server=a.example&server=b.example`, "It says “server” twice."],
    [`#${ID}?server=exa%20mple`, "not a valid server name."],
    [`#${ID}?mxid=alice`, "The Matrix ID that it names is not valid."],
    [`#${ID}?mxid=@sc_w${ID.slice(1)}:example.org`, "The Matrix ID that it names is wrong."],
    [`#${ID}?x=${"y".repeat(5000)}`, "No contact link is longer than 4096."],
    [ID.slice(0, -1), "this one has 55."],
    [`${ID}/more`, "does not belong there."],
    [`${ID}/add/${OTHER_ID}`, "does not belong there."],
    [`${ID}#${OTHER_ID}`, "does not belong there."],
    [`w${ID.slice(1)}?name=Bo`, "was changed or lost."],
  ] as const) {
    const { page, complaints } = await visitor.open(SITE + rest, { before: SHARE_RECORDER });
    const alert = page.getByRole("alert");
    assert.equal(await alert.getByRole("heading").innerText(), "This link is damaged", rest);
    await shows(page, reason);
    await shows(page, "Ask the person who sent it to send it again, and open the whole link.");
    await offersNothing(page);
    assert.deepEqual(complaints, [], rest);
    await page.context().close();
  }
});

test("a link that names two keys is not to be used", async () => {
  const { page } = await visitor.open(`${SITE}#${ID}?mxid=@sc_${OTHER_ID}:example.org`);
  assert.equal(await page.locator("h1").innerText(), "This link contradicts itself");
  await shows(page, /Do not use it/);
  await offersNothing(page);
});

test("without a contact the page says so", async () => {
  for (const rest of ["", "#", "?utm_source=x", "#?server=example.org", "index.html"]) {
    const { page } = await visitor.open(SITE + rest);
    assert.equal(await page.locator("h1").innerText(), "No contact in this link", rest);
    await offersNothing(page);
    await page.context().close();
  }
});

test("an older ID is shown in the new form", async () => {
  const { page } = await visitor.open(`${SITE}#HY_8HeQWUsvr78RozlHm8NCV8Gf-3UZYNQ3j1VUi1BI`);
  assert.equal(await page.locator(".groups").textContent(), ID);
  assert.equal(await qrText(page), `securecall://contact/${ID}`);
});

test("where the account lives is shown for every kind of account", async () => {
  for (const [query, shown] of [
    ["", "Account on\nstealthx.tech"],
    ["?server=example.org:8448", "Account on\nexample.org:8448"],
    ["?mxid=@alice:example.org", "Matrix account\n@alice:example.org"],
    [`?mxid=@sc_${ID}:b.example&server=c.example`, "Account on\nb.example"],
  ] as const) {
    const { page } = await visitor.open(`${SITE}#${ID}${query}`);
    assert.equal(await page.locator("dl").innerText(), shown);
  }
});

test("the page follows its address", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`);
  await page.evaluate(() => (location.hash = "#damaged"));
  await page.getByRole("heading", { name: "This link is damaged" }).waitFor();
  await offersNothing(page);
  assert.equal(await page.title(), "This link is damaged – SecureCall");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
  await page.evaluate((hash) => (location.hash = hash), `#${OTHER_ID}?name=Bo`);
  await page.getByRole("heading", { name: "Bo" }).waitFor();
  assert.equal(await qrText(page), `securecall://contact/${OTHER_ID}?name=Bo`);
  await page.goBack();
  await page.getByRole("heading", { name: "This link is damaged" }).waitFor();
});

test("without scripts the page says why it needs them", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { javaScriptEnabled: false });
  await shows(page, /For that it needs JavaScript/);
  await offersNothing(page);
});

test("sharing hands the share sheet a title, a text and the web link", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before: SHARE_RECORDER });
  await page.getByRole("button", { name: "Share" }).click();
  assert.deepEqual(await page.evaluate("shared"), [
    {
      title: "Ada Lovelace – SecureCall contact",
      text: "Ada Lovelace on SecureCall, for end-to-end encrypted calls:",
      url: `${SITE}#${ADA}`,
    },
  ]);
  const nameless = await visitor.open(`${SITE}${ID}/?utm=1`, { before: SHARE_RECORDER, locale: "de" });
  await nameless.page.getByRole("button", { name: "Teilen" }).click();
  assert.deepEqual(await nameless.page.evaluate("shared"), [
    {
      title: "SecureCall-Kontakt",
      text: "Ein SecureCall-Kontakt, für Ende-zu-Ende-verschlüsselte Anrufe:",
      url: `${SITE}#${ID}`,
    },
  ]);
});

test("a share sheet that is closed is no failure, one that fails is said", async () => {
  const closed = await visitor.open(`${SITE}#${ADA}`, { before: shareThatFails("AbortError") });
  await closed.page.getByRole("button", { name: "Share" }).click();
  await closed.page.evaluate("tried");
  assert.equal(await closed.page.getByRole("status").innerText(), "");
  const failed = await visitor.open(`${SITE}#${ADA}`, { before: shareThatFails("NotAllowedError") });
  await failed.page.getByRole("button", { name: "Share" }).click();
  await failed.page.getByText("This device could not share the contact.").waitFor();
});

test("where there is no share sheet there is no button for it", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before: "delete Navigator.prototype.share" });
  assert.equal(await page.getByRole("button", { name: "Share" }).count(), 0);
});

test("link and ID are copied", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("The link is copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${SITE}#${ADA}`);
  await page.getByRole("button", { name: "Copy ID" }).click();
  await page.getByText("The ID is copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), ID);
});

test("without the clipboard API the browser's own copying does", async () => {
  const { page } = await visitor.open(`http://calls.example/add/#${ADA}`, { before: COPY_RECORDER });
  assert.equal(await page.evaluate(() => "clipboard" in navigator), false);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("The link is copied.").waitFor();
  assert.deepEqual(await page.evaluate("copied"), [`https://stealthx.tech/add/#${ADA}`]);
  const focused = await page.evaluate(() => document.activeElement?.textContent);
  assert.equal(focused, "Copy link");
});

test("where the page may not copy, the text is selected", async () => {
  const before = `delete Navigator.prototype.clipboard; document.execCommand = () => false;`;
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before });
  await page.getByRole("button", { name: "Copy ID" }).click();
  await page.getByText("The text is selected: copy it yourself.").waitFor();
  const selected = await page.evaluate(() => {
    const field = document.activeElement as HTMLInputElement;
    return field.value.slice(field.selectionStart ?? 0, field.selectionEnd ?? 0);
  });
  assert.equal(selected, ID);
});

test("a click selects the whole ID, without the gaps between its groups", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`);
  await page.locator(".group").nth(3).click();
  assert.equal(await page.evaluate(() => getSelection()?.toString()), ID);
});

test("a link opened from elsewhere than a public host is shared with the default domain", async () => {
  for (const address of [`${FILE}#${ID}`, `${host.origin}/add/#${ID}`]) {
    const { page } = await visitor.open(address, { before: SHARE_RECORDER });
    await page.getByRole("button", { name: "Share" }).click();
    const [{ url }] = (await page.evaluate("shared")) as [{ url: string }];
    assert.equal(url, `https://stealthx.tech/add/#${ID}`);
  }
});

test("the page speaks German to those who read it, and switches without a reload", async () => {
  const { page, requests } = await visitor.open(`${SITE}#${ADA}`, { locale: "de-AT" });
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  await page.getByRole("link", { name: "In SecureCall öffnen" }).waitFor();
  await shows(page, "So nennt sich die Person selbst. Niemand hat das geprüft.");
  await page.getByRole("button", { name: "English" }).click();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.getByRole("link", { name: "Open in SecureCall" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Deutsch");
  assert.equal(requests.length, 1);
  const damaged = await visitor.open(`${SITE}#x`, { locale: "de" });
  assert.equal(await damaged.page.locator("h1").innerText(), "Dieser Link ist beschädigt");
});

test("the picture of a link that the screenshot command takes can be read", async () => {
  const directory = mkdtempSync(join(tmpdir(), "securecall-page-"));
  try {
    const out = join(directory, "page.png");
    execFileSync(process.execPath, ["test/screenshot.mjs", "--link", ADA_DEEP, "--out", out, "--dark", "--width", "390"]);
    assert.equal(qrTextIn(readFileSync(out)), ADA_DEEP);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** In place of the share sheet, which Chromium on Linux lacks. */
const SHARE_RECORDER = `
  window.shared = [];
  Navigator.prototype.share = (data) => { shared.push(data); return Promise.resolve(); };`;

/** What is selected whenever the page copies. */
const COPY_RECORDER = `
  window.copied = [];
  document.addEventListener("copy", ({ target }) =>
    copied.push(target.value.slice(target.selectionStart, target.selectionEnd)));`;

/** A share sheet that ends with an error; \`tried\` resolves after the page has seen it. */
function shareThatFails(name: string): string {
  return `
    let done;
    window.tried = new Promise((resolve) => { done = resolve; });
    Navigator.prototype.share = () => {
      setTimeout(done);
      return Promise.reject(new DOMException("", "${name}"));
    };`;
}

async function shows(page: Page, text: string | RegExp): Promise<void> {
  assert.ok(await page.getByText(text).first().isVisible(), `${text}`);
}

/** There is nothing to press but the language. */
async function offersNothing(page: Page): Promise<void> {
  assert.equal(await page.locator("main a, main button, main input, main svg[role=img]").count(), 0);
  assert.equal(await page.locator("[href^='securecall:']").count(), 0);
}

/** What a reader of QR codes sees on the screen. */
async function qrText(page: Page): Promise<string> {
  return qrTextIn(await page.locator(".qr").screenshot());
}

function qrTextIn(file: Buffer): string {
  const picture = PNG.sync.read(file);
  const found = jsqr(Uint8ClampedArray.from(picture.data), picture.width, picture.height);
  assert.ok(found, "no QR code is seen");
  return found.data;
}

function withoutFragment(url: string): string {
  return url.replace(/#.*$/, "");
}
