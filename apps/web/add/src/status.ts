/** A line that tells the reader, and the screen reader, how a button's work went. */

import { element } from "./elements.ts";

/** How long good news stays, in milliseconds; bad news stays until something else is done. */
const GOOD_NEWS = 6000;

export class Status {
  /** Kept in the page while the rest is drawn anew, or a screen reader would not notice that it changes. */
  readonly element = element("p", { role: "status", class: "status" });
  private timer: number | undefined;

  succeeded(text: string): void {
    this.show(text);
    this.timer = window.setTimeout(() => this.clear(), GOOD_NEWS);
  }

  failed(text: string): void {
    this.show(text);
  }

  clear(): void {
    window.clearTimeout(this.timer);
    this.element.textContent = "";
  }

  private show(text: string): void {
    this.clear();
    this.element.textContent = text;
  }
}
