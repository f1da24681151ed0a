"""A proxy between a client and a server that stalls, delays and cuts connections when told.

It listens on a TCP port of its own and forwards to a TCP address or a unix socket, so it may stand
before Postgres (also the embedded one, which has no TCP port) and before a Lyceum server alike:

    async with Proxy.before_database(url) as proxy:     # proxy.url: the same database through it
    async with Proxy(("127.0.0.1", port)) as proxy:     # proxy.port, proxy.host

At once, for all connections:

    proxy.cut()                     every connection ends now; new ones are taken
    proxy.shut(); await proxy.open()      connections are cut and refused, then taken again
    proxy.stall(); proxy.resume()   connections stay, no byte passes
    proxy.delay = 0.05              seconds that every piece of traffic takes longer, each way

At a chosen byte, once, on the first connection that comes to it. Each returns a Trap:

    proxy.cut_request(b"…")         the server never gets the whole pattern, the connection ends
    proxy.hold_answer(b"…")         the server gets it and answers, the answer waits in the proxy:
                                    `await trap.sprung()`, then trap.release() or trap.cut()
    proxy.lose_answer(b"…")         the same, and the connection ends once the answer is complete
    proxy.cut_after(1000)           the client gets exactly so many more bytes, then the end

A pattern is what the client sends. For a statement of asyncpg that is any of its arguments (they
travel in binary: an update's bytes, a UUID's bytes). `until` says what ends the server's answer;
the default is Postgres's word that the statement and its transaction are over. So after
`lose_answer` has sprung the statement is committed, and the client can't know.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

from tests.support.traps import (
    LONGEST_PATTERN,
    READY,
    AnswerTrap,
    CountingTrap,
    RequestTrap,
    Trap,
)

Target = tuple[str, int] | Path

PIECE = 64 * 2**10


class Proxy:
    """See the module. An asynchronous context manager: inside, it listens."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.host = "127.0.0.1"
        self.port = 0
        self.url = ""  # of the database behind it
        self.delay = 0.0
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._traps: list[Trap] = []
        self._flowing = asyncio.Event()
        self._flowing.set()

    @classmethod
    @asynccontextmanager
    async def before_database(cls, url: str) -> AsyncIterator[Self]:
        """A proxy before a database, whose `url` leads to it."""
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        port = int(options.get("port", [parts.port or 5432])[0])
        host = options.get("host", [parts.hostname or "localhost"])[0]
        unix = host.startswith("/")
        async with cls(Path(host, f".s.PGSQL.{port}") if unix else (host, port)) as proxy:
            credentials = parts.netloc.rpartition("@")[0]
            netloc = f"{credentials}@{proxy.host}:{proxy.port}"
            proxy.url = urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))
            yield proxy

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        """Take connections (again, on the same port)."""
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """End every connection now."""
        for link in list(self._links):
            link.cut()

    def stall(self) -> None:
        """Let no byte pass any more; connections stay, new ones hang."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let bytes pass again."""
        self._flowing.set()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._links)

    def cut_request(self, pattern: bytes) -> Trap:
        """Cut the connection whose client sends this, before the server has all of it."""
        return self._set(RequestTrap(pattern))

    def hold_answer(self, to: bytes, until: bytes = READY) -> Trap:
        """Let this request pass and hold the answer; sprung when the answer is complete."""
        return self._set(AnswerTrap(to, until, lose=False))

    def lose_answer(self, to: bytes, until: bytes = READY) -> Trap:
        """Let this request pass, and cut when the answer is complete; nothing of it passes."""
        return self._set(AnswerTrap(to, until, lose=True))

    def cut_after(self, count: int) -> Trap:
        """Cut a connection after exactly so many more bytes from the server."""
        return self._set(CountingTrap(count))

    def _set(self, trap: Trap) -> Trap:
        self._traps.append(trap)
        return trap

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A cancelled handler would be logged as an error, so cancellation ends here.
        try:
            await self._passing()
            if isinstance(self.target, Path):
                server = await asyncio.open_unix_connection(str(self.target))
            else:
                server = await asyncio.open_connection(*self.target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), server)
        self._links.add(link)
        with suppress(asyncio.CancelledError):
            await link.run()
        self._links.discard(link)
        link.end()

    async def _passing(self) -> None:
        """Wait until traffic may pass."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._flowing.wait()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection through a proxy."""

    def __init__(self, proxy: Proxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._client_reader, self._client = client
        self._server_reader, self._server = server
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Carry bytes both ways until both sides have ended, or it is cut."""
        pumps = asyncio.gather(self._requests(), self._answers())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait([pumps, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            pumps.cancel()
            over.cancel()
            await asyncio.gather(pumps, over, return_exceptions=True)

    def cut(self) -> None:
        """End it now; what was not sent yet is lost."""
        self._over.set()
        self._client.transport.abort()
        self._server.transport.abort()

    def end(self) -> None:
        """End it; the client gets what was sent."""
        self._over.set()
        self._client.close()
        self._server.transport.abort()

    async def to_client(self, piece: bytes) -> None:
        """Send the client something."""
        self._client.write(piece)
        await self._client.drain()

    @contextmanager
    def _passing_resets(self) -> Iterator[None]:
        """A side that was reset takes the other one with it, as without a proxy."""
        try:
            yield
        except OSError:
            self.cut()

    async def _requests(self) -> None:
        before = b""
        with self._passing_resets():
            while piece := await self._client_reader.read(PIECE):
                await self._proxy._passing()
                for trap in self._proxy._traps:
                    trap.on_request(self, before, piece)
                if self._over.is_set():
                    return
                before = (before + piece)[-LONGEST_PATTERN:]
                self._server.write(piece)
                await self._server.drain()
            if not self._server.is_closing():
                self._server.write_eof()

    async def _answers(self) -> None:
        with self._passing_resets():
            while piece := await self._server_reader.read(PIECE):
                await self._proxy._passing()
                for trap in self._proxy._traps:
                    piece = await trap.on_answer(self, piece)
                if self._over.is_set():
                    return
                await self.to_client(piece)
            if not self._client.is_closing():
                self._client.write_eof()
