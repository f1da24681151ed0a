"""The dialect of Hocuspocus: many documents a socket, tokens, and word of what is saved.

A frame is an address (the document's name, or `name\\0session` of a session-aware provider), a
type and a body. Source: https://github.com/ueberdosis/hocuspocus (packages/provider, server).
"""

from enum import IntEnum

from msgspec import Struct

from server.errors import ProtocolError
from server.protocol import yjs
from server.protocol.lib0 import Reader, varbuf, varstring, varuint
from server.protocol.yjs import SyncType


class Type(IntEnum):
    """What a message holds."""

    SYNC = 0
    AWARENESS = 1
    AUTH = 2
    QUERY_AWARENESS = 3
    SYNC_REPLY = 4
    STATELESS = 5
    BROADCAST_STATELESS = 6
    CLOSE = 7
    SYNC_STATUS = 8
    PING = 9
    PONG = 10


class AuthType(IntEnum):
    """What an auth message says; the client's only one is its token."""

    TOKEN = 0
    PERMISSION_DENIED = 1
    AUTHENTICATED = 2


class Auth(Struct, frozen=True):
    """A token; on a document that is open already, a fresh one.

    version: the provider's, None before version 4.
    """

    token: str
    version: str | None = None


class Stateless(Struct, frozen=True):
    """A message of the application's own, JSON with us."""

    payload: str


class Close(Struct, frozen=True):
    """The client leaves this document and keeps the socket."""


class Ping(Struct, frozen=True):
    """«Are you there?»; answered with PONG. It has no address."""


class Pong(Struct, frozen=True):
    """The answer to a ping. It has no address."""


Message = yjs.Message | Auth | Stateless | Close | Ping | Pong

RESET = 4205  # the close code after which every version comes back, and hears what it may

PING = bytes((Type.PING,))
PONG = bytes((Type.PONG,))


def head_of_updates(address: str) -> bytes:
    """What every frame with an update at an address begins with."""
    return varstring(address) + bytes((Type.SYNC, SyncType.UPDATE))


def decode(frame: bytes) -> tuple[str, Message]:
    """The address and the message of one frame from a client; raises ProtocolError."""
    if frame == PING:
        return "", Ping()
    if frame == PONG:
        return "", Pong()
    reader = Reader(frame)
    address = reader.varstring()
    message = _read(reader)
    reader.end()
    return address, message


def _read(reader: Reader) -> Message:
    match kind := reader.varuint():
        case Type.SYNC:
            return yjs.read_sync(reader, wants_step1=True)
        case Type.SYNC_REPLY:
            return yjs.read_sync(reader)
        case Type.AWARENESS:
            return yjs.read_awareness(reader)
        case Type.QUERY_AWARENESS:
            return yjs.QueryAwareness()
        case Type.AUTH:
            return _read_auth(reader)
        case Type.STATELESS:
            return Stateless(reader.varstring())
        case Type.CLOSE:
            return Close()
        case Type.BROADCAST_STATELESS:
            raise ProtocolError("BroadcastStateless is not for clients")
    raise ProtocolError(f"unknown message type {kind}")


def _read_auth(reader: Reader) -> Auth:
    kind = reader.varuint()
    if kind != AuthType.TOKEN:
        raise ProtocolError(f"unknown auth message type {kind}")
    token = reader.varstring()
    return Auth(token, None if reader.done else reader.varstring())


def split_address(address: str) -> str:
    """The document's name in an address."""
    return address.partition("\0")[0]


class Dialect:
    """How the server speaks to a Hocuspocus client about one of its documents."""

    __slots__ = ("_prefix", "address")
    shares_socket = True

    def __init__(self, address: str) -> None:
        self.address = address
        self._prefix = varstring(address)

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A frame with one sync message."""
        return self._prefix + varuint(Type.SYNC) + yjs.sync(kind, payload)

    def awareness(self, body: bytes) -> bytes:
        """A frame with one awareness message around an encoded body."""
        return self._prefix + varuint(Type.AWARENESS) + varbuf(body)

    def saved(self) -> bytes:
        """A frame that acknowledges one update: it is saved."""
        return self._prefix + varuint(Type.SYNC_STATUS) + varuint(1)

    def refused(self) -> bytes:
        """A frame that answers one update of a participant who may not write."""
        return self._prefix + varuint(Type.SYNC_STATUS) + varuint(0)

    def rights(self, may_write: bool, reason: str) -> bytes:
        """The scope; the reason travels in a stateless message."""
        return self.authenticated(may_write)

    def stateless(self, payload: str) -> bytes:
        """A frame with a message of the application's."""
        return self._prefix + varuint(Type.STATELESS) + varstring(payload)

    def eviction_code(self, code: int) -> int:
        """One that leaves the socket's other documents their way back."""
        return RESET

    def ask_for_token(self) -> bytes:
        """A frame after which versions 3 and 4 call their token function and send what it gives."""
        return self._auth(AuthType.TOKEN)

    def authenticated(self, may_write: bool) -> bytes:
        """A frame that lets a participant in."""
        scope = "read-write" if may_write else "readonly"
        return self._auth(AuthType.AUTHENTICATED) + varstring(scope)

    def denied(self, reason: str) -> bytes:
        """A frame that does not."""
        return self._auth(AuthType.PERMISSION_DENIED) + varstring(reason)

    def _auth(self, kind: AuthType) -> bytes:
        return self._prefix + varuint(Type.AUTH) + varuint(kind)
