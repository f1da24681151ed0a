/**
 * The WebSocket that every provider gets: the `ws` one, watched, and with a browser's manners.
 *
 * Two manners of a browser that `ws` lacks: an exception in a listener does not stop the
 * connection, and closing a socket that is still connecting is no fatal error.
 */
import { EventEmitter } from "node:events";
import { WebSocket as NodeWebSocket } from "ws";

const bytesOf = (data) => {
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};

/**
 * What happens on one provider's socket, across reconnections.
 *
 * Emits: "opening" (url), "open", "frame" ("in" | "out", bytes), "close" ({code, reason}),
 * "exception" (error thrown by a listener of the provider).
 */
export class Wire extends EventEmitter {
  /** deflate: offer compression, and compress all that is sent, as browsers do. */
  constructor(deflate) {
    super();
    this.setMaxListeners(0);
    this.socket = null; // the newest one
    const wire = this;
    this.WebSocket = class extends NodeWebSocket {
      constructor(url, protocols) {
        super(url, protocols ?? [], { perMessageDeflate: deflate ? { threshold: 0 } : false });
        wire.socket = this;
        wire.emit("opening", url);
      }

      send(data, ...rest) {
        wire.emit("frame", "out", bytesOf(data));
        super.send(data, ...rest);
      }

      emit(name, ...args) {
        if (name === "open") wire.emit("open");
        if (name === "message") wire.emit("frame", "in", bytesOf(args[0]));
        if (name === "close") wire.emit("close", { code: args[0], reason: String(args[1] ?? "") });
        if (name === "error" && this.listenerCount("error") === 0) return false;
        try {
          return super.emit(name, ...args);
        } catch (error) {
          wire.emit("exception", error);
          return true;
        }
      }
    };
  }

  get isOpen() {
    return this.socket?.readyState === NodeWebSocket.OPEN;
  }

  /** The socket, which must be open. */
  get live() {
    if (!this.isOpen) throw new Error("no open socket");
    return this.socket;
  }
}
