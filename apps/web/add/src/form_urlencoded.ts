/**
 * `application/x-www-form-urlencoded`, as the URL Standard parses it.
 *
 * Not `URLSearchParams`, because not every engine's decodes characters beyond ASCII beside a broken `%` as the standard
 * says.
 */

/** The pairs of a query, in their order. */
export function parseForm(text: string): [key: string, value: string][] {
  return text
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const at = pair.indexOf("=");
      return at < 0 ? [decoded(pair), ""] : [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))];
    });
}

/** `+` is a space, `%XX` a byte. */
function decoded(text: string): string {
  return percentDecoded(text.replace(/\+/g, " "));
}

/** `%XX` is a byte; what is no UTF-8 then becomes U+FFFD. */
export function percentDecoded(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const out = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    const escaped = byte === 0x25 ? hexByte(bytes[at + 1], bytes[at + 2]) : undefined;
    out[length] = escaped ?? byte;
    length += 1;
    if (escaped !== undefined) {
      at += 2;
    }
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(out.subarray(0, length));
}

function hexByte(high: number | undefined, low: number | undefined): number | undefined {
  const digits = String.fromCharCode(high ?? 0, low ?? 0);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? parseInt(digits, 16) : undefined;
}
