/** One client: a document, its awareness, a real provider, and what was seen of them. */
import { EventEmitter } from "node:events";
import * as decoding from "lib0/decoding";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { Ledger } from "./ledger.mjs";
import { openProvider } from "./providers.mjs";
import { until } from "./waits.mjs";

const MOST_EVENTS = 10_000;
const MOST_FRAMES = 20_000;
const MOST_PAYLOAD = 2_000_000;

const HOCUSPOCUS_EVENTS = {
  status: ({ status }) => ({ status }),
  synced: (event) => ({ state: event?.state ?? true }),
  connect: () => ({}),
  disconnect: ({ event }) => ({ code: event?.code ?? null, reason: String(event?.reason ?? "") }),
  close: ({ event }) => ({ code: event?.code ?? null, reason: String(event?.reason ?? "") }),
  authenticationFailed: ({ reason }) => ({ reason }),
  stateless: ({ payload }) => ({ payload }),
};

const YWEBSOCKET_EVENTS = {
  status: ({ status }) => ({ status }),
  sync: (state) => ({ state }),
  "connection-close": (event) => ({ code: event?.code ?? null, reason: event?.reason ?? null, local: event == null }),
  "connection-error": (event) => ({ message: String(event?.message ?? event) }),
  closed: ({ code, reason }) => ({ code, reason }),
};

/** Emits "change" whenever something happened that a wait may be for. */
export class Client extends EventEmitter {
  constructor(name, { kind, url, session, token, state, socketKey, sessionAware, connect, deflate, trace, options, socketOptions }) {
    super();
    this.setMaxListeners(0);
    Object.assign(this, { name, kind, session });
    this.began = performance.now();
    this.events = [];
    this.frames = [];
    this.tracing = trace ?? false;
    this.closes = []; // not yet asked for by waitClosed
    this.openings = 0;
    this.destroyed = false;
    this.document = new Y.Doc();
    this.awareness = new Awareness(this.document);
    if (state != null) this.awareness.setLocalState(state);
    this.ledger = new Ledger(this.document);
    this.changed = () => this.emit("change");
    this.document.on("afterTransaction", this.changed);
    this.awareness.on("update", this.changed);

    this.held = openProvider(kind, {
      url,
      session,
      token: token ?? null,
      socketKey,
      sessionAware: sessionAware ?? false,
      connect: connect ?? true,
      deflate: deflate ?? false,
      options: options ?? {},
      socketOptions: socketOptions ?? {},
      document: this.document,
      awareness: this.awareness,
    });
    this.provider = this.held.provider;
    this.wire = this.held.wire;
    this.watchWire();
    this.watchProvider();
  }

  get isHocuspocus() {
    return this.kind !== "yws";
  }

  log(event, fields = {}) {
    if (this.events.length === MOST_EVENTS) this.events.shift();
    this.events.push({ at: Math.round(performance.now() - this.began), event, ...fields });
    this.changed();
  }

  watchWire() {
    const watched = {
      opening: (url) => {
        this.openings += 1;
        this.log("socket-opening", { url });
      },
      open: () => {
        this.ledger.startSocket();
        this.log("socket-open");
      },
      close: (close) => {
        this.closes.push(close);
        this.log("socket-close", close);
      },
      exception: (error) => this.log("exception", { message: String(error?.message ?? error) }),
      frame: (direction, bytes) => this.frame(direction, bytes),
    };
    for (const [name, listener] of Object.entries(watched)) this.wire.on(name, listener);
    // The constructor of the provider may have opened the first socket already.
    if (this.wire.socket !== null) watched.opening(this.wire.socket.url);
    this.unwatchWire = () => {
      for (const [name, listener] of Object.entries(watched)) this.wire.off(name, listener);
    };
  }

  watchProvider() {
    const described = this.isHocuspocus ? HOCUSPOCUS_EVENTS : YWEBSOCKET_EVENTS;
    for (const [name, describe] of Object.entries(described)) {
      this.provider.on(name, (...values) => this.log(name, describe(...values)));
    }
    if (!this.isHocuspocus) return;
    // v2 tells the scope only by its property.
    this.provider.on("authenticated", (event) => {
      this.log("authenticated", { scope: event?.scope ?? this.provider.authorizedScope });
    });
    this.provider.on("unsyncedChanges", this.changed);
  }

  frame(direction, bytes) {
    if (this.isHocuspocus) {
      const decoder = decoding.createDecoder(bytes);
      try {
        if (bytes.length > 1) {
          if (decoding.readVarString(decoder) !== this.held.address()) return;
          this.ledger.frame(direction, decoder);
        }
      } catch {
        // Not a frame of the protocol: kept in the trace below, otherwise the provider's affair.
      }
    } else if (direction === "in" && bytes[0] === 2 && bytes[1] === 0) {
      const decoder = decoding.createDecoder(bytes.subarray(2));
      this.log("permissionDenied", { reason: decoding.readVarString(decoder) });
    }
    if (this.tracing) {
      if (this.frames.length === MOST_FRAMES) this.frames.shift();
      const hex = Buffer.from(bytes.subarray(0, MOST_PAYLOAD)).toString("hex");
      this.frames.push({ at: Math.round(performance.now() - this.began), direction, size: bytes.length, hex });
    }
    this.changed();
  }

  get isSynced() {
    return this.held.isSynced();
  }

  /** The provider's own counter; none in y-websocket. */
  get unsynced() {
    return this.isHocuspocus ? this.provider.unsyncedChanges : null;
  }

  info() {
    const { socket } = this.wire;
    return {
      kind: this.kind,
      session: this.session,
      client_id: this.document.clientID,
      address: this.held.address(),
      connected: this.wire.isOpen,
      synced: this.isSynced,
      unsynced: this.unsynced,
      has_unsynced_changes: this.isHocuspocus ? this.provider.hasUnsyncedChanges : null,
      authenticated: this.isHocuspocus ? this.provider.isAuthenticated : null,
      scope: this.isHocuspocus ? (this.provider.authorizedScope ?? null) : null,
      settled: this.ledger.isSettled,
      refused: this.ledger.refused,
      sockets_opened: this.openings,
      buffered: socket?.bufferedAmount ?? 0,
      deflates: socket?.extensions.includes("deflate") ?? false,
      bytes_read: socket?._socket?.bytesRead ?? 0,
    };
  }

  /** clientID → {clock, state}; a state of null is one that is gone. */
  awarenessStates() {
    const all = {};
    for (const [id, { clock }] of this.awareness.meta) {
      all[id] = { clock, state: this.awareness.states.get(id) ?? null };
    }
    return all;
  }

  until(what, check, actual, timeout) {
    return until([this], {
      what: `${what} of ${this.name} (${this.kind})`,
      check,
      actual: () => ({ is: actual(), ...this.info(), last: this.events.slice(-3) }),
      timeout,
    });
  }

  waitSynced(timeout) {
    return this.until("sync", () => (this.isSynced ? true : undefined), () => this.isSynced, timeout);
  }

  /** Ends the client. `keepSocket`: end the provider only, as a page does that leaves a shared socket. */
  destroy(keepSocket = false) {
    if (this.destroyed) return;
    this.destroyed = true;
    this.held.destroy(keepSocket);
    this.document.destroy();
    this.unwatchWire();
    this.log("destroyed");
  }
}
