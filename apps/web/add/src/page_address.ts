/** What the address of this page says: whose contact it holds, and where the page is hosted. */

import { DEFAULT_DOMAIN, type ServerName, readServerName } from "./server_name.ts";

/** The parts of `window.location` that count. */
export type PageAddress = Pick<Location, "protocol" | "host" | "pathname" | "search" | "href">;

/**
 * The contact link that this page was opened with, in its web form.
 *
 * Where the page is hosted says nothing about the contact, so any host will do: a page opened from a file, or somewhere
 * else than `/add/`, has its contact in the fragment alone.
 */
export function linkIn({ protocol, pathname, search, href }: PageAddress): string {
  const path = pathname.replace(/\/index\.html$/, "/");
  const isHosted = protocol !== "file:" && (path === "/add" || path.startsWith("/add/"));
  return `https://${DEFAULT_DOMAIN}${isHosted ? path : "/add/"}${search}${fragmentOf(href)}`;
}

/** Whether the contact was in the path, so that the web server has seen it. */
export function wasSeenByServer({ href }: PageAddress): boolean {
  return fragmentOf(href) === "";
}

/** Whom to name in a web link: who hosts this page, or the default domain if that is no place for a web link. */
export function pageHost({ protocol, host, pathname }: PageAddress): ServerName {
  const server = readServerName(host);
  const isLinkable = protocol === "https:" && (pathname === "/add" || pathname.startsWith("/add/"));
  return isLinkable && server.ok ? server.value : DEFAULT_DOMAIN;
}

/** The fragment with its number sign; `location.hash` leaves it out if nothing follows. */
function fragmentOf(href: string): string {
  const at = href.indexOf("#");
  return at < 0 ? "" : href.slice(at);
}
