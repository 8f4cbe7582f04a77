/**
 * Unicode's White_Space. JavaScript's own `\s` and `trim` differ from it in two characters (U+0085, U+FEFF), and every
 * reader of a contact must cut a link at the same places.
 */
const WHITE_SPACE =
  "\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const ANY = new RegExp(`[${WHITE_SPACE}]`);
const AROUND = new RegExp(`^[${WHITE_SPACE}]+|[${WHITE_SPACE}]+$`, "g");
/** White space and control characters: where one word of a name ends. */
export const WORD_BREAKS = new RegExp(`[${WHITE_SPACE}\\u0000-\\u001f\\u007f-\\u009f]+`);

export function hasWhiteSpace(text: string): boolean {
  return ANY.test(text);
}

export function trimmed(text: string): string {
  return text.replace(AROUND, "");
}
