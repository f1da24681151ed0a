"""What a server writes to a socket, read as a client would."""

from collections.abc import Iterator

from server.protocol import yjs, ywebsocket
from server.protocol.lib0 import Reader

WIDE = {126: 2, 127: 8}  # bytes of a length that does not fit into seven bits


def payloads(frames: bytes) -> Iterator[bytes]:
    """The messages in unmasked, unfragmented WebSocket frames."""
    at = 0
    while at < len(frames):
        size, at = frames[at + 1], at + 2
        if wide := WIDE.get(size):
            size, at = int.from_bytes(frames[at : at + wide], "big"), at + wide
        yield frames[at : at + size]
        at += size


def decoded(message: bytes, address: str | None) -> list[yjs.Message]:
    """Sync and presence in a message to a y-websocket client, or to a Hocuspocus address."""
    if address is None:
        return ywebsocket.decode(message)
    reader = Reader(message)
    if reader.varstring() != address:
        return []
    match reader.varuint():
        case 0:
            return [yjs.read_sync(reader)]
        case 1:
            return [yjs.read_awareness(reader)]
    return []
