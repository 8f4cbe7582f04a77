/** The name of a homeserver, as it stands after the colon of a Matrix ID. Rules: `docs/protocol/contact.md`. */

import { asciiLowerCase } from "./ascii.ts";
import { isIpv4, isIpv6 } from "./ip_address.ts";
import { type Result, refused, valid } from "./result.ts";
import { utf8Length } from "./utf8_length.ts";

/** A valid server name in lower case, with its port if it has one. Only the reader below makes one. */
export type ServerName = string & { readonly __brand: "ServerName" };

/** What is wrong with a text that should be a server name. */
export type ServerNameFault =
  | { readonly kind: "Empty" }
  | { readonly kind: "TooLong"; readonly found: number }
  | { readonly kind: "Character"; readonly character: string }
  | { readonly kind: "Label" }
  | { readonly kind: "Ipv6" }
  | { readonly kind: "Ipv4" }
  | { readonly kind: "Port" };

/** The domain that is meant where a contact names none. */
export const DEFAULT_DOMAIN = "stealthx.tech" as ServerName;

/** Longest name, in bytes. */
const MAX_LENGTH = 230;

export function readServerName(text: string): Result<ServerName, ServerNameFault> {
  const fault = faultOf(text);
  return fault === undefined ? valid(asciiLowerCase(text) as ServerName) : refused(fault);
}

function faultOf(text: string): ServerNameFault | undefined {
  if (text === "") {
    return { kind: "Empty" };
  }
  const found = utf8Length(text);
  if (found > MAX_LENGTH) {
    return { kind: "TooLong", found };
  }
  const { host, port } = splitPort(text);
  return hostFault(host) ?? (port === undefined ? undefined : portFault(port));
}

/** Splits at the colon before the port; the colons inside an IPv6 address's brackets are not it. */
function splitPort(text: string): { host: string; port: string | undefined } {
  const colon = text.indexOf(":", text.lastIndexOf("]") + 1);
  return colon < 0
    ? { host: text, port: undefined }
    : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function hostFault(host: string): ServerNameFault | undefined {
  if (host.startsWith("[")) {
    return host.endsWith("]") && isIpv6(host.slice(1, -1)) ? undefined : { kind: "Ipv6" };
  }
  if (host === "") {
    return { kind: "Empty" };
  }
  const character = [...host].find((one) => !/[A-Za-z0-9.-]/.test(one));
  if (character !== undefined) {
    return { kind: "Character", character };
  }
  const labels = host.split(".");
  if (labels.every((label) => /^[0-9]*$/.test(label))) {
    return isIpv4(host) ? undefined : { kind: "Ipv4" };
  }
  return labels.every(isLabel) ? undefined : { kind: "Label" };
}

function isLabel(label: string): boolean {
  return label !== "" && label.length <= 63 && !label.startsWith("-") && !label.endsWith("-");
}

function portFault(port: string): ServerNameFault | undefined {
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : 0;
  return number >= 1 && number <= 65535 ? undefined : { kind: "Port" };
}
