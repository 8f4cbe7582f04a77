/** The name that a contact link suggests for its owner. Rules: `docs/protocol/contact.md`. */

import { INVISIBLE, without } from "./invisible.ts";
import { WORD_BREAKS } from "./white_space.ts";

/** A name made fit for display. Nobody vouches for it. */
export type NameLabel = string & { readonly __brand: "NameLabel" };

/** Longest label, in characters. */
const MAX_LENGTH = 64;

/** What is invisible anywhere, and what is not a character at all, or one of nobody's. */
const HARMFUL: readonly (readonly [number, number])[] = [
  ...INVISIBLE,
  [0x2028, 0x2029],
  [0x2800, 0x2800],
  [0xd7fc, 0xf8ff],
  [0xfdd0, 0xfdef],
  [0xfffd, 0xffff],
  [0xe1000, 0x10ffff],
];

/** Makes a text harmless; `undefined` if nothing is left of it. */
export function nameLabel(text: string): NameLabel | undefined {
  const words = text
    .split(WORD_BREAKS)
    .map((word) => without(HARMFUL, word))
    .filter((word) => word !== "");
  const characters = [...words.join(" ")].slice(0, MAX_LENGTH);
  if (characters[characters.length - 1] === " ") {
    characters.pop();
  }
  const label = characters.join("");
  return label === "" ? undefined : (label as NameLabel);
}
