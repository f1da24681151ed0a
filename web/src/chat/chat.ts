/**
 * The chat of a session: what was said, what is about to be, and how both come up to date.
 *
 * `revision` is where this page stands: it has every change up to there. The server tells changes
 * in their order; one that is not the next shows that others were missed, and after each entry
 * the page asks for what came since.
 */

import type { ChatCommand, ChatMessage, ChatMessages, ChatNotice, Refused, SessionState } from "../notices";
import { ChatLog } from "./log";
import { type Entry, Outbox, type Said } from "./outbox";

const PAGE = 50;
const CATCH_UP = 100;
/** So many are kept while the newest are looked at; the others are read again when needed. */
const LOADED = 300;
const ANSWER_MS = 10_000;

export class Chat {
  readonly log = new ChatLog();
  readonly outbox: Outbox;
  /** Seqs of what was sent since the session was entered: a guest may change no other messages. */
  readonly sentHere = new Set<number>();
  /** null until the session was entered once. */
  session: SessionState | null = null;
  connected = false;
  /** The server's words for not letting in, for good; null while it has not said so. */
  refusal: string | null = null;
  private revision: number | null = null;
  private loaded = false;
  private wantsChanges = false;
  /** Older messages or, while none are loaded, the newest. */
  private wantsOlder = false;
  /** The type of the command that is to be answered next. */
  private asking: string | null = null;
  private timer = 0;

  constructor(
    session: string,
    private readonly send: (command: ChatCommand) => void,
    private readonly onChange: () => void,
  ) {
    this.outbox = new Outbox(session, send, onChange);
  }

  /** Messages are there to be looked at, or it is known that there are none. */
  get ready(): boolean {
    return this.loaded;
  }

  /** The state of the session, told at each entry and whenever it changes. */
  onSession(session: SessionState): void {
    this.session = session;
    if (!this.connected) this.enter(session);
    this.onChange();
  }

  private enter(session: SessionState): void {
    this.connected = true;
    if (this.loaded) {
      this.catchUp();
    } else {
      this.log.clear();
      this.revision = session.chat_revision;
      this.wantsOlder = true;
      this.ask();
    }
    this.outbox.connect();
  }

  /** The session can't be entered, or no longer. */
  onRefused(reason: string): void {
    this.refusal = reason;
    this.onGone();
  }

  /** The session was left, for now or for good. */
  onGone(): void {
    this.connected = false;
    this.asking = null;
    clearTimeout(this.timer);
    this.sentHere.clear();
    this.outbox.disconnect();
    this.onChange();
  }

  onNotice(notice: ChatNotice): void {
    switch (notice.type) {
      case "chat.message":
        this.onMessage(notice.message);
        break;
      case "chat.messages":
        this.onMessages(notice);
        break;
      case "chat.saved":
        this.sentHere.add(notice.seq);
        this.outbox.onSaved(notice);
        break;
      case "refused":
        if (!this.outbox.onRefused(notice)) this.onReadingRefused(notice);
    }
    this.settle();
    this.onChange();
  }

  say(said: Said): boolean {
    return this.outbox.add(said);
  }

  loadOlder(): void {
    if (!this.loaded || !this.log.hasOlder) return;
    this.wantsOlder = true;
    this.ask();
  }

  /** Lets go of old messages that nobody looks at. */
  trim(): void {
    if (!this.wantsOlder && this.log.messages.length > 2 * LOADED) this.log.trim(LOADED);
  }

  private onMessage(message: ChatMessage): void {
    this.log.apply(message);
    if (this.revision === null || message.revision <= this.revision) return;
    if (message.revision === this.revision + 1) this.revision = message.revision;
    else this.catchUp();
  }

  private onMessages(page: ChatMessages): void {
    if (page.request !== this.asking) return; // asked twice, as the first answer was slow
    clearTimeout(this.timer);
    if (page.request === "chat.history") {
      this.log.prepend(page.messages, page.more);
      this.loaded = true;
      this.wantsOlder = false;
    } else {
      for (const message of page.messages) this.log.apply(message);
      this.revision = Math.max(this.revision ?? 0, page.revision);
      this.wantsChanges = page.more;
    }
    this.askAgain();
  }

  private catchUp(): void {
    this.wantsChanges = true;
    this.ask();
  }

  /** Asks for what is wanted, one page at a time; again when no answer comes. */
  private ask(): void {
    if (!this.connected || this.asking !== null) return;
    const command = this.wanted();
    if (command === null) return;
    this.asking = command.type;
    this.timer = window.setTimeout(() => this.askAgain(), ANSWER_MS);
    this.send(command);
  }

  private wanted(): ChatCommand | null {
    if (this.wantsChanges) return { type: "chat.read", since: this.revision ?? 0, limit: CATCH_UP };
    if (!this.wantsOlder) return null;
    return { type: "chat.history", before: this.log.oldest, limit: PAGE };
  }

  private askAgain(): void {
    this.asking = null;
    this.ask();
  }

  private onReadingRefused({ request, retry_after }: Refused): void {
    if (request !== this.asking) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.askAgain(), 1000 * Math.max(retry_after ?? 5, 1));
  }

  private settle(): void {
    const written = new Map(this.log.messages.map((it) => [it.client_message_id, it]));
    this.outbox.settle((entry) => isLoaded(entry, this.log, written));
  }
}

/** Whether the log shows what an entry did. */
function isLoaded(entry: Entry, log: ChatLog, written: Map<string, ChatMessage>): boolean {
  if (entry.kind !== "send") return entry.saved !== undefined;
  return written.has(entry.id) || (entry.saved !== undefined && entry.saved <= log.newest);
}
