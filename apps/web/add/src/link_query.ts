/** The query of a contact link. Rules: `docs/protocol/contact.md`. */

import { type MatrixId, type MatrixIdFault, readMatrixId } from "./matrix_id.ts";
import { type NameLabel, nameLabel } from "./name_label.ts";
import { type Result, refused, valid } from "./result.ts";
import { type ServerName, type ServerNameFault, readServerName } from "./server_name.ts";

export interface LinkQuery {
  readonly server: ServerName | undefined;
  readonly matrixId: MatrixId | undefined;
  readonly name: NameLabel | undefined;
}

/** What is wrong with a query. */
export type LinkQueryFault =
  | { readonly kind: "Server"; readonly fault: ServerNameFault }
  | { readonly kind: "MatrixId"; readonly fault: MatrixIdFault }
  | { readonly kind: "Twice"; readonly key: QueryKey };

const QUERY_KEYS = ["server", "mxid", "name"] as const;
export type QueryKey = (typeof QUERY_KEYS)[number];

/** Reads what follows the question mark. */
export function readLinkQuery(text: string): Result<LinkQuery, LinkQueryFault> {
  // The constructor drops one question mark; a second one belongs to the first key.
  const parameters = new URLSearchParams(`?${text}`);
  const key = firstTwice(parameters);
  if (key !== undefined) {
    return refused({ kind: "Twice", key });
  }
  const server = mapped(parameters.get("server"), readServerName);
  if (!server.ok) {
    return refused({ kind: "Server", fault: server.fault });
  }
  const matrixId = mapped(parameters.get("mxid"), readMatrixId);
  if (!matrixId.ok) {
    return refused({ kind: "MatrixId", fault: matrixId.fault });
  }
  const name = nameLabel(parameters.get("name") ?? "");
  return valid({ server: server.value, matrixId: matrixId.value, name });
}

/** The query with its question mark, in a fixed order; nothing if there is nothing to say. */
export function writeLinkQuery({ server, matrixId, name }: LinkQuery): string {
  const values: Record<QueryKey, string | undefined> = { server, mxid: matrixId?.text, name };
  const pairs = QUERY_KEYS.flatMap((key) => {
    const value = values[key];
    return value === undefined ? [] : [`${key}=${percentEncoded(value)}`];
  });
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

/** The key that comes a second time, in the order of the text. */
function firstTwice(parameters: URLSearchParams): QueryKey | undefined {
  const seen = new Set<string>();
  for (const key of parameters.keys()) {
    if (seen.has(key)) {
      return key as QueryKey;
    }
    if ((QUERY_KEYS as readonly string[]).includes(key)) {
      seen.add(key);
    }
  }
  return undefined;
}

function mapped<Value, Fault>(
  text: string | null,
  read: (text: string) => Result<Value, Fault>,
): Result<Value | undefined, Fault> {
  return text === null ? valid(undefined) : read(text);
}

/**
 * Everything but RFC 3986's unreserved characters as `%XX`: `+` too, which many readers take for a space, and a dot at
 * the end, which many programs take for the end of the sentence around the link.
 */
function percentEncoded(value: string): string {
  const bytes = new TextEncoder().encode(value);
  return Array.from(bytes, (byte, index) => {
    const character = String.fromCharCode(byte);
    const isPlain = /[A-Za-z0-9_~-]/.test(character) || (character === "." && index < bytes.length - 1);
    return isPlain ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
