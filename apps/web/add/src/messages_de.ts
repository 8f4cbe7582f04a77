import type { ContactLinkFault } from "./contact_link.ts";
import type { MatrixIdFault } from "./matrix_id.ts";
import type { Messages } from "./messages.ts";
import type { SecureCallIdFault } from "./securecall_id.ts";

export const GERMAN: Messages = {
  language: "de",
  otherLanguage: "English",

  contactOf: (name) => `${name} – SecureCall-Kontakt`,
  contact: "SecureCall-Kontakt",
  nameIsTheirs: "So nennt sich die Person selbst. Niemand hat das geprüft.",
  nameless: "Der Link schlägt keinen Namen vor.",
  server: "Konto bei",
  matrixAccount: "Matrix-Konto",

  open: "In SecureCall öffnen",
  openHint: "Wenn nichts passiert, ist SecureCall auf diesem Gerät nicht installiert.",
  copyLink: "Link kopieren",
  copyId: "ID kopieren",
  share: "Teilen",
  linkCopied: "Der Link ist kopiert.",
  idCopied: "Die ID ist kopiert.",
  copyByHand: "Dieser Browser lässt die Seite nicht kopieren. Der Text ist markiert: bitte selbst kopieren.",
  shareFailed: "Dieses Gerät konnte den Kontakt nicht teilen.",
  shareText: (name) =>
    name === undefined
      ? "Ein SecureCall-Kontakt, für Ende-zu-Ende-verschlüsselte Anrufe:"
      : `${name} bei SecureCall, für Ende-zu-Ende-verschlüsselte Anrufe:`,

  idHeading: "SecureCall-ID",
  idNote:
    "Das ist der öffentliche Schlüssel des Kontakts. Persönlich verglichen gibt er Gewissheit, dass der Link von dieser Person ist.",
  qrHeading: "QR-Code",
  qrName: "QR-Code mit dem Link dieses Kontakts",
  qrNote: "Derselbe Link, für ein anderes Gerät.",

  aboutHeading: "Was ist das?",
  about:
    "Mit diesem Link kannst du jemanden über SecureCall anrufen: Ende-zu-Ende-verschlüsselte Sprachanrufe über Matrix. Der Link fügt einen Kontakt hinzu, er beginnt keinen Anruf.",
  getHeading: "Noch kein SecureCall?",
  get: "Bisher ist SecureCall ein Befehl für das Terminal. Eine App für Telefone gibt es noch nicht. Wo es installiert ist, fügt das den Kontakt hinzu:",
  getCommand: "Befehl, der diesen Kontakt hinzufügt",
  privacyHeading: "Was diese Seite weiß",
  privacyFragment:
    "Der Kontakt steht im Teil des Links hinter #, den dein Browser für sich behält. Die Seite sendet nichts und speichert nichts.",
  privacyPath:
    "Bei diesem Link steht der Kontakt im Pfad, der Server dieser Seite konnte ihn also sehen. Die Seite selbst sendet nichts weiter und speichert nichts.",
  privacyHost: "Wer diese Seite bereitstellt, könnte sie ändern. SecureCall prüft den Link noch einmal.",

  emptyHeading: "Kein Kontakt in diesem Link",
  empty: "Diese Seite zeigt einen SecureCall-Kontakt, aber der Link, der sie geöffnet hat, enthält keinen.",
  emptyAdvice:
    "Wenn dir jemand einen Link geschickt hat, ging sein Ende verloren: Öffne ihn aus der ursprünglichen Nachricht oder bitte noch einmal darum.",

  faultHeading: (fault) =>
    fault.kind === "AnotherKey" ? "Dieser Link widerspricht sich" : "Dieser Link ist beschädigt",
  fault: linkFault,
  faultAdvice,
};

function linkFault(fault: ContactLinkFault): string {
  switch (fault.kind) {
    case "TooLong":
      return `Er hat ${fault.found} Zeichen. Kein Kontaktlink ist länger als 4096.`;
    case "NoId":
      return "Er enthält keine SecureCall-ID.";
    case "Junk":
      return "Neben der SecureCall-ID steht etwas, das nicht dorthin gehört.";
    case "Id":
      return idFault(fault.fault);
    case "Server":
      return "Der genannte Server ist kein gültiger Servername.";
    case "MatrixId":
      return matrixIdFault(fault.fault);
    case "Twice":
      return `„${fault.key}“ kommt darin zweimal vor.`;
    case "AnotherKey":
      return "Seine SecureCall-ID und seine Matrix-ID gehören zu zwei verschiedenen Schlüsseln.";
    case "NoScheme":
    case "Scheme":
    case "Host":
    case "PageHost":
    case "Path":
      return "Es ist kein Kontaktlink.";
  }
}

function matrixIdFault(fault: MatrixIdFault): string {
  switch (fault.kind) {
    case "SecureCallId":
      return `Die genannte Matrix-ID ist falsch. ${idFault(fault.fault)}`;
    case "UpperCase":
      return "Die genannte Matrix-ID müsste klein geschrieben sein.";
    default:
      return "Die genannte Matrix-ID ist nicht gültig.";
  }
}

function idFault(fault: SecureCallIdFault): string {
  switch (fault.kind) {
    case "Length":
      return `Eine SecureCall-ID hat 56 Zeichen, diese hat ${fault.found}.`;
    case "Alphabet":
      return `Zeichen ${fault.position + 1} der SecureCall-ID, „${fault.character}“, kann dort nicht stehen.`;
    case "Checksum":
      return "Ein Zeichen der SecureCall-ID wurde verändert oder ging verloren.";
    case "Version":
      return `Die SecureCall-ID hat Version ${fault.found}. Diese Seite kennt Version 1.`;
    case "SpareBits":
      return "Das letzte Zeichen der SecureCall-ID ist falsch.";
    case "NonCanonicalKey":
    case "LowOrderKey":
      return "Die SecureCall-ID enthält keinen brauchbaren Schlüssel.";
  }
}

function faultAdvice(fault: ContactLinkFault): string {
  if (fault.kind === "AnotherKey") {
    return "Benutze ihn nicht: Jemand könnte ihn verändert haben. Bitte die Person auf anderem Weg um ihren Link.";
  }
  return "Bitte die Person, die ihn geschickt hat, ihn noch einmal zu schicken, und öffne den ganzen Link.";
}
