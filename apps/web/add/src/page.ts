/** The page: reads its address, shows the contact or what is wrong with it. */

import { contactView } from "./contact_view.ts";
import { readContactLink } from "./contact_link.ts";
import { element } from "./elements.ts";
import { emptyView, faultView } from "./fault_view.ts";
import { mark } from "./icons.ts";
import { type Messages, messagesFor, otherThan } from "./messages.ts";
import { linkIn, pageHost, wasSeenByServer } from "./page_address.ts";
import { Status } from "./status.ts";
import type { View } from "./view.ts";

export class Page {
  private messages: Messages;
  private readonly header = element("header", { class: "bar" });
  private readonly main = element("main");
  private readonly status = new Status();

  constructor(private readonly window: Window & typeof globalThis) {
    this.messages = messagesFor(window.navigator.languages);
  }

  start(): void {
    this.window.document.body.replaceChildren(this.header, this.main, this.status.element);
    this.draw();
    this.window.addEventListener("hashchange", () => {
      this.draw();
      this.main.querySelector("h1")?.focus();
    });
  }

  private draw(): void {
    const { messages } = this;
    const view = this.view();
    const { document } = this.window;
    document.documentElement.lang = messages.language;
    document.title = view.title;
    this.status.clear();
    this.header.replaceChildren(this.brand(), this.languageSwitch());
    this.main.replaceChildren(...view.sections);
  }

  private view(): View {
    const { messages } = this;
    const address = this.window.location;
    const link = readContactLink(linkIn(address));
    if (link.ok) {
      return contactView(link.value, {
        messages,
        pageHost: pageHost(address),
        wasSeenByServer: wasSeenByServer(address),
        navigator: this.window.navigator,
        status: this.status,
      });
    }
    return link.fault.kind === "NoId" ? emptyView(messages) : faultView(link.fault, messages);
  }

  private brand(): HTMLElement {
    return element("p", { class: "brand" }, mark(), "SecureCall");
  }

  /** For this visit only: nothing is stored. */
  private languageSwitch(): HTMLElement {
    const other = otherThan(this.messages);
    const button = element(
      "button",
      { type: "button", class: "language", lang: other.language },
      this.messages.otherLanguage,
    );
    button.addEventListener("click", () => {
      this.messages = other;
      this.draw();
      this.header.querySelector("button")?.focus();
    });
    return button;
  }
}
