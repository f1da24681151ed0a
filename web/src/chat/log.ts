/**
 * The messages that are loaded: one stretch of the session's chat up to its newest, in order.
 *
 * A message's newest revision counts, whichever way and however often it comes.
 */

import type { ChatMessage } from "../notices";

export class ChatLog {
  /** By seq, without holes. */
  messages: ChatMessage[] = [];
  /** Whether there may be messages before the first one. */
  hasOlder = true;

  get oldest(): number | null {
    return this.messages[0]?.seq ?? null;
  }

  get newest(): number {
    return this.messages.at(-1)?.seq ?? 0;
  }

  find(seq: number): ChatMessage | undefined {
    const message = this.messages[this.place(seq)];
    return message?.seq === seq ? message : undefined;
  }

  /** A message that is new, edited or deleted; returns whether it is loaded and was news. */
  apply(message: ChatMessage): boolean {
    if (this.oldest !== null && message.seq < this.oldest) return false; // comes with its page
    return this.put(message);
  }

  /** A page of older messages; `more`: there are others before it. */
  prepend(messages: ChatMessage[], more: boolean): void {
    for (const message of messages) this.put(message);
    this.hasOlder = more;
  }

  /** Forgets all but the newest so many. */
  trim(count: number): void {
    if (this.messages.length <= count) return;
    this.messages = this.messages.slice(-count);
    this.hasOlder = true;
  }

  clear(): void {
    this.messages = [];
    this.hasOlder = true;
  }

  private put(message: ChatMessage): boolean {
    const place = this.place(message.seq);
    const known = this.messages[place];
    if (known?.seq !== message.seq) this.messages.splice(place, 0, message);
    else if (known.revision < message.revision) this.messages[place] = message;
    else return false;
    return true;
  }

  /** Where a message is, or would be. */
  private place(seq: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
