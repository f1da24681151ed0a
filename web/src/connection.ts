/**
 * The document's way to the server, and the one word the page shows for it.
 *
 *     connecting → live or reading ⇄ offline
 *     any of them → refused, which is final
 */

import { readAuthMessage } from "y-protocols/auth";
import type { Awareness } from "y-protocols/awareness";
import { messageAuth, WebsocketProvider } from "y-websocket";
import type * as Y from "yjs";

import type { Address } from "./address";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  /** Live, but what is written here is not taken. `reason`: the server's words. */
  | { state: "reading"; reason: string }
  /** `loaded`: the document was received once, so there is something to go on writing in. */
  | { state: "offline"; loaded: boolean }
  /** `reason`: the server's words, or "". */
  | { state: "refused"; reason: string };

export interface Link {
  /** Whether edits were made that the server has not been offered yet. */
  hasUnsentEdits(): boolean;
}

export function connect(
  doc: Y.Doc,
  awareness: Awareness,
  address: Address,
  onChange: (connection: Connection) => void,
): Link {
  const provider = new WebsocketProvider(
    address.webSocketBase,
    encodeURIComponent(address.session),
    doc,
    {
      awareness,
      connect: false,
      params: address.token === null ? {} : { token: address.token },
      disableBc: true, // what one window shows of another has been to the server and back
    },
  );

  let current: Connection = { state: "connecting" };
  let loaded = false;
  let unsent = false;
  let readOnly: string | null = null;

  const become = (next: Connection) => {
    if (current.state === "refused") return;
    current = next;
    onChange(next);
  };

  provider.on("sync", (synced) => {
    if (!synced) return;
    loaded = true;
    if (readOnly === null) unsent = false;
    become(readOnly === null ? { state: "live" } : { state: "reading", reason: readOnly });
  });
  provider.on("connection-close", () => {
    readOnly = null;
    become({ state: "offline", loaded });
    // Others may have seen this state leave with its clock; only a newer clock brings it back.
    awareness.setLocalState(awareness.getLocalState());
  });
  provider.on("closed", ({ reason }) => become({ state: "refused", reason }));
  // The provider's own handler would print the URL, and the token with it, to the console.
  provider.messageHandlers[messageAuth] = (_encoder, decoder) =>
    readAuthMessage(decoder, doc, (_doc, reason) => {
      readOnly = reason;
      if (provider.synced) become({ state: "reading", reason });
    });

  doc.on("update", (_update: Uint8Array, origin: unknown) => {
    if (origin !== provider && current.state !== "live") unsent = true;
  });

  onChange(current);
  provider.connect();
  return { hasUnsentEdits: () => unsent && current.state !== "refused" };
}
