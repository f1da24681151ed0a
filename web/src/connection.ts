/**
 * The document's way to the server, and the one word the page shows for it.
 *
 *     connecting → waiting → live ⇄ reading
 *     any of them ⇄ offline
 *     any of them → refused, which is final
 */

import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";

import type { Address } from "./address";
import { Ledger, type Unsaved } from "./ledger";
import { type ChatCommand, type ChatNotice, parseNotice, type SessionState } from "./notices";

/** Milliseconds before the next try: soon, but not everybody at once after a server's restart. */
const RETRY = { delay: Math.round(500 + 700 * Math.random()), minDelay: 500, maxDelay: 5000 };

export type Connection =
  | { state: "connecting" }
  /** The session is full; the server lets in whoever waits. */
  | { state: "waiting"; reason: string }
  | { state: "live" }
  /** Live, but what is written here is not taken. */
  | { state: "reading"; session: SessionState }
  /**
   * `writing`: one could write when the session was last entered, and goes on doing so.
   * `reason`: the server's words for closing the socket, or "".
   */
  | { state: "offline"; writing: boolean; reason: string }
  /** `writing`: one could write until now. `reason`: the server's words, or "". */
  | { state: "refused"; writing: boolean; reason: string };

export interface Listeners {
  onConnection(connection: Connection): void;
  /** At every entry, and whenever it changes. */
  onSession(session: SessionState): void;
  onUnsaved(unsaved: Unsaved): void;
  onChat(notice: ChatNotice): void;
}

export interface Link {
  /** Does nothing while the session has not been entered. */
  send(command: ChatCommand): void;
}

export function connect(
  doc: Y.Doc,
  awareness: Awareness,
  address: Address,
  listeners: Listeners,
): Link {
  const ledger = new Ledger(listeners.onUnsaved);
  const socket = new HocuspocusProviderWebsocket({
    url: address.webSocket,
    autoConnect: false,
    WebSocketPolyfill: ledger.socketClass(),
    ...RETRY,
  });
  const provider = new HocuspocusProvider({
    websocketProvider: socket,
    name: address.session,
    document: doc,
    awareness,
    token: address.token,
  });

  let current: Connection = { state: "connecting" };
  let session: SessionState | null = null; // while it is entered
  let writing = false;

  const become = (next: Connection) => {
    if (current.state === "refused") return;
    current = next;
    listeners.onConnection(next);
  };
  const entered = () => {
    if (session === null || !provider.synced) return;
    writing = session.may_write;
    become(writing ? { state: "live" } : { state: "reading", session });
  };

  provider.on("synced", entered);
  provider.on("stateless", ({ payload }: { payload: string }) => {
    const notice = parseNotice(payload);
    switch (notice?.type) {
      case "session.full":
        become({ state: "waiting", reason: notice.reason });
        break;
      case "session.state":
        session = notice;
        listeners.onSession(notice);
        entered();
        break;
      case "chat.message":
      case "chat.saved":
      case "chat.messages":
      case "refused":
        listeners.onChat(notice);
    }
  });
  provider.on("close", ({ event }: { event: { code: number; reason: string } }) => {
    session = null;
    const reason = event.code >= 4000 && event.code < 5000 ? event.reason : "";
    become({ state: "offline", writing, reason });
    // Others may have seen this state leave with its clock; only a newer clock brings it back.
    awareness.setLocalState(awareness.getLocalState());
  });
  provider.on("authenticationFailed", ({ reason }: { reason: string }) => {
    session = null;
    become({ state: "refused", writing, reason });
    socket.disconnect();
  });

  doc.on("update", (_update: Uint8Array, origin: unknown) => {
    if (origin !== provider) ledger.edited();
  });

  listeners.onConnection(current);
  provider.attach();
  void socket.connect();
  return {
    send(command) {
      if (session !== null) provider.sendStateless(JSON.stringify(command));
    },
  };
}
