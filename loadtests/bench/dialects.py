"""What a client says and hears, in y-websocket's dialect and in Hocuspocus's."""

from typing import NamedTuple, Protocol
from urllib.parse import quote, urlencode

from server.protocol import yjs
from server.protocol.lib0 import Reader, varbuf, varstring, varuint
from server.protocol.yjs import SyncType

SYNC, AWARENESS, AUTH, SYNC_REPLY, SYNC_STATUS = 0, 1, 2, 4, 8
PROVIDER = "4.8.0"


class Heard(NamedTuple):
    """One message of the server: step1, step2, update, saved, denied, or other."""

    kind: str
    payload: bytes = b""


class Dialect(Protocol):
    """One client's side of one document."""

    path: str

    def hello(self) -> list[bytes]:
        """What it says first, besides its presence."""

    def update(self, update: bytes) -> bytes:
        """The message for an edit."""

    def step2(self, update: bytes) -> bytes:
        """The answer to the server's step 1."""

    def presence(self, client: int, clock: int, state: bytes) -> bytes:
        """The message with its own presence, JSON."""

    def read(self, message: bytes) -> list[Heard]:
        """What the server said."""


class YWebsocket:
    """`prefix` is the path in front of the session's name."""

    def __init__(self, prefix: str, session: str, token: str) -> None:
        self.path = f"{prefix}/{quote(session)}" + (
            f"?{urlencode({'token': token})}" if token else ""
        )

    def hello(self) -> list[bytes]:
        return [varuint(SYNC) + yjs.sync(SyncType.STEP1, b"\x00")]

    def update(self, update: bytes) -> bytes:
        size = len(update)
        if size < 0x80:
            return b"\x00\x02" + bytes((size,)) + update
        return b"\x00\x02" + varuint(size) + update

    def step2(self, update: bytes) -> bytes:
        return varuint(SYNC) + yjs.sync(SyncType.STEP2, update)

    def presence(self, client: int, clock: int, state: bytes) -> bytes:
        return varuint(AWARENESS) + varbuf(_one_state(client, clock, state))

    def read(self, message: bytes) -> list[Heard]:
        reader, heard = Reader(message), []
        while not reader.done:
            kind = reader.varuint()
            if kind == SYNC:
                heard.append(_read_sync(reader))
            elif kind == AWARENESS:
                heard.append(Heard("other", reader.varbuf()))
            elif kind == AUTH:
                reader.varuint()
                heard.append(Heard("denied", reader.varbuf()))
            else:
                break
        return heard


class Hocuspocus:
    """`prefix` is the whole path; the session's name heads every message."""

    def __init__(self, prefix: str, session: str, token: str) -> None:
        self.path = prefix or "/"
        self._address = varstring(session)
        self._update = self._address + b"\x00\x02"
        self._token = token

    def hello(self) -> list[bytes]:
        auth = varuint(AUTH) + varuint(0) + varstring(self._token) + varstring(PROVIDER)
        step1 = varuint(SYNC) + yjs.sync(SyncType.STEP1, b"\x00")
        return [self._address + auth, self._address + step1]

    def update(self, update: bytes) -> bytes:
        return self._update + varuint(len(update)) + update

    def step2(self, update: bytes) -> bytes:
        return self._address + varuint(SYNC) + yjs.sync(SyncType.STEP2, update)

    def presence(self, client: int, clock: int, state: bytes) -> bytes:
        return self._address + varuint(AWARENESS) + varbuf(_one_state(client, clock, state))

    def read(self, message: bytes) -> list[Heard]:
        if len(message) < 2:
            return [Heard("other")]  # a ping
        reader = Reader(message)
        reader.varbuf()
        kind = reader.varuint()
        if kind in (SYNC, SYNC_REPLY):
            return [_read_sync(reader)]
        if kind == SYNC_STATUS:
            return [Heard("saved" if reader.varuint() else "denied", b"the edit was not taken")]
        if kind == AUTH and reader.varuint() == 1:
            return [Heard("denied", reader.varbuf())]
        return [Heard("other")]


DIALECTS: dict[str, type[YWebsocket] | type[Hocuspocus]] = {
    "y-websocket": YWebsocket,
    "hocuspocus": Hocuspocus,
}


def _one_state(client: int, clock: int, state: bytes) -> bytes:
    return b"\x01" + varuint(client) + varuint(clock) + varbuf(state)


def _read_sync(reader: Reader) -> Heard:
    kind = SyncType(reader.varuint())
    return Heard(kind.name.lower(), reader.varbuf())
