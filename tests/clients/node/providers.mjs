/** How each kind of provider is made, joined, left and ended; nothing here changes one. */
import { HocuspocusProvider as Provider2, HocuspocusProviderWebsocket as Socket2 } from "hocuspocus-provider-2";
import { HocuspocusProvider as Provider3, HocuspocusProviderWebsocket as Socket3 } from "hocuspocus-provider-3";
import { HocuspocusProvider as Provider4, HocuspocusProviderWebsocket as Socket4 } from "hocuspocus-provider-4";
import { WebsocketProvider } from "y-websocket";
import { Wire } from "./socket.mjs";

const HOCUSPOCUS = {
  hp2: { Provider: Provider2, Socket: Socket2 },
  hp3: { Provider: Provider3, Socket: Socket3 },
  hp4: { Provider: Provider4, Socket: Socket4 },
};

/** key → { kind, wire, provider, users }: HocuspocusProviderWebsockets with more than one document. */
const shared = new Map();

function hocuspocusSocket(kind, { url, socketKey, connect, deflate, socketOptions }) {
  const held = socketKey == null ? undefined : shared.get(socketKey);
  if (held !== undefined) {
    if (held.kind !== kind || held.url !== url) throw new Error(`socket ${socketKey} is ${held.kind} to ${held.url}`);
    held.users += 1;
    return held;
  }
  const wire = new Wire(deflate);
  const whenToConnect = kind === "hp2" ? { connect } : { autoConnect: connect };
  const { Socket } = HOCUSPOCUS[kind];
  const provider = new Socket({ url, WebSocketPolyfill: wire.WebSocket, ...whenToConnect, ...socketOptions });
  const made = { kind, url, wire, provider, users: 1 };
  if (socketKey != null) shared.set(socketKey, made);
  return made;
}

/**
 * A Hocuspocus socket forgets a `connect()` that comes while it is still closing; so this one waits.
 */
function switchOf({ wire, provider }) {
  let wanted = true;
  return {
    connect() {
      wanted = true;
      if (wire.socket?.readyState !== wire.WebSocket.CLOSING) return void provider.connect();
      wire.once("close", () => setImmediate(() => wanted && provider.connect()));
    },
    disconnect() {
      wanted = false;
      provider.disconnect();
    },
  };
}

function openHocuspocus(kind, wanted) {
  const { session, document, awareness, token, sessionAware, options, socketKey } = wanted;
  const socket = hocuspocusSocket(kind, wanted);
  const provider = new HOCUSPOCUS[kind].Provider({
    name: session,
    document,
    awareness,
    token,
    websocketProvider: socket.provider,
    ...(kind === "hp2" ? { broadcast: false } : {}),
    ...(kind === "hp4" ? { sessionAwareness: sessionAware } : {}),
    ...options,
  });
  // With a socket of its own a v3 or v4 provider attaches itself. v2 always has.
  if (kind !== "hp2") provider.attach();

  return {
    provider,
    wire: socket.wire,
    address: () => provider.effectiveName ?? session,
    isSynced: () => provider.isSynced,
    ...switchOf(socket),
    attach: () => void (kind === "hp2" ? provider.connect() : provider.attach()),
    detach: () => (kind === "hp2" ? provider.disconnect() : provider.detach()),
    setToken: (value) => (provider.configuration.token = value),
    destroy: (keepSocket) => {
      provider.destroy();
      socket.users -= 1;
      if (keepSocket || socket.users > 0) return;
      socket.provider.destroy();
      if (socketKey != null) shared.delete(socketKey);
    },
  };
}

function openYWebsocket({ url, session, document, awareness, token, connect, deflate, options }) {
  const wire = new Wire(deflate);
  const provider = new WebsocketProvider(url, session, document, {
    connect,
    awareness,
    params: token == null ? {} : { token },
    WebSocketPolyfill: wire.WebSocket,
    disableBc: true, // else clients of one process reach each other without any server
    ...options,
  });
  return {
    provider,
    wire,
    address: () => null,
    isSynced: () => provider.synced,
    connect: () => provider.connect(),
    disconnect: () => provider.disconnect(),
    attach: () => provider.connect(),
    detach: () => provider.disconnect(),
    setToken: (value) => (provider.params = value == null ? {} : { token: value }),
    destroy: () => provider.destroy(),
  };
}

/**
 * Opens an unmodified provider.
 *
 * @returns {{provider, wire: Wire, address: () => string | null, isSynced, connect, disconnect,
 *   attach, detach, setToken, destroy}} `address` is what a Hocuspocus frame begins with.
 */
export function openProvider(kind, wanted) {
  if (kind === "yws") return openYWebsocket(wanted);
  if (kind in HOCUSPOCUS) return openHocuspocus(kind, wanted);
  throw new Error(`unknown kind of client: ${kind}`);
}
