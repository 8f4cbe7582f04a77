/** Bytes of a text: limits count these, as Matrix does, not JavaScript's units. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
