import assert from "node:assert/strict";
import { test } from "node:test";

import type { ContactLinkFault } from "../../src/contact_link.ts";
import { messagesFor, otherThan } from "../../src/messages.ts";

const LENGTH = { kind: "Length", found: 55 } as const;

/** One of each kind, wherever two kinds could have the same words. */
const FAULTS: ContactLinkFault[] = [
  { kind: "TooLong", found: 5000 },
  { kind: "NoId" },
  { kind: "Junk" },
  { kind: "Path" },
  { kind: "Id", fault: LENGTH },
  { kind: "Id", fault: { kind: "Alphabet", character: "1", position: 3 } },
  { kind: "Id", fault: { kind: "Checksum" } },
  { kind: "Id", fault: { kind: "Version", found: 2 } },
  { kind: "Id", fault: { kind: "SpareBits" } },
  { kind: "Id", fault: { kind: "LowOrderKey" } },
  { kind: "Server", fault: { kind: "Empty" } },
  { kind: "MatrixId", fault: { kind: "NoSigil" } },
  { kind: "MatrixId", fault: { kind: "UpperCase" } },
  { kind: "MatrixId", fault: { kind: "SecureCallId", fault: LENGTH } },
  { kind: "Twice", key: "mxid" },
  { kind: "AnotherKey" },
];

test("the first language that the reader wants and the page speaks is taken", () => {
  for (const [languages, taken] of [
    [["de-AT", "en"], "de"],
    [["en-GB", "de"], "en"],
    [["fr", "DE", "en"], "de"],
    [["fr"], "en"],
    [["den", "deutsch"], "en"],
    [[], "en"],
  ] as const) {
    assert.equal(messagesFor(languages).language, taken, languages.join());
  }
});

test("the switch leads to the other language and back", () => {
  const english = messagesFor(["en"]);
  const german = otherThan(english);
  assert.equal(german.language, "de");
  assert.equal(otherThan(german), english);
  assert.equal(english.otherLanguage, "Deutsch");
  assert.equal(german.otherLanguage, "English");
});

test("every fault is said in its own words, with what to do", () => {
  for (const messages of [messagesFor(["en"]), messagesFor(["de"])]) {
    const said = FAULTS.map((fault) => messages.fault(fault));
    assert.equal(new Set(said).size, FAULTS.length);
    for (const fault of FAULTS) {
      for (const text of [messages.fault(fault), messages.faultHeading(fault), messages.faultAdvice(fault)]) {
        assert.match(text, /\S/);
        assert.doesNotMatch(text, /undefined|NaN|\[object/);
      }
    }
  }
});
