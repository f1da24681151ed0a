"""The dialect of y-websocket: one document a socket, one or more messages a frame.

Source: https://github.com/yjs/y-websocket (src/y-websocket.js).
"""

from enum import IntEnum

from server.errors import ProtocolError
from server.protocol import yjs
from server.protocol.lib0 import Reader, varbuf, varstring, varuint, whole_varbuf
from server.protocol.yjs import SyncType


class Type(IntEnum):
    """What a message holds."""

    SYNC = 0
    AWARENESS = 1
    AUTH = 2
    QUERY_AWARENESS = 3


UPDATE = bytes((Type.SYNC, SyncType.UPDATE))


def decode(frame: bytes) -> list[yjs.Message]:
    """The messages of one frame from a client; raises ProtocolError."""
    if frame.startswith(UPDATE) and (update := whole_varbuf(frame, len(UPDATE))) is not None:
        return [yjs.SyncUpdate(update)]  # what most frames are
    reader, messages = Reader(frame), list[yjs.Message]()
    while not reader.done:
        match kind := reader.varuint():
            case Type.SYNC:
                messages.append(yjs.read_sync(reader))
            case Type.AWARENESS:
                messages.append(yjs.read_awareness(reader))
            case Type.QUERY_AWARENESS:
                messages.append(yjs.QueryAwareness())
            case _:
                raise ProtocolError(f"unknown message type {kind}")
    return messages


class Dialect:
    """How the server speaks to a y-websocket client."""

    address = ""
    shares_socket = False

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A frame with one sync message."""
        return varuint(Type.SYNC) + yjs.sync(kind, payload)

    def awareness(self, body: bytes) -> bytes:
        """A frame with one awareness message around an encoded body."""
        return varuint(Type.AWARENESS) + varbuf(body)

    def saved(self) -> bytes:
        """This dialect has no word for it."""
        return b""

    def refused(self) -> bytes:
        """This dialect has no word for it."""
        return b""

    def rights(self, may_write: bool, reason: str) -> bytes:
        """Only a refusal has a word; who may write again has to come in again."""
        return b"" if may_write else denied(reason)

    def stateless(self, payload: str) -> bytes:
        """This dialect has no way for it."""
        return b""

    def ask_for_token(self) -> bytes:
        """There is no such message."""
        return b""

    def eviction_code(self, code: int) -> int:
        """The reason's own code: from 4400 on, its clients take it as lasting."""
        return code


DIALECT = Dialect()


def denied(reason: str) -> bytes:
    """A frame that tells what the client may not do here; it stays connected all the same."""
    return varuint(Type.AUTH) + varuint(0) + varstring(reason)
