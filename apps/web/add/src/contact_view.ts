/** What is shown for a valid contact. */

import { copy } from "./clipboard.ts";
import { type ContactLink, deepLink, webLink } from "./contact_link.ts";
import { element } from "./elements.ts";
import { icon } from "./icons.ts";
import type { Messages } from "./messages.ts";
import { qrPicture } from "./qr.ts";
import { type SecureCallId, groupsOf } from "./securecall_id.ts";
import { DEFAULT_DOMAIN, type ServerName } from "./server_name.ts";
import type { Status } from "./status.ts";
import type { View } from "./view.ts";

export interface ContactContext {
  readonly messages: Messages;
  /** The host that a web link names. */
  readonly pageHost: ServerName;
  /** Whether the web server could see the contact. */
  readonly wasSeenByServer: boolean;
  readonly navigator: Navigator;
  readonly status: Status;
}

export function contactView(link: ContactLink, context: ContactContext): View {
  const { messages } = context;
  const { name } = link.query;
  return {
    title: name === undefined ? messages.contact : messages.contactOf(name),
    sections: [
      element(
        "div",
        { class: "card contact" },
        element(
          "section",
          { class: "who" },
          heading(link, messages),
          account(link, messages),
          actions(link, context),
        ),
        qrFigure(link, messages),
        idSection(link.id, context),
      ),
      aboutSection(link, context),
    ],
  };
}

function heading(link: ContactLink, messages: Messages): HTMLElement {
  const { name } = link.query;
  const kicker = element("p", { class: "kicker" }, messages.contact);
  if (name === undefined) {
    const title = element("h1", { tabindex: "-1", class: "nameless" }, messages.contact);
    return element("div", { class: "heading" }, title, element("p", { class: "note" }, messages.nameless));
  }
  const title = element("h1", { tabindex: "-1" }, element("bdi", {}, name));
  return element("div", { class: "heading" }, kicker, title, element("p", { class: "note" }, messages.nameIsTheirs));
}

/** Where the account lives: an ordinary Matrix account by its whole ID, any other by its server. */
function account({ query }: ContactLink, messages: Messages): HTMLElement {
  const { matrixId, server } = query;
  const isOrdinary = matrixId !== undefined && matrixId.securecallId === undefined;
  const [term, value] = isOrdinary
    ? [messages.matrixAccount, matrixId.text]
    : [messages.server, matrixId?.serverName ?? server ?? DEFAULT_DOMAIN];
  return element("dl", { class: "account" }, element("dt", {}, term), element("dd", {}, element("bdi", {}, value)));
}

function actions(link: ContactLink, context: ContactContext): HTMLElement {
  const { messages, navigator, status } = context;
  const web = webLink(link, context.pageHost);
  const open = element("a", { class: "button primary", href: deepLink(link) }, icon("call"), messages.open);
  const row = element("div", { class: "row" });
  const copyButton = button("copy", messages.copyLink);
  const shown = fieldForCopying(web, messages.copyLink);
  copyButton.addEventListener("click", () => {
    void copyFrom(shown, copyButton, context, messages.linkCopied);
  });
  row.append(copyButton);
  if (typeof navigator.share === "function") {
    const shareButton = button("share", messages.share);
    shareButton.addEventListener("click", () => {
      const { name } = link.query;
      const title = name === undefined ? messages.contact : messages.contactOf(name);
      navigator.share({ title, text: messages.shareText(name), url: web }).catch((error: unknown) => {
        if (!isAbort(error)) {
          status.failed(messages.shareFailed);
        }
      });
    });
    row.append(shareButton);
  }
  return element(
    "div",
    { class: "actions" },
    open,
    element("p", { class: "hint" }, messages.openHint),
    row,
    shown,
  );
}

function qrFigure(link: ContactLink, messages: Messages): HTMLElement {
  return element(
    "figure",
    { class: "qr" },
    qrPicture(deepLink(link), messages.qrName),
    element("figcaption", {}, messages.qrNote),
  );
}

function idSection(id: SecureCallId, context: ContactContext): HTMLElement {
  const { messages } = context;
  const groups = groupsOf(id);
  // Selected and copied, the groups are one word again; read aloud, they are groups.
  const visible = element("span", { "aria-hidden": "true", class: "groups" });
  for (const group of groups) {
    visible.append(element("span", { class: "group" }, group), element("wbr"));
  }
  const aloud = element("span", { class: "visually-hidden" }, groups.join(" "));
  const copyButton = button("copy", messages.copyId);
  const shown = fieldForCopying(id, messages.copyId);
  copyButton.addEventListener("click", () => {
    void copyFrom(shown, copyButton, context, messages.idCopied);
  });
  return element(
    "section",
    { class: "id" },
    element("div", { class: "id-head" }, element("h2", {}, messages.idHeading), copyButton),
    element("p", { class: "code" }, aloud, visible),
    shown,
    element("p", { class: "note" }, messages.idNote),
  );
}

function aboutSection(link: ContactLink, { messages, wasSeenByServer }: ContactContext): HTMLElement {
  const command = element(
    "code",
    { class: "command", tabindex: "0", role: "group", "aria-label": messages.getCommand },
    `securecall contact add '${deepLink(link)}'`,
  );
  const privacy = wasSeenByServer ? messages.privacyPath : messages.privacyFragment;
  return element(
    "section",
    { class: "about" },
    element("div", {}, element("h2", {}, messages.aboutHeading), element("p", {}, messages.about)),
    element("div", {}, element("h2", {}, messages.privacyHeading), element("p", {}, privacy), element("p", {}, messages.privacyHost)),
    element("div", { class: "get" }, element("h2", {}, messages.getHeading), element("p", {}, messages.get), command),
  );
}

/** Where a text is selected if the browser does not let the page copy it. */
function fieldForCopying(text: string, label: string): HTMLInputElement {
  const field = element("input", { type: "text", readonly: "", class: "by-hand", "aria-label": label });
  field.value = text;
  field.hidden = true;
  return field;
}

async function copyFrom(
  shown: HTMLInputElement,
  from: HTMLButtonElement,
  { messages, status }: ContactContext,
  copied: string,
): Promise<void> {
  // The same words twice would not be read aloud again.
  status.clear();
  if (await copy(shown)) {
    if (!shown.hidden) {
      shown.hidden = true;
      from.focus();
    }
    status.succeeded(copied);
  } else {
    status.failed(messages.copyByHand);
  }
}

function button(picture: "copy" | "share", text: string): HTMLButtonElement {
  return element("button", { type: "button", class: "button" }, icon(picture), text);
}

/** Whether the reader closed the share sheet, which is no failure. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
