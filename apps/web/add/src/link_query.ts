/** The query of a contact link. Rules: `docs/protocol/contact.md`. */

import { asciiLowerCase } from "./ascii.ts";
import { parseForm } from "./form_urlencoded.ts";
import { withoutInvisible } from "./invisible.ts";
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

/** Punctuation and symbols beyond ASCII. What stands for bytes that are no text may have been anything. */
const FOREIGN_MARK = /[^\p{ASCII}\p{Alphabetic}\p{N}\ufffd]/u;

/** Reads what follows the question mark. */
export function readLinkQuery(text: string): Result<LinkQuery, LinkQueryFault> {
  const values = new Map<QueryKey, string>();
  for (const [written, value] of parseForm(text)) {
    const key = asciiLowerCase(written);
    if (isQueryKey(key)) {
      if (values.has(key)) {
        return refused({ kind: "Twice", key });
      }
      values.set(key, value);
    }
  }
  const server = readIfThere(values.get("server"), readServerName);
  if (!server.ok) {
    return refused({ kind: "Server", fault: server.fault });
  }
  const matrixId = readIfThere(values.get("mxid"), readMatrixId);
  if (!matrixId.ok) {
    return refused({ kind: "MatrixId", fault: matrixId.fault });
  }
  const name = nameLabel(values.get("name") ?? "");
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

function isQueryKey(key: string): key is QueryKey {
  return (QUERY_KEYS as readonly string[]).includes(key);
}

function readIfThere<Value, Fault>(
  text: string | undefined,
  read: (text: string) => Result<Value, Fault>,
): Result<Value | undefined, Fault> {
  return text === undefined ? valid(undefined) : read(withoutMarksBehind(text));
}

/**
 * A server name or a Matrix ID without what a chat has taken for a part of the link: invisible characters, punctuation
 * of any script, and what follows that, unless it could belong to the name.
 */
function withoutMarksBehind(text: string): string {
  const value = withoutInvisible(text);
  const at = value.search(FOREIGN_MARK);
  const kept = at < 0 || /[A-Za-z0-9]/.test(value.slice(at)) ? value : value.slice(0, at);
  return kept.replace(/[.,;:!?'")>*]+$/, "");
}

/**
 * Everything but RFC 3986's unreserved characters as `%XX`: `+` too, which many readers take for a space, a dot at the
 * end, which many programs take for the end of the sentence around the link, and what a mail would write an equals sign
 * as, `3D`.
 */
function percentEncoded(value: string): string {
  const bytes = new TextEncoder().encode(value);
  return Array.from(bytes, (byte, index) => {
    const character = String.fromCharCode(byte);
    const isPlain = /[A-Za-z0-9_~-]/.test(character) || (character === "." && index < bytes.length - 1);
    const isOfMail = index === 0 && value.startsWith("3D");
    return isPlain && !isOfMail ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
