import type { ContactLinkFault } from "./contact_link.ts";
import type { MatrixIdFault } from "./matrix_id.ts";
import type { Messages } from "./messages.ts";
import type { SecureCallIdFault } from "./securecall_id.ts";

export const ENGLISH: Messages = {
  language: "en",
  otherLanguage: "Deutsch",

  contactOf: (name) => `${name} – SecureCall contact`,
  contact: "SecureCall contact",
  nameIsTheirs: "This is what they call themselves. Nobody has checked it.",
  nameless: "The link suggests no name.",
  server: "Account on",
  matrixAccount: "Matrix account",

  open: "Open in SecureCall",
  openHint: "If nothing happens, SecureCall is not installed on this device.",
  copyLink: "Copy link",
  copyId: "Copy ID",
  share: "Share",
  linkCopied: "The link is copied.",
  idCopied: "The ID is copied.",
  copyByHand: "This browser does not let the page copy. The text is selected: copy it yourself.",
  shareFailed: "This device could not share the contact.",
  shareText: (name) =>
    name === undefined
      ? "A SecureCall contact, for end-to-end encrypted calls:"
      : `${name} on SecureCall, for end-to-end encrypted calls:`,

  idHeading: "SecureCall ID",
  idNote: "This is the contact’s public key. Compare it with them in person to be sure that the link is theirs.",
  qrHeading: "QR code",
  qrName: "QR code that holds this contact’s link",
  qrNote: "The same link, for another device.",

  aboutHeading: "What is this?",
  about:
    "With this link you can call somebody on SecureCall: end-to-end encrypted voice calls over Matrix. The link adds a contact, it starts no call.",
  getHeading: "No SecureCall yet?",
  get: "So far SecureCall is a command for the terminal. There is no app for phones yet. Where it is installed, this adds the contact:",
  getCommand: "Command that adds this contact",
  privacyHeading: "What this page knows",
  privacyFragment:
    "The contact is in the part of the link behind #, which your browser keeps to itself. The page sends nothing and stores nothing.",
  privacyPath:
    "This link has the contact in its path, so the server that hosts this page could see it. The page itself sends nothing more and stores nothing.",
  privacyHost: "Whoever hosts this page could change it. SecureCall checks the link again.",

  emptyHeading: "No contact in this link",
  empty: "This page shows a SecureCall contact, but the link that opened it holds none.",
  emptyAdvice:
    "If somebody sent you a link, its end got lost: open it from the original message, or ask for it again.",

  faultHeading: (fault) =>
    fault.kind === "AnotherKey" ? "This link contradicts itself" : "This link is damaged",
  fault: linkFault,
  faultAdvice,
};

function linkFault(fault: ContactLinkFault): string {
  switch (fault.kind) {
    case "TooLong":
      return `It has ${fault.found} characters. No contact link is longer than 4096.`;
    case "NoId":
      return "It holds no SecureCall ID.";
    case "Junk":
      return "There is something beside the SecureCall ID that does not belong there.";
    case "Id":
      return idFault(fault.fault);
    case "Server":
      return "The server that it names is not a valid server name.";
    case "MatrixId":
      return matrixIdFault(fault.fault);
    case "Twice":
      return `It says “${fault.key}” twice.`;
    case "AnotherKey":
      return "Its SecureCall ID and its Matrix ID belong to two different keys.";
    case "NoScheme":
    case "Scheme":
    case "Host":
    case "PageHost":
    case "Path":
      return "It is not a contact link.";
  }
}

function matrixIdFault(fault: MatrixIdFault): string {
  switch (fault.kind) {
    case "SecureCallId":
      return `The Matrix ID that it names is wrong. ${idFault(fault.fault)}`;
    case "UpperCase":
      return "The Matrix ID that it names should be in lower case.";
    default:
      return "The Matrix ID that it names is not valid.";
  }
}

function idFault(fault: SecureCallIdFault): string {
  switch (fault.kind) {
    case "Length":
      return `A SecureCall ID has 56 characters, this one has ${fault.found}.`;
    case "Alphabet":
      return `Character ${fault.position + 1} of the SecureCall ID, “${fault.character}”, cannot be there.`;
    case "Checksum":
      return "A character of the SecureCall ID was changed or lost.";
    case "Version":
      return `The SecureCall ID is of version ${fault.found}. This page knows version 1.`;
    case "SpareBits":
      return "The last character of the SecureCall ID is wrong.";
    case "NonCanonicalKey":
    case "LowOrderKey":
      return "The SecureCall ID holds no usable key.";
  }
}

function faultAdvice(fault: ContactLinkFault): string {
  if (fault.kind === "AnotherKey") {
    return "Do not use it: somebody may have changed it. Ask the person for their link by another way.";
  }
  return "Ask the person who sent it to send it again, and open the whole link.";
}
