/** IP addresses in text form, as strictly as Rust's standard library reads them. */

/** Four decimal numbers up to 255, without leading zeros. */
export function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

/** RFC 4291 section 2.2: eight groups, `::` once for one or more groups of zeros, an IPv4 address as the last two. */
export function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) {
    return false;
  }
  const [head = "", tail] = halves;
  if (tail === undefined) {
    return groupsIn(head, true) === 8;
  }
  const before = groupsIn(head, false);
  const after = groupsIn(tail, true);
  return before !== undefined && after !== undefined && before + after <= 7;
}

/** How many groups of 16 bits a part without `::` holds; `undefined` if it is not made of such. */
function groupsIn(part: string, mayEndWithIpv4: boolean): number | undefined {
  if (part === "") {
    return 0;
  }
  const pieces = part.split(":");
  const last = pieces[pieces.length - 1] ?? "";
  const endsWithIpv4 = mayEndWithIpv4 && isIpv4(last);
  const groups = endsWithIpv4 ? pieces.slice(0, -1) : pieces;
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) {
    return undefined;
  }
  return groups.length + (endsWithIpv4 ? 2 : 0);
}
