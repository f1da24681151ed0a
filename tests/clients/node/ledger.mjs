/**
 * Which numbered lines a Hocuspocus server has acknowledged, by the frames themselves.
 *
 * The provider's own counter is not enough: it starts again at 1 with each connection while edits
 * made offline are still queued. A server answers each step2 and update on a socket with one
 * SyncStatus, in their order; so the n-th status is for the n-th such frame, and what that frame
 * held of this client's own clocks is what was acknowledged. A step2 is everything that the
 * server's state vector lacked, so with it everything older counts as acknowledged too.
 */
import * as decoding from "lib0/decoding";
import * as Y from "yjs";

const SYNC = 0;
const SYNC_STATUS = 8;
const STEP2 = 1;

export class Ledger {
  constructor(document) {
    this.document = document;
    this.lines = []; // { line, from, to, state: "sent" | "acked" | "refused" }
    this.open = []; // those of `lines` that are still "sent"
    this.startSocket();
  }

  /** A new socket: what was not answered on the old one never will be. */
  startSocket() {
    this.unanswered = [];
    this.carried = 0; // step2 and update frames sent on this socket
    this.refused = 0;
  }

  /** Whether everything sent on this socket was answered. */
  get isSettled() {
    return this.carried > 0 && this.unanswered.length === 0;
  }

  /** Appends a line to a Y.Text, as one update. */
  type(line, target) {
    const text = `${line}\n`;
    const from = Y.getState(this.document.store, this.document.clientID);
    const entry = { line, from, to: from + text.length, state: "sent" };
    this.lines.push(entry);
    this.open.push(entry);
    target.insert(target.length, text);
  }

  /** A frame under this client's address, its address already read off. */
  frame(direction, decoder) {
    const type = decoding.readVarUint(decoder);
    if (direction === "out" && type === SYNC) this.sent(decoder);
    if (direction === "in" && type === SYNC_STATUS) this.answered(decoding.readVarUint(decoder) === 1);
  }

  sent(decoder) {
    const kind = decoding.readVarUint(decoder);
    if (kind === 0) return; // step1 carries nothing
    const own = this.document.clientID;
    this.carried += 1;
    if (kind === STEP2) {
      this.unanswered.push({ from: 0, to: Y.getState(this.document.store, own) });
      return;
    }
    const { from, to } = Y.parseUpdateMeta(decoding.readVarUint8Array(decoder));
    this.unanswered.push({ from: from.get(own) ?? 0, to: to.get(own) ?? 0 });
  }

  answered(saved) {
    const range = this.unanswered.shift();
    if (range === undefined) return;
    if (!saved) this.refused += 1;
    this.open = this.open.filter((entry) => {
      if (entry.from < range.from || entry.to > range.to) return true;
      entry.state = saved ? "acked" : "refused";
      return false;
    });
  }

  /** The lines in the order in which they were typed. */
  report() {
    const inState = (state) => this.lines.filter((entry) => entry.state === state).map((entry) => entry.line);
    return { sent: this.lines.map((entry) => entry.line), acked: inState("acked"), refused: inState("refused") };
  }
}
