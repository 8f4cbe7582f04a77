/** What is shown where there is no contact to show: nothing here opens, copies or shares anything. */

import type { ContactLinkFault } from "./contact_link.ts";
import { element } from "./elements.ts";
import { icon } from "./icons.ts";
import type { Messages } from "./messages.ts";
import type { View } from "./view.ts";

export function faultView(fault: ContactLinkFault, messages: Messages): View {
  const title = messages.faultHeading(fault);
  const card = element(
    "section",
    { class: "card notice damaged", role: "alert" },
    element("span", { class: "badge" }, icon("warning")),
    element("h1", { tabindex: "-1" }, title),
    element("p", { class: "reason" }, messages.fault(fault)),
    element("p", { class: "advice" }, messages.faultAdvice(fault)),
  );
  return { title: `${title} – SecureCall`, sections: [card] };
}

export function emptyView(messages: Messages): View {
  const title = messages.emptyHeading;
  const card = element(
    "section",
    { class: "card notice" },
    element("span", { class: "badge" }, icon("link")),
    element("h1", { tabindex: "-1" }, title),
    element("p", { class: "reason" }, messages.empty),
    element("p", { class: "advice" }, messages.emptyAdvice),
  );
  return { title: `${title} – SecureCall`, sections: [card] };
}
