/** What the page says, in the languages it speaks. */

import type { ContactLinkFault } from "./contact_link.ts";
import { GERMAN } from "./messages_de.ts";
import { ENGLISH } from "./messages_en.ts";

export interface Messages {
  /** BCP 47 tag of the language. */
  readonly language: string;
  /** The other language, in its own words. */
  readonly otherLanguage: string;

  readonly contactOf: (name: string) => string;
  readonly contact: string;
  readonly nameIsTheirs: string;
  readonly nameless: string;
  readonly server: string;
  readonly matrixAccount: string;

  readonly open: string;
  readonly openHint: string;
  readonly copyLink: string;
  readonly copyId: string;
  readonly share: string;
  readonly linkCopied: string;
  readonly idCopied: string;
  readonly copyByHand: string;
  readonly shareFailed: string;
  readonly shareText: (name: string | undefined) => string;

  readonly idHeading: string;
  readonly idNote: string;
  readonly qrHeading: string;
  readonly qrName: string;
  readonly qrNote: string;

  readonly aboutHeading: string;
  readonly about: string;
  readonly getHeading: string;
  readonly get: string;
  readonly getCommand: string;
  readonly privacyHeading: string;
  readonly privacyFragment: string;
  readonly privacyPath: string;
  readonly privacyHost: string;

  readonly emptyHeading: string;
  readonly empty: string;
  readonly emptyAdvice: string;

  readonly faultHeading: (fault: ContactLinkFault) => string;
  readonly fault: (fault: ContactLinkFault) => string;
  readonly faultAdvice: (fault: ContactLinkFault) => string;
}

/** The first of the reader's languages that the page speaks; English if it speaks none. */
export function messagesFor(languages: readonly string[]): Messages {
  for (const tag of languages) {
    const [primary] = tag.toLowerCase().split("-");
    if (primary === ENGLISH.language) {
      return ENGLISH;
    }
    if (primary === GERMAN.language) {
      return GERMAN;
    }
  }
  return ENGLISH;
}

export function otherThan(messages: Messages): Messages {
  return messages === GERMAN ? ENGLISH : GERMAN;
}
