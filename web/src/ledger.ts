/**
 * What the server has not acknowledged yet.
 *
 * The provider's own count (`unsyncedChanges`) starts anew at each connection while edits made
 * offline are still on their way, and never comes down again for an edit that was refused. So the
 * messages are counted where they leave: the server answers every update and every step 2 with
 * one SyncStatus, in order, and a step 2 holds all that it lacked.
 */

import { createDecoder, readVarString, readVarUint } from "lib0/decoding";

const SYNC = 0;
const SYNC_REPLY = 4;
const SYNC_STATUS = 8;
const STEP_2 = 1;
const UPDATE = 2;

export interface Unsaved {
  /** Edits made here are not saved yet. */
  some: boolean;
  /** The server has refused some of them. */
  refused: boolean;
}

export class Ledger {
  private owed = 0;
  /** Everything that was made here has been put on this socket. */
  private offered = false;
  private refused = false;
  private unsaved = false;

  /** `onChange` is called with each edit and each answer. */
  constructor(private readonly onChange: (unsaved: Unsaved) => void) {}

  get state(): Unsaved {
    return { some: this.unsaved, refused: this.unsaved && this.refused };
  }

  /** An edit was made here. */
  edited(): void {
    this.unsaved = true;
    this.onChange(this.state);
  }

  /** A WebSocket class for the provider, which keeps this ledger. */
  socketClass(): typeof WebSocket {
    const ledger = this;
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        ledger.opened();
        this.addEventListener("message", (event: MessageEvent) => ledger.received(event.data));
      }

      override send(data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBuffer>): void {
        if (data instanceof Uint8Array) ledger.sent(data);
        super.send(data as Uint8Array<ArrayBuffer>);
      }
    };
  }

  private opened(): void {
    this.owed = 0;
    this.offered = this.refused = false;
  }

  private sent(frame: Uint8Array): void {
    const [type, kind] = head(frame);
    if (type !== SYNC && type !== SYNC_REPLY) return;
    if (kind === STEP_2) {
      this.offered = true;
      this.refused = false;
    }
    if (kind === STEP_2 || kind === UPDATE) this.owed += 1;
  }

  private received(frame: unknown): void {
    if (!(frame instanceof ArrayBuffer)) return;
    const [type, status] = head(new Uint8Array(frame));
    if (type !== SYNC_STATUS) return;
    this.owed -= 1;
    if (status !== 1) this.refused = true;
    if (this.owed === 0 && this.offered && !this.refused) this.unsaved = false;
    this.onChange(this.state);
  }
}

/** The two numbers behind a message's address; a ping or pong has none. */
function head(frame: Uint8Array): [number, number] {
  if (frame.length < 3) return [-1, -1];
  const decoder = createDecoder(frame);
  readVarString(decoder);
  return [readVarUint(decoder), readVarUint(decoder)];
}
