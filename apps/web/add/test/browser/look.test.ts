/** How the page looks and how it is used: by keyboard, with a screen reader, on small screens, in dark and light. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";

import axe from "axe-core";
import type { Page } from "playwright-core";

import { ADA, ID, Visitor, type VisitOptions } from "./visitor.ts";

const SITE = "https://calls.example/add/";
const SHARE_SHEET = "Navigator.prototype.share = () => Promise.resolve()";
/** Whatever can be long is. */
const LONG = `${ID}?${new URLSearchParams({
  mxid: `@${"a".repeat(120)}:${"b".repeat(60)}.${"c".repeat(60)}.example`,
  name: "W".repeat(64),
})}`;

/** For people to look at. */
const PICTURES = "../../../target/web";

let visitor: Visitor;

before(async () => {
  visitor = await Visitor.start();
  mkdirSync(PICTURES, { recursive: true });
});

after(async () => {
  await visitor?.leave();
});

test("no rule of axe is broken, in any state, language and colour", async () => {
  for (const rest of [`#${ADA}`, `#${ID}`, `#${LONG}`, "#damaged", ""]) {
    for (const [locale, colorScheme] of [
      ["en", "light"],
      ["de", "dark"],
    ] as const) {
      const { page } = await visitor.open(SITE + rest, { locale, colorScheme, before: `${SHARE_SHEET};${axe.source}` });
      const result = (await page.evaluate("axe.run()")) as axe.AxeResults;
      const broken = result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      assert.deepEqual(broken, [], `${rest} ${locale} ${colorScheme}`);
      assert.ok(result.passes.some(({ id }) => id === "color-contrast"));
      await page.context().close();
    }
  }
});

test("a screen reader finds landmarks, headings, names, and the ID in groups", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before: SHARE_SHEET });
  await page.getByRole("banner").waitFor();
  await page.getByRole("main").waitFor();
  assert.deepEqual(await page.getByRole("heading").allInnerTexts(), [
    "Ada Lovelace",
    "SecureCall ID",
    "What is this?",
    "What this page knows",
    "No SecureCall yet?",
  ]);
  await page.getByRole("img", { name: "QR code that holds this contact’s link" }).waitFor();
  assert.equal(await page.getByRole("img").count(), 1);
  await page.getByRole("group", { name: "Command that adds this contact" }).waitFor();
  const read = await page.locator(".code").ariaSnapshot();
  assert.ok(read.includes(ID.match(/.{4}/g)?.join(" ") ?? "?"), read);
  assert.ok(!read.includes(ID), read);
});

test("the keyboard reaches everything in the order of reading, and shows where it is", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { before: SHARE_SHEET });
  const reached: string[] = [];
  for (let presses = 0; presses < 6; presses += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element ?? document.body);
      return { text: element?.textContent ?? "", outline: `${outlineStyle} ${outlineWidth}` };
    });
    reached.push(focus.text.slice(0, 22));
    assert.equal(focus.outline, "solid 3px", focus.text);
  }
  assert.deepEqual(reached, [
    "Deutsch",
    "Open in SecureCall",
    "Copy link",
    "Share",
    "Copy ID",
    "securecall contact add",
  ]);
});

test("the keyboard presses every button", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("button", { name: "Copy link" }).press("Enter");
  await page.getByText("The link is copied.").waitFor();
  await page.getByRole("button", { name: "Copy ID" }).press("Space");
  await page.getByText("The ID is copied.").waitFor();
  await page.getByRole("button", { name: "Deutsch" }).press("Enter");
  await page.getByRole("button", { name: "English" }).waitFor();
});

test("nothing sticks out of a small screen, and what is pressed is large enough for a finger", async () => {
  for (const width of [320, 390]) {
    for (const rest of [`#${ADA}`, `#${LONG}`, "#damaged", ""]) {
      for (const locale of ["en", "de"]) {
        const viewport = { width, height: 640 };
        const { page } = await visitor.open(SITE + rest, { viewport, locale, before: SHARE_SHEET });
        const where = `${width} ${rest} ${locale}`;
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, where);
        for (const target of await page.locator("main a, button").all()) {
          const box = await target.boundingBox();
          assert.ok(box !== null && box.height >= 44 && box.width >= 44, where);
          assert.ok(box.x >= 0 && box.x + box.width <= width, where);
        }
        await page.context().close();
      }
    }
  }
});

test("dark and light follow the system, and the QR code is dark on white in both", async () => {
  const colours: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    const { page } = await visitor.open(`${SITE}#${ADA}`, { colorScheme });
    colours.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    assert.equal(await fill(page, ".qr rect"), "rgb(255, 255, 255)");
    assert.equal(await fill(page, ".qr path"), "rgb(0, 0, 0)");
  }
  assert.deepEqual(colours, ["rgb(243, 245, 245)", "rgb(15, 20, 21)"]);
});

test("the QR code has four modules of white around it, and each module is a whole number of pixels", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`);
  const { size, width, left, top } = await page.locator(".qr svg").evaluate((picture) => {
    const svg = picture as SVGSVGElement;
    const { x, y } = (svg.querySelector("path") as SVGPathElement).getBBox();
    return { size: svg.viewBox.baseVal.width, width: svg.getBoundingClientRect().width, left: x, top: y };
  });
  assert.deepEqual([left, top], [4, 4]);
  assert.equal(width % size, 0);
});

test("nothing moves for those who want no motion", async () => {
  const { page } = await visitor.open(`${SITE}#${ADA}`, { reducedMotion: "reduce" });
  const durations = await page.evaluate(() =>
    [...document.querySelectorAll("*")].map((element) => {
      const { transitionDuration, animationName } = getComputedStyle(element);
      return `${transitionDuration} ${animationName}`;
    }),
  );
  assert.deepEqual([...new Set(durations)], ["0s none"]);
});

test("pictures are taken for people to look at", async () => {
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
  const small = { viewport: { width: 320, height: 568 }, deviceScaleFactor: 2 };
  const desktop = { viewport: { width: 1280, height: 800 } };
  const pictures: [string, string, VisitOptions][] = [
    ["phone-light", `#${ADA}`, phone],
    ["phone-dark", `#${ADA}`, { ...phone, colorScheme: "dark" }],
    ["phone-damaged", `#w${ID.slice(1)}`, phone],
    ["phone-small-german-long", `#${LONG}`, { ...small, locale: "de" }],
    ["desktop-light", `#${ADA}`, desktop],
    ["desktop-dark-german", `#${ADA}`, { ...desktop, colorScheme: "dark", locale: "de" }],
    ["desktop-damaged", `#w${ID.slice(1)}`, desktop],
    ["desktop-empty", "", desktop],
  ];
  for (const [name, rest, options] of pictures) {
    const { page } = await visitor.open(SITE + rest, { ...options, before: SHARE_SHEET });
    await page.screenshot({ path: `${PICTURES}/${name}.png` });
    await page.screenshot({ path: `${PICTURES}/${name}-full.png`, fullPage: true });
    await page.context().close();
  }
});

async function fill(page: Page, selector: string): Promise<string> {
  return page.locator(selector).evaluate((element) => getComputedStyle(element).fill);
}
