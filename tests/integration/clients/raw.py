"""A bare WebSocket that says what no well-behaved client would, and hears everything."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect

from server.ids import ClientId
from server.protocol import hocuspocus, yjs, ywebsocket
from server.protocol.lib0 import varstring, varuint
from server.protocol.yjs import AwarenessEntry, SyncType
from server.sessions.document import merged
from tests.support.frames import decoded
from tests.support.server import LyceumServer

EMPTY_STATE_VECTOR = b"\x00"


def auth(address: str, token: str = "") -> bytes:
    """A Hocuspocus client's first message."""
    return varstring(address) + varuint(2) + varuint(0) + varstring(token) + varstring("4.8.0")


def announcement(client: int, clock: int, state: str | None) -> bytes:
    """The body of a message about one client's presence; `state` is JSON."""
    return yjs.awareness([AwarenessEntry(ClientId(client), clock, state)])


class RawClient:
    """One socket in y-websocket's dialect, or on one Hocuspocus document."""

    def __init__(self, socket: ClientConnection, address: str | None) -> None:
        self.socket = socket
        self.dialect = ywebsocket.DIALECT if address is None else hocuspocus.Dialect(address)
        self._address = address
        self._kept: list[yjs.Message] = []

    async def send_sync(self, kind: SyncType, payload: bytes) -> None:
        """Send a state vector or an update."""
        await self.socket.send(self.dialect.sync(kind, payload))

    async def announce(self, client: int, clock: int, state: str | None) -> None:
        """Say that a client is here, or gone."""
        await self.socket.send(self.dialect.awareness(announcement(client, clock, state)))

    async def update(self) -> bytes:
        """The next update from the server, as step 2 or as an edit of others."""
        while True:
            message = await self._next()
            if isinstance(message, yjs.SyncStep2 | yjs.SyncUpdate):
                return message.update

    async def document(self) -> bytes:
        """All that the server has; a large document comes in updates, and step 2 ends it."""
        await self.send_sync(SyncType.STEP1, EMPTY_STATE_VECTOR)
        parts: list[bytes] = []
        while True:
            message = await self._next()
            if isinstance(message, yjs.SyncStep2 | yjs.SyncUpdate):
                parts.append(message.update)
            if isinstance(message, yjs.SyncStep2):
                return merged(parts)

    async def wait_gone(self, *clients: int) -> None:
        """Until the server has said of each of them that it is gone."""
        left = set(clients)
        while left:
            message = await self._next()
            if isinstance(message, yjs.Awareness):
                left -= {entry.client for entry in message.entries if entry.state is None}

    async def present(self) -> set[int]:
        """Who is here, as the server answers when asked; nobody is an answer without words."""
        await self.socket.send(
            (b"" if self._address is None else varstring(self._address)) + varuint(3)
        )
        await self.send_sync(SyncType.STEP1, EMPTY_STATE_VECTOR)
        here: set[int] = set()
        while not isinstance(message := await self._next(), yjs.SyncStep2):
            if isinstance(message, yjs.Awareness):
                here |= {entry.client for entry in message.entries if entry.state is not None}
        return here

    async def _next(self) -> yjs.Message:
        while not self._kept:
            frame = await self.socket.recv(decode=False)
            assert isinstance(frame, bytes)
            self._kept = decoded(frame, self._address)
        return self._kept.pop(0)


@asynccontextmanager
async def raw_client(
    server: LyceumServer,
    session: str,
    hocuspocus: bool = False,
    token: str = "",
    sock: socket.socket | None = None,
) -> AsyncIterator[RawClient]:
    """A bare client of a session, let in and with the document read.

    sock: connected already, if it has to be a special one.
    """
    path = "/hocuspocus" if hocuspocus else f"/yjs/{quote(session, safe='')}?token={token}"
    async with connect(server.ws + path, max_size=None, compression=None, sock=sock) as opened:
        client = RawClient(opened, session if hocuspocus else None)
        if hocuspocus:
            await opened.send(auth(session, token))
        await client.document()
        yield client
