"""Messages as clients write and read them, in both dialects; server/protocol has the other side."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from server.ids import ClientId
from server.protocol import hocuspocus, yjs, ywebsocket
from server.protocol.lib0 import Reader, varstring, varuint
from server.protocol.yjs import SyncType


@dataclass(frozen=True)
class Sync:
    """A sync message: a state vector for STEP1, an update for the others."""

    kind: SyncType
    payload: bytes


@dataclass(frozen=True)
class Status:
    """The answer to one update: saved, or refused."""

    saved: bool


@dataclass(frozen=True)
class Denied:
    """The server's reason not to let the client in, or not to let it write."""

    reason: str


Event = Sync | Status | Denied


class Dialect(Protocol):
    """How a client speaks about one document.

    acknowledges: whether the server tells what is saved.
    """

    acknowledges: bool
    address: str

    def greeting(self, token: str) -> list[bytes]:
        """What goes before the first sync message."""

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A frame with one sync message."""

    def presence(self, client: ClientId, clock: int, state: str | None) -> bytes:
        """A frame with the client's own state."""


class YWebsocket:
    """One document a socket, named by the path."""

    acknowledges = False
    address = ""

    def greeting(self, token: str) -> list[bytes]:
        """Nothing: the token is in the URL."""
        return []

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A frame with one sync message."""
        return ywebsocket.DIALECT.sync(kind, payload)

    def presence(self, client: ClientId, clock: int, state: str | None) -> bytes:
        """A frame with the client's own state."""
        return ywebsocket.DIALECT.awareness(
            yjs.awareness([yjs.AwarenessEntry(client, clock, state)])
        )


class Hocuspocus:
    """Many documents a socket; the server tells what is saved."""

    acknowledges = True

    def __init__(self, address: str) -> None:
        self.address = address
        self._server_side = hocuspocus.Dialect(address)

    def greeting(self, token: str) -> list[bytes]:
        """The token."""
        auth = varuint(hocuspocus.Type.AUTH) + varuint(hocuspocus.AuthType.TOKEN)
        return [varstring(self.address) + auth + varstring(token)]

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A frame with one sync message."""
        return self._server_side.sync(kind, payload)

    def presence(self, client: ClientId, clock: int, state: str | None) -> bytes:
        """A frame with the client's own state."""
        return self._server_side.awareness(
            yjs.awareness([yjs.AwarenessEntry(client, clock, state)])
        )


def read_ywebsocket(frame: bytes) -> Iterator[tuple[str, Event]]:
    """What a frame from the server holds that concerns the document, each with no address."""
    reader = Reader(frame)
    while not reader.done:
        match kind := reader.varuint():
            case ywebsocket.Type.SYNC:
                yield "", Sync(SyncType(reader.varuint()), reader.varbuf())
            case ywebsocket.Type.AWARENESS:
                reader.varbuf()
            case ywebsocket.Type.AUTH:
                reader.varuint()
                yield "", Denied(reader.varstring())
            case _:
                raise ValueError(f"the server sent a message of type {kind}")


def read_hocuspocus(frame: bytes) -> Iterator[tuple[str, Event]]:
    """What a frame from the server holds that concerns a document, with its address."""
    reader = Reader(frame)
    address = reader.varstring()
    match kind := reader.varuint():
        case hocuspocus.Type.SYNC | hocuspocus.Type.SYNC_REPLY:
            yield address, Sync(SyncType(reader.varuint()), reader.varbuf())
        case hocuspocus.Type.SYNC_STATUS:
            yield address, Status(reader.varuint() == 1)
        case hocuspocus.Type.AUTH if reader.varuint() == hocuspocus.AuthType.PERMISSION_DENIED:
            yield address, Denied(reader.varstring())
        case hocuspocus.Type.AUTH | hocuspocus.Type.AWARENESS | hocuspocus.Type.STATELESS:
            pass
        case _:
            raise ValueError(f"the server sent a message of type {kind}")
