/**
 * What was said here and is not saved yet, one at a time and in order.
 *
 * An entry is sent again after every reconnection under the same client_message_id, so that the
 * server stores it once. It outlives a reload of the tab. What the server refuses for a while is
 * sent again after that; what it refuses for good stays until the person decides.
 */

import type { ChatCommand, ChatSaved, Refused } from "../notices";
import { read, write } from "../storage";

export type Said =
  | { kind: "send"; body: string; reply_to: number | null; mentions: string[]; name: string }
  | { kind: "edit"; seq: number; body: string; mentions: string[] }
  | { kind: "delete"; seq: number };

export type Entry = Said & {
  id: string;
  /** Milliseconds since 1970. */
  at: number;
  /** Of the message that this became, from when it is saved until that is loaded. */
  saved?: number;
  /** The server's words. */
  refused?: string;
  /** The refusal passes: it is sent again by itself. */
  again?: boolean;
};

/** Without an answer for so long, one may have been lost on a slow socket. */
const ANSWER_MS = 10_000;
const PASSING = new Set(["too_fast", "unavailable"]);
const SHORTEST_RETRY = 1; // seconds
const KEPT = 200;

export class Outbox {
  entries: Entry[] = [];
  private readonly key: string;
  private readonly author: string;
  private connected = false;
  private underWay: Entry | null = null;
  private timer = 0;

  constructor(
    session: string,
    private readonly send: (command: ChatCommand) => void,
    private readonly onChange: () => void,
  ) {
    this.key = `lyceum.chat.${session}`;
    this.author = stored(`${this.key}.author`) ?? crypto.getRandomValues(new Uint32Array(2)).join("");
    write(tab, `${this.key}.author`, this.author);
    this.entries = parseEntries(stored(`${this.key}.unsaved`));
  }

  /** Whether there is something that closing the window would lose. */
  get unsaved(): boolean {
    return this.entries.some((entry) => entry.saved === undefined && entry.refused === undefined);
  }

  /** Whether a message was written in this tab. */
  wrote(clientMessageId: string): boolean {
    return clientMessageId.startsWith(`${this.author}-`);
  }

  /** Takes in something new; returns false when there is too much already. */
  add(said: Said): boolean {
    if (this.entries.length >= KEPT) return false;
    const unique = crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36);
    const id = `${this.author}-${Date.now().toString(36)}${unique}`;
    this.entries.push({ ...said, id, at: Date.now() });
    this.changed();
    this.next();
    return true;
  }

  discard(id: string): void {
    this.settle((entry) => entry.id === id);
  }

  retry(id: string): void {
    const entry = this.entries.find((one) => one.id === id);
    if (entry === undefined) return;
    delete entry.refused;
    this.changed();
    this.next();
  }

  /** The session was entered: everything unsaved is sent again. */
  connect(): void {
    this.connected = true;
    this.underWay = null;
    this.next();
  }

  disconnect(): void {
    this.connected = false;
    clearTimeout(this.timer);
  }

  onSaved({ client_message_id, seq }: ChatSaved): void {
    this.answered(client_message_id, (entry) => {
      entry.saved = seq;
      delete entry.refused;
    });
  }

  /** Returns whether this was about something in here. */
  onRefused({ client_message_id, code, reason, retry_after }: Refused): boolean {
    return this.answered(client_message_id, (entry) => {
      entry.refused = reason;
      entry.again = retry_after !== null || PASSING.has(code);
      if (!entry.again) return;
      this.underWay = entry; // nothing overtakes it
      const seconds = Math.max(retry_after ?? 0, SHORTEST_RETRY);
      this.timer = window.setTimeout(() => this.transmit(entry), 1000 * seconds);
    });
  }

  /** Forgets the entries that are done with. */
  settle(isDone: (entry: Entry) => boolean): void {
    const left = this.entries.filter((entry) => !isDone(entry));
    if (left.length === this.entries.length) return;
    if (this.underWay && !left.includes(this.underWay)) {
      this.underWay = null;
      clearTimeout(this.timer);
    }
    this.entries = left;
    this.changed();
    this.next();
  }

  private answered(id: string, change: (entry: Entry) => void): boolean {
    const entry = this.entries.find((one) => one.id === id);
    if (entry === undefined) return false;
    if (this.underWay === entry) this.underWay = null;
    clearTimeout(this.timer);
    change(entry);
    this.changed();
    this.next();
    return true;
  }

  private next(): void {
    if (!this.connected || this.underWay !== null) return;
    const waiting = (entry: Entry) =>
      entry.saved === undefined && (entry.refused === undefined || entry.again);
    const entry = this.entries.find(waiting);
    if (entry !== undefined) this.transmit(entry);
  }

  private transmit(entry: Entry): void {
    if (!this.connected) return;
    this.underWay = entry;
    this.timer = window.setTimeout(() => this.transmit(entry), ANSWER_MS);
    this.send(command(entry));
  }

  private changed(): void {
    const unsaved = this.entries.filter((entry) => entry.saved === undefined);
    write(tab, `${this.key}.unsaved`, JSON.stringify(unsaved));
    this.onChange();
  }
}

const tab = () => sessionStorage;
const stored = (key: string) => read(tab, key);

function command(entry: Entry): ChatCommand {
  const client_message_id = entry.id;
  switch (entry.kind) {
    case "send": {
      const { body, reply_to, mentions, name } = entry;
      return { type: "chat.send", client_message_id, body, reply_to, mentions, name };
    }
    case "edit": {
      const { seq, body, mentions } = entry;
      return { type: "chat.edit", client_message_id, seq, body, mentions };
    }
    case "delete":
      return { type: "chat.delete", client_message_id, seq: entry.seq };
  }
}

/** Only this page writes there, so what is an array is one of entries. */
function parseEntries(text: string | null): Entry[] {
  try {
    const entries: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(entries) ? (entries as Entry[]) : [];
  } catch {
    return [];
  }
}
