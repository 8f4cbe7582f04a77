/** The SecureCall ID: a public identity key that people can pass on. Rules: `docs/protocol/contact.md`. */

import { sha256 } from "@noble/hashes/sha2";

import { type Result, refused, valid } from "./result.ts";
import { trimmed } from "./white_space.ts";

/** An ID as it is written: 56 characters of base32 in lower case. Only the readers below make one. */
export type SecureCallId = string & { readonly __brand: "SecureCallId" };

/** What is wrong with a text that should be an ID. Positions are counted in characters from 0. */
export type SecureCallIdFault =
  | { readonly kind: "Length"; readonly found: number }
  | { readonly kind: "Alphabet"; readonly character: string; readonly position: number }
  | { readonly kind: "Checksum" }
  | { readonly kind: "Version"; readonly found: number }
  | { readonly kind: "SpareBits" }
  | { readonly kind: "NonCanonicalKey" }
  | { readonly kind: "LowOrderKey" };

/** Characters of an ID as it is written. */
export const ID_LENGTH = 56;
/** Characters of the older form: base64url of the bare key. */
const OLDER_LENGTH = 43;

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const KEY_LENGTH = 32;
const VERSION = 1;
const CHECKSUM_LABEL = new TextEncoder().encode("securecall id");

/** The canonical keys of low order but 0 and 1, little-endian: those of order 8, and p - 1. */
const LOW_ORDER = [
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/** Reads either form, in either case where it is base32, with white space around it. */
export function readSecureCallId(text: string): Result<SecureCallId, SecureCallIdFault> {
  const characters = [...trimmed(text)];
  switch (characters.length) {
    case ID_LENGTH:
      return readBase32(characters);
    case OLDER_LENGTH:
      return readOlderForm(characters);
    default:
      return refused({ kind: "Length", found: characters.length });
  }
}

/** Reads an ID exactly as it is written, as Matrix IDs hold it. */
export function readCanonicalId(text: string): Result<SecureCallId, SecureCallIdFault> {
  const characters = [...text];
  if (characters.length !== ID_LENGTH) {
    return refused({ kind: "Length", found: characters.length });
  }
  const position = characters.findIndex((character) => /[A-Z]/.test(character));
  const character = characters[position];
  if (character !== undefined) {
    return refused({ kind: "Alphabet", character, position });
  }
  return readBase32(characters);
}

/** The ID in groups of four, for reading it aloud. */
export function groupsOf(id: SecureCallId): string[] {
  return id.match(/.{4}/g) ?? [];
}

function readBase32(characters: string[]): Result<SecureCallId, SecureCallIdFault> {
  const values = valuesIn(characters, (character) =>
    /[A-Za-z]/.test(character) ? BASE32.indexOf(character.toLowerCase()) : BASE32.indexOf(character),
  );
  if (!values.ok) {
    return values;
  }
  const { bytes } = joined(values.value, 5);
  const key = bytes.subarray(0, KEY_LENGTH);
  const version = bytes[KEY_LENGTH + 2] ?? 0;
  const [first, second] = checksum(key, version);
  if (bytes[KEY_LENGTH] !== first || bytes[KEY_LENGTH + 1] !== second) {
    return refused({ kind: "Checksum" });
  }
  if (version !== VERSION) {
    return refused({ kind: "Version", found: version });
  }
  return ofKey(key);
}

function readOlderForm(characters: string[]): Result<SecureCallId, SecureCallIdFault> {
  // Nothing checks the older form: an ID that was cut to its length would be somebody else's.
  if (couldBeCut(characters.join(""))) {
    return refused({ kind: "Length", found: OLDER_LENGTH });
  }
  const values = valuesIn(characters, (character) => BASE64URL.indexOf(character));
  if (!values.ok) {
    return values;
  }
  const { bytes, spareBits } = joined(values.value, 6);
  return spareBits === 0 ? ofKey(bytes) : refused({ kind: "SpareBits" });
}

/** Whether a text is in one case and the newer form's alphabet, as one key of the older form in 2⁴² is. */
function couldBeCut(text: string): boolean {
  return /^([a-z2-7]*|[A-Z2-7]*)$/.test(text);
}

/** The ID of a key that may be anybody's. */
function ofKey(key: Uint8Array): Result<SecureCallId, SecureCallIdFault> {
  if (!isCanonical(key)) {
    return refused({ kind: "NonCanonicalKey" });
  }
  if (isOfLowOrder(key)) {
    return refused({ kind: "LowOrderKey" });
  }
  const bytes = [...key, ...checksum(key, VERSION), VERSION];
  return valid(base32(bytes) as SecureCallId);
}

function checksum(key: Uint8Array, version: number): [number, number] {
  const digest = sha256(Uint8Array.from([...CHECKSUM_LABEL, ...key, version]));
  return [digest[0] ?? 0, digest[1] ?? 0];
}

/** Below 2^255 - 19, little-endian. */
function isCanonical(key: Uint8Array): boolean {
  const top = key[KEY_LENGTH - 1] ?? 0;
  if (top !== 0x7f) {
    return top < 0x7f;
  }
  return (key[0] ?? 0) < 0xed || key.subarray(1, KEY_LENGTH - 1).some((byte) => byte !== 0xff);
}

function isOfLowOrder(key: Uint8Array): boolean {
  const isZeroOrOne = (key[0] ?? 0) <= 1 && key.subarray(1).every((byte) => byte === 0);
  const hex = Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return isZeroOrOne || LOW_ORDER.includes(hex);
}

/** What each character stands for; refuses the first that stands for nothing. */
function valuesIn(
  characters: string[],
  valueOf: (character: string) => number,
): Result<number[], SecureCallIdFault> {
  const values = characters.map(valueOf);
  const position = values.indexOf(-1);
  const character = characters[position];
  return character === undefined ? valid(values) : refused({ kind: "Alphabet", character, position });
}

/** The bytes in a row of values of `width` bits, most significant first, and the bits that are left over. */
function joined(values: number[], width: number): { bytes: Uint8Array; spareBits: number } {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const value of values) {
    bits = (bits << width) | value;
    count += width;
    if (count >= 8) {
      count -= 8;
      bytes.push(bits >> count);
      bits &= (1 << count) - 1;
    }
  }
  return { bytes: Uint8Array.from(bytes), spareBits: bits };
}

function base32(bytes: number[]): string {
  let text = "";
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += BASE32.charAt(bits >> count);
      bits &= (1 << count) - 1;
    }
  }
  return text;
}
