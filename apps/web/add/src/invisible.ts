/** Characters that draw nothing, and get into links on their way. Rules: `docs/protocol/contact.md`. */

/** Zero width, direction marks, joiners, fillers, tags, variation selectors, soft hyphen, byte order mark, as ranges. */
export const INVISIBLE: readonly (readonly [number, number])[] = [
  [0x00ad, 0x00ad],
  [0x034f, 0x034f],
  [0x061c, 0x061c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffc],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
];

/** The text without the characters of these ranges. */
export function without(ranges: readonly (readonly [number, number])[], text: string): string {
  const isIn = (character: string): boolean => {
    const code = character.codePointAt(0) ?? 0;
    return ranges.some(([first, last]) => first <= code && code <= last);
  };
  return [...text].filter((character) => !isIn(character)).join("");
}

export function withoutInvisible(text: string): string {
  return without(INVISIBLE, text);
}
