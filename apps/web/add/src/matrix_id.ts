/** Matrix IDs, and those among them that are SecureCall addresses. Rules: `docs/protocol/contact.md`. */

import { type Result, refused, valid } from "./result.ts";
import { ID_LENGTH, type SecureCallId, type SecureCallIdFault, readCanonicalId } from "./securecall_id.ts";
import { type ServerName, type ServerNameFault, readServerName } from "./server_name.ts";
import { utf8Length } from "./utf8_length.ts";

export interface MatrixId {
  /** The whole ID. */
  readonly text: string;
  readonly serverName: ServerName;
  /** The ID that a self-certifying address holds; `undefined` for an ordinary account. */
  readonly securecallId: SecureCallId | undefined;
}

/** What is wrong with a text that should be a Matrix ID. */
export type MatrixIdFault =
  | { readonly kind: "TooLong"; readonly found: number }
  | { readonly kind: "NoSigil" }
  | { readonly kind: "NoServerName" }
  | { readonly kind: "EmptyLocalpart" }
  | { readonly kind: "Character"; readonly character: string }
  | { readonly kind: "ServerName"; readonly fault: ServerNameFault }
  | { readonly kind: "SecureCallId"; readonly fault: SecureCallIdFault }
  | { readonly kind: "UpperCase" };

/** Longest Matrix ID, in bytes. */
const MAX_LENGTH = 255;
/** What a SecureCall address starts with, after the `@`. */
const PREFIX = "sc_";

export function readMatrixId(text: string): Result<MatrixId, MatrixIdFault> {
  const found = utf8Length(text);
  if (found > MAX_LENGTH) {
    return refused({ kind: "TooLong", found });
  }
  if (!text.startsWith("@")) {
    return refused({ kind: "NoSigil" });
  }
  const colon = text.indexOf(":");
  if (colon < 0) {
    return refused({ kind: "NoServerName" });
  }
  const localpart = text.slice(1, colon);
  const fault = localpartFault(localpart);
  if (fault !== undefined) {
    return refused(fault);
  }
  const serverName = readServerName(text.slice(colon + 1));
  if (!serverName.ok) {
    return refused({ kind: "ServerName", fault: serverName.fault });
  }
  const securecallId = securecallIdIn(localpart);
  return securecallId.ok
    ? valid({
        text: `@${localpart}:${serverName.value}`,
        serverName: serverName.value,
        securecallId: securecallId.value,
      })
    : securecallId;
}

/** The self-certifying address of an ID. */
export function matrixIdOf(id: SecureCallId, serverName: ServerName): MatrixId {
  return { text: `@${PREFIX}${id}:${serverName}`, serverName, securecallId: id };
}

function localpartFault(localpart: string): MatrixIdFault | undefined {
  if (localpart === "") {
    return { kind: "EmptyLocalpart" };
  }
  const character = [...localpart].find((one) => !/^[!-~]$/.test(one));
  return character === undefined ? undefined : { kind: "Character", character };
}

function securecallIdIn(localpart: string): Result<SecureCallId | undefined, MatrixIdFault> {
  const prefix = localpart.slice(0, PREFIX.length);
  const rest = localpart.slice(PREFIX.length);
  if (prefix.toLowerCase() !== PREFIX) {
    return valid(undefined);
  }
  if (prefix !== PREFIX || (/[A-Z]/.test(rest) && rest.length === ID_LENGTH)) {
    return refused({ kind: "UpperCase" });
  }
  const id = readCanonicalId(rest);
  return id.ok ? id : refused({ kind: "SecureCallId", fault: id.fault });
}
