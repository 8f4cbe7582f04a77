/** `testing/vectors/contact.json`: what every implementation must agree on. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  type ContactLinkFault,
  deepLink,
  matrixIdToCall,
  readContactLink,
  webLink,
} from "../../src/contact_link.ts";
import { type MatrixIdFault, readMatrixId } from "../../src/matrix_id.ts";
import { nameLabel } from "../../src/name_label.ts";
import type { Result } from "../../src/result.ts";
import { type SecureCallIdFault, groupsOf, readCanonicalId, readSecureCallId } from "../../src/securecall_id.ts";
import { DEFAULT_DOMAIN, type ServerNameFault, readServerName } from "../../src/server_name.ts";

interface Invalid {
  what: string;
  text: string;
  error: unknown;
}

interface Vectors {
  ids: { key: string; id: string; older: string }[];
  invalid_ids: Invalid[];
  matrix_ids: { text: string; server_name: string; id: string | null }[];
  invalid_matrix_ids: Invalid[];
  links: {
    text: string;
    id: string;
    matrix_id: string;
    name: string | null;
    deep_link: string;
    https: string;
  }[];
  invalid_links: Invalid[];
  server_names: string[];
  invalid_server_names: Invalid[];
  name_labels: { text: string; label: string | null }[];
}

/** Tests run in the package's directory. */
const vectors = JSON.parse(readFileSync("../../../testing/vectors/contact.json", "utf8")) as Vectors;

test("there are vectors of every kind", () => {
  const kinds = [
    vectors.ids,
    vectors.invalid_ids,
    vectors.matrix_ids,
    vectors.invalid_matrix_ids,
    vectors.links,
    vectors.invalid_links,
    vectors.server_names,
    vectors.invalid_server_names,
    vectors.name_labels,
  ];
  for (const kind of kinds) {
    assert.ok(kind.length >= 5);
  }
});

test("IDs are read in both forms and written in one", () => {
  for (const { id, older } of vectors.ids) {
    for (const form of [id, id.toUpperCase(), ` \t${id}\r\n`, older, `${older}\n`]) {
      assert.deepEqual(readSecureCallId(form), { ok: true, value: id }, JSON.stringify(form));
    }
    assert.deepEqual(readCanonicalId(id), { ok: true, value: id });
    assert.equal(readCanonicalId(id.toUpperCase()).ok, /^[2-7]*$/.test(id));
    assert.equal(readCanonicalId(older).ok, false);
    assert.equal(readCanonicalId(` ${id}`).ok, false);
  }
});

test("the groups of an ID have four characters and make up the ID", () => {
  for (const { id } of vectors.ids) {
    const read = readSecureCallId(id);
    assert.ok(read.ok);
    const groups = groupsOf(read.value);
    assert.equal(groups.length, 14);
    assert.ok(groups.every((group) => group.length === 4));
    assert.equal(groups.join(""), id);
  }
});

test("invalid IDs are refused with the exact error", () => {
  refusesAll(vectors.invalid_ids, readSecureCallId, idError);
});

test("Matrix IDs give their server and their key", () => {
  for (const vector of vectors.matrix_ids) {
    const read = readMatrixId(vector.text);
    assert.ok(read.ok, vector.text);
    assert.equal(read.value.text, vector.text);
    assert.equal(read.value.serverName, vector.server_name);
    assert.equal(read.value.securecallId ?? null, vector.id);
  }
});

test("invalid Matrix IDs are refused with the exact error", () => {
  refusesAll(vectors.invalid_matrix_ids, readMatrixId, matrixIdError);
});

test("links are read in every form and written in two", () => {
  for (const vector of vectors.links) {
    const read = readContactLink(vector.text);
    assert.ok(read.ok, `${vector.text}: ${JSON.stringify(read)}`);
    const link = read.value;
    assert.equal(link.id, vector.id, vector.text);
    assert.equal(matrixIdToCall(link, DEFAULT_DOMAIN).text, vector.matrix_id, vector.text);
    assert.equal(link.query.name ?? null, vector.name, vector.text);
    assert.equal(deepLink(link), vector.deep_link, vector.text);
    assert.equal(webLink(link, DEFAULT_DOMAIN), vector.https, vector.text);
    assert.deepEqual(readContactLink(deepLink(link)), read, vector.text);
    assert.deepEqual(readContactLink(webLink(link, DEFAULT_DOMAIN)), read, vector.text);
  }
});

test("invalid links are refused with the exact error", () => {
  refusesAll(vectors.invalid_links, readContactLink, linkError);
});

test("server names are kept in lower case", () => {
  for (const text of vectors.server_names) {
    assert.deepEqual(readServerName(text), { ok: true, value: text.toLowerCase() });
  }
});

test("invalid server names are refused with the exact error", () => {
  refusesAll(vectors.invalid_server_names, readServerName, serverNameError);
});

test("names are made harmless in the same way everywhere", () => {
  for (const { text, label } of vectors.name_labels) {
    assert.equal(nameLabel(text) ?? null, label, JSON.stringify(text));
  }
});

function refusesAll<Fault>(
  invalid: Invalid[],
  read: (text: string) => Result<unknown, Fault>,
  written: (fault: Fault) => unknown,
): void {
  for (const { what, text, error } of invalid) {
    const result = read(text);
    assert.ok(!result.ok, what);
    assert.deepEqual(written(result.fault), error, what);
  }
}

function idError(fault: SecureCallIdFault): unknown {
  switch (fault.kind) {
    case "Length":
    case "Version":
      return { [fault.kind]: fault.found };
    case "Alphabet":
      return { Alphabet: [fault.character, fault.position] };
    default:
      return fault.kind;
  }
}

function serverNameError(fault: ServerNameFault): unknown {
  switch (fault.kind) {
    case "TooLong":
      return { TooLong: fault.found };
    case "Character":
      return { Character: fault.character };
    default:
      return fault.kind;
  }
}

function matrixIdError(fault: MatrixIdFault): unknown {
  switch (fault.kind) {
    case "TooLong":
      return { TooLong: fault.found };
    case "Character":
      return { Character: fault.character };
    case "ServerName":
      return { ServerName: serverNameError(fault.fault) };
    case "SecureCallId":
      return { SecureCallId: idError(fault.fault) };
    default:
      return fault.kind;
  }
}

function linkError(fault: ContactLinkFault): unknown {
  switch (fault.kind) {
    case "TooLong":
      return { TooLong: fault.found };
    case "PageHost":
    case "Server":
      return { [fault.kind]: serverNameError(fault.fault) };
    case "Id":
      return { Id: idError(fault.fault) };
    case "MatrixId":
      return { MatrixId: matrixIdError(fault.fault) };
    case "Twice":
      return { Twice: fault.key };
    default:
      return fault.kind;
  }
}
