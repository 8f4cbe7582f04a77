/** The contact link: a SecureCall ID with what is needed to call it. Rules: `docs/protocol/contact.md`. */

import { asciiLowerCase } from "./ascii.ts";
import { percentDecoded } from "./form_urlencoded.ts";
import { withoutInvisible } from "./invisible.ts";
import { type LinkQuery, type LinkQueryFault, readLinkQuery, writeLinkQuery } from "./link_query.ts";
import { type MatrixId, matrixIdOf } from "./matrix_id.ts";
import { type Result, refused, valid } from "./result.ts";
import { ID_LENGTH, type SecureCallId, type SecureCallIdFault, readSecureCallId } from "./securecall_id.ts";
import { type ServerName, type ServerNameFault, readServerName } from "./server_name.ts";
import { utf8Length } from "./utf8_length.ts";
import { hasWhiteSpace, trimmed } from "./white_space.ts";

/** How to reach a contact: their ID, where their account lives, and what they would like to be called. */
export interface ContactLink {
  readonly id: SecureCallId;
  readonly query: LinkQuery;
}

/** What is wrong with a text that should be a contact link. */
export type ContactLinkFault =
  | { readonly kind: "TooLong"; readonly found: number }
  | { readonly kind: "NoScheme" }
  | { readonly kind: "Scheme" }
  | { readonly kind: "Host" }
  | { readonly kind: "PageHost"; readonly fault: ServerNameFault }
  | { readonly kind: "Path" }
  | { readonly kind: "NoId" }
  | { readonly kind: "Junk" }
  | { readonly kind: "Id"; readonly fault: SecureCallIdFault }
  | LinkQueryFault
  | { readonly kind: "AnotherKey" };

/** Longest link that is read, in bytes. */
const MAX_LENGTH = 4096;

/** ID and query of a link, neither read yet. */
type Parts = Result<{ id: string; query: string }, ContactLinkFault>;

/** Reads the deep link, the web form and the web form's path variant. */
export function readContactLink(text: string): Result<ContactLink, ContactLinkFault> {
  const link = trimmed(text);
  const found = utf8Length(link);
  if (found > MAX_LENGTH) {
    return refused({ kind: "TooLong", found });
  }
  const parts = partsOf(withoutInvisible(link));
  return parts.ok ? readParts(parts.value.id, parts.value.query) : parts;
}

/** The link that a program opens. */
export function deepLink({ id, query }: ContactLink): string {
  return `securecall://contact/${id}${writeLinkQuery(query)}`;
}

/** The link that a browser opens, with a page at `pageHost`. */
export function webLink({ id, query }: ContactLink, pageHost: ServerName): string {
  return `https://${pageHost}/add/#${id}${writeLinkQuery(query)}`;
}

/** The Matrix ID to call: the one that the link names, else the self-certifying address. */
export function matrixIdToCall({ id, query }: ContactLink, defaultDomain: ServerName): MatrixId {
  return query.matrixId ?? matrixIdOf(id, query.server ?? defaultDomain);
}

function readParts(idText: string, queryText: string): Result<ContactLink, ContactLinkFault> {
  if (idText === "") {
    return refused({ kind: "NoId" });
  }
  const id = readSecureCallId(withoutForeignText(idText));
  if (!id.ok) {
    return refused({ kind: "Id", fault: id.fault });
  }
  const query = readLinkQuery(queryText);
  if (!query.ok) {
    return query;
  }
  const named = query.value.matrixId?.securecallId;
  if (named !== undefined && named !== id.value) {
    return refused({ kind: "AnotherKey" });
  }
  return valid({ id: id.value, query: query.value });
}

function partsOf(link: string): Parts {
  const [scheme, afterScheme] = splitOnce(link, "://");
  if (afterScheme === undefined) {
    return refused({ kind: "NoScheme" });
  }
  const end = afterScheme.search(/[/?#]/);
  const authority = end < 0 ? afterScheme : afterScheme.slice(0, end);
  const rest = afterScheme.slice(authority.length);
  switch (asciiLowerCase(scheme)) {
    case "securecall":
      return deepForm(authority, rest);
    case "https": {
      const host = readServerName(authority);
      return host.ok ? webForm(rest) : refused({ kind: "PageHost", fault: host.fault });
    }
    default:
      return refused({ kind: "Scheme" });
  }
}

/** ID and query of what follows `securecall:`. */
function deepForm(authority: string, rest: string): Parts {
  if (asciiLowerCase(authority) !== "contact") {
    return refused({ kind: "Host" });
  }
  return splitQuery(rest.replace(/^\//, ""));
}

/** ID and query of what follows `https://<host>`. */
function webForm(rest: string): Parts {
  const [page, fragment] = splitOnce(withPlainFragment(rest), "#");
  // A query before the fragment belongs to the page: link shorteners and trackers put theirs there.
  const [path] = splitOnce(page, "?");
  if (!path.startsWith("/add")) {
    return refused({ kind: "Path" });
  }
  const inPath = path.slice("/add".length);
  if (inPath === "" || inPath === "/") {
    return fragment === undefined ? refused({ kind: "NoId" }) : splitQuery(fragment);
  }
  if (fragment !== undefined) {
    return refused({ kind: "Junk" });
  }
  return inPath.startsWith("/") ? splitQuery(page.slice("/add/".length)) : refused({ kind: "Path" });
}

/** The same where a gateway has written the number sign as `%23`. */
function withPlainFragment(rest: string): string {
  return rest.includes("#") ? rest : rest.replace(/^(\/add\/?)%23/, "$1#");
}

/** Splits `<ID>?<query>`; one slash behind the ID is allowed, as web servers like to add it. */
function splitQuery(text: string): Parts {
  const [written, behind = ""] = splitOnce(text, "?");
  const decoded = percentDecoded(written);
  // A gateway that has encoded the question mark has encoded all that follows it, too.
  const [before, query] = decoded.includes("?")
    ? splitOnce(percentDecoded(text), "?")
    : [decoded, behind];
  return partsIn(withoutInvisible(before).replace(/\/$/, ""), query ?? "");
}

function partsIn(id: string, query: string): Parts {
  if (/[/#&]/.test(id) || query.includes("#") || hasWhiteSpace(id)) {
    return refused({ kind: "Junk" });
  }
  return valid({ id, query });
}

/**
 * An ID without the letters of another script, or the punctuation of any, that follow it at once. The checksum says that
 * it was whole.
 */
function withoutForeignText(id: string): string {
  const isApart = /^[\p{ASCII}]{56}[^A-Za-z0-9%=]/u.test(id);
  return isApart ? id.slice(0, ID_LENGTH) : id;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
