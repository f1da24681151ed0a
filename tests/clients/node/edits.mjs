/** Edits of a Y.Doc by name, and ways to read one. */
import { createHash } from "node:crypto";
import * as Y from "yjs";

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

function xmlElement({ element, attributes = {}, text }) {
  const made = new Y.XmlElement(element);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text != null) made.insert(0, [new Y.XmlText(text)]);
  return made;
}

/** Some characters of prose, the same for the same size. */
export function prose(size) {
  const line = "The quick brown fox jumps over the lazy dog, and nobody minds. ";
  return line.repeat(Math.ceil(size / line.length)).slice(0, size);
}

/** name → (document, arguments). `index: null` means the end. */
export const EDITS = {
  insert(document, { index, text, type = "content", attributes }) {
    const target = document.getText(type);
    target.insert(index ?? target.length, text, attributes ?? undefined);
  },
  delete(document, { index, length, type = "content" }) {
    document.getText(type).delete(index, length);
  },
  format(document, { index, length, attributes, type = "content" }) {
    document.getText(type).format(index, length, attributes);
  },
  paste(document, { size, index, type = "content" }) {
    const target = document.getText(type);
    target.insert(index ?? target.length, prose(size));
  },
  map_set(document, { key, value, type = "map" }) {
    document.getMap(type).set(key, value);
  },
  map_delete(document, { key, type = "map" }) {
    document.getMap(type).delete(key);
  },
  array_push(document, { values, type = "array" }) {
    document.getArray(type).push(values);
  },
  array_delete(document, { index, length, type = "array" }) {
    document.getArray(type).delete(index, length);
  },
  xml_insert(document, { index, type = "xml", ...node }) {
    const target = document.getXmlFragment(type);
    target.insert(index ?? target.length, [xmlElement(node)]);
  },
  subdoc_insert(document, { key, guid, type = "subdocs" }) {
    document.getMap(type).set(key, new Y.Doc(guid == null ? {} : { guid }));
  },
  apply_update(document, { update }) {
    Y.applyUpdate(document, Buffer.from(update, "base64"));
  },
};

/** Runs several edits, each `{edit, …arguments}`, as one transaction: one update. */
export function batch(document, edits) {
  document.transact(() => edits.forEach(({ edit, ...rest }) => EDITS[edit](document, rest)));
}

const SHARED = {
  text: (document, type) => document.getText(type).toString(),
  delta: (document, type) => document.getText(type).toDelta(),
  map: (document, type) => document.getMap(type).toJSON(),
  array: (document, type) => document.getArray(type).toJSON(),
  xml: (document, type) => document.getXmlFragment(type).toString(),
  subdocs: (document) => [...document.subdocs].map((inner) => inner.guid).sort(),
};

/** The value of a shared type; `as` says which type it is. */
export function read(document, as, type) {
  return SHARED[as](document, type);
}

export function stateVector(document) {
  return Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(document)));
}

export function encodedState(document, stateVector64) {
  const since = stateVector64 == null ? undefined : Buffer.from(stateVector64, "base64");
  return base64(Y.encodeStateAsUpdate(document, since));
}

/** A hash of state vector and delete set: equal for documents that hold the same. */
export function digest(document) {
  return createHash("sha256").update(Y.encodeSnapshot(Y.snapshot(document))).digest("hex");
}

/** Where two documents agree. */
export function compare(one, other) {
  const [a, b] = [Y.snapshot(one), Y.snapshot(other)];
  return {
    same: Y.equalSnapshots(a, b),
    state_vector: Y.equalSnapshots(Y.createSnapshot(Y.createDeleteSet(), a.sv), Y.createSnapshot(Y.createDeleteSet(), b.sv)),
    delete_set: Y.equalSnapshots(Y.createSnapshot(a.ds, new Map()), Y.createSnapshot(b.ds, new Map())),
    text: one.getText("content").toString() === other.getText("content").toString(),
  };
}

/** Whether updates wait for others that have not arrived. */
export function hasPending(document) {
  return document.store.pendingStructs !== null || document.store.pendingDs !== null;
}
