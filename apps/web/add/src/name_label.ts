/** The name that a contact link suggests for its owner. Rules: `docs/protocol/contact.md`. */

import { WORD_BREAKS } from "./white_space.ts";

/** A name made fit for display. Nobody vouches for it. */
export type NameLabel = string & { readonly __brand: "NameLabel" };

/** Longest label, in characters. */
const MAX_LENGTH = 64;

/** Unicode's default-ignorable characters, direction marks, and what is not a character at all, as ranges. */
const INVISIBLE: readonly (readonly [number, number])[] = [
  [0x00ad, 0x00ad],
  [0x034f, 0x034f],
  [0x061c, 0x061c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xd7fc, 0xf8ff],
  [0xfdd0, 0xfdef],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xffff],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0x10ffff],
];

/** Makes a text harmless; `undefined` if nothing is left of it. */
export function nameLabel(text: string): NameLabel | undefined {
  const words = text.split(WORD_BREAKS).map(visible).filter((word) => word !== "");
  const characters = [...words.join(" ")].slice(0, MAX_LENGTH);
  if (characters[characters.length - 1] === " ") {
    characters.pop();
  }
  const label = characters.join("");
  return label === "" ? undefined : (label as NameLabel);
}

function visible(word: string): string {
  return [...word].filter((character) => !isInvisible(character)).join("");
}

function isInvisible(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return INVISIBLE.some(([first, last]) => first <= code && code <= last);
}
