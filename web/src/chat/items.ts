/** What the log and the outbox hold, as it is to be shown. Pure. */

import type { ChatMessage } from "../notices";
import { strings } from "../strings";
import { splitMentions } from "./mentions";
import type { Entry } from "./outbox";

const GOES_ON_MS = 5 * 60_000;

/** All that an element shows; equal values make equal elements. */
export interface Item {
  key: string;
  seq: number | null;
  name: string;
  at: number;
  body: string;
  isOwn: boolean;
  isDeleted: boolean;
  isEdited: boolean;
  /** Names the reader. */
  isForMe: boolean;
  /** The same person goes on: the name stands above already. */
  goesOn: boolean;
  reply: { seq: number; name: string; text: string } | null;
  state: "" | "sending" | "again" | "refused";
  /** The server's words for a refusal. */
  reason: string;
  entry: string | null;
  actions: { reply: boolean; edit: boolean; remove: boolean; amend: boolean };
  /** Names to mark in the text; the reader's own among them is marked as such. */
  names: string[];
  ownName: string;
}

/** Whether a message of this author at this time goes on what another one began. */
function goesOn(before: Item | undefined, name: string, isOwn: boolean, at: number): boolean {
  const sameHand = before?.name === name && before.isOwn === isOwn && !before.isDeleted;
  return sameHand && at - before.at < GOES_ON_MS;
}

export interface Reader {
  user: string | null;
  name: string;
  isTeacher: boolean;
  mayChat: boolean;
  wrote(message: ChatMessage): boolean;
  /** Whether the server would let the reader change what it wrote. */
  mayChange(message: ChatMessage): boolean;
  names: string[];
}

export function itemsOf(messages: ChatMessage[], entries: Entry[], reader: Reader): Item[] {
  const items: Item[] = [];
  const known = new Map(messages.map((message) => [message.seq, message]));
  for (const message of messages) {
    const changes = entries.find((entry) => entry.kind !== "send" && entry.seq === message.seq);
    items.push(messageItem(message, changes, items.at(-1), known, reader));
  }
  for (const entry of entries) {
    if (entry.kind === "send") items.push(entryItem(entry, items.at(-1), known, reader));
  }
  return items;
}

function messageItem(
  message: ChatMessage,
  change: Entry | undefined,
  before: Item | undefined,
  known: Map<number, ChatMessage>,
  reader: Reader,
): Item {
  const at = Date.parse(message.sent_at);
  const isOwn = reader.wrote(message);
  const isDeleted = message.deleted_at !== null;
  const open = reader.mayChat && !isDeleted;
  const isMine = isOwn && reader.mayChange(message);
  return {
    ...marked(message.body, reader),
    key: `m${message.seq}`,
    seq: message.seq,
    name: message.name,
    at,
    body: change?.kind === "edit" ? change.body : message.body,
    isOwn,
    isDeleted,
    isEdited: message.edited_at !== null && !isDeleted,
    isForMe: !isOwn && !isDeleted && isFor(message, reader),
    goesOn: goesOn(before, message.name, isOwn, at) && message.reply_to === null,
    reply: isDeleted ? null : replyOf(message.reply_to, known),
    ...stateOf(change),
    actions: {
      reply: open,
      edit: open && isMine && change === undefined,
      remove: open && (isMine || reader.isTeacher) && change === undefined,
      amend: change?.kind === "edit",
    },
  };
}

function entryItem(
  entry: Entry & { kind: "send" },
  before: Item | undefined,
  known: Map<number, ChatMessage>,
  reader: Reader,
): Item {
  return {
    ...marked(entry.body, reader),
    key: entry.id,
    seq: null,
    name: reader.name,
    at: entry.at,
    body: entry.body,
    isOwn: true,
    isDeleted: false,
    isEdited: false,
    isForMe: false,
    goesOn: goesOn(before, reader.name, true, entry.at) && entry.reply_to === null,
    reply: replyOf(entry.reply_to, known),
    ...stateOf(entry),
    actions: { reply: false, edit: false, remove: false, amend: true },
  };
}

function marked(body: string, { names, name }: Reader): Pick<Item, "names" | "ownName"> {
  const pieces = new Set(splitMentions(body, names));
  return { names: names.filter((one) => pieces.has(`@${one}`)), ownName: name };
}

function stateOf(entry: Entry | undefined): Pick<Item, "state" | "reason" | "entry"> {
  if (entry === undefined) return { state: "", reason: "", entry: null };
  const { id, refused, again } = entry;
  if (entry.saved !== undefined || refused === undefined) {
    return { state: entry.saved === undefined ? "sending" : "", reason: "", entry: id };
  }
  return { state: again ? "again" : "refused", reason: refused, entry: id };
}

function isFor(message: ChatMessage, reader: Reader): boolean {
  return reader.user === null
    ? splitMentions(message.body, [reader.name]).includes(`@${reader.name}`)
    : message.mentions.includes(reader.user);
}

function replyOf(seq: number | null, known: Map<number, ChatMessage>): Item["reply"] {
  if (seq === null) return null;
  const message = known.get(seq);
  if (message === undefined) return { seq, name: "", text: strings.chat.earlier };
  const text = message.deleted_at === null ? message.body : strings.chat.deleted;
  return { seq, name: message.name, text };
}
