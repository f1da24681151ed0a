"""All sockets of this server, the one clock they share, and how they are closed on shutdown."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from websockets.datastructures import Headers

from server import telemetry
from server.config import Limits
from server.errors import Draining, LyceumError, Overloaded, Unauthorized
from server.ids import SessionName
from server.sessions.access import Access
from server.sessions.connection import Connection
from server.sessions.gate import Gate
from server.sessions.participant import Dialect, Participant, Socket
from server.sessions.registry import Registry
from server.sessions.seat import Commands, Seat
from server.sessions.session import Session

log = structlog.get_logger()

CHECK_EVERY = 1.0  # seconds
CHECKED_AT_ONCE = 500  # connections that are looked at before others have their turn
LAG_EVERY = 0.1  # seconds
LONGEST_CLOSE_PAUSE = 0.01  # seconds between two sockets that close
GOODBYE_SECONDS = 2.0  # for the clients' side of closing


class Hub:
    """Where connections come together.

    deflates: whether sockets may agree on compression. gate: which sockets may come at all.
    overloaded: whether so much waits to be saved that nobody should come in. commands: takes
    participants' stateless messages. settle: returns once all that was received is saved.
    """

    def __init__(
        self,
        registry: Registry,
        access: Access,
        limits: Limits,
        gate: Gate,
        overloaded: Callable[[], bool],
        commands: Commands,
        settle: Callable[[], Awaitable[None]],
        deflates: bool = True,
    ) -> None:
        self.limits = limits
        self.deflates = deflates
        self._registry = registry
        self._access = access
        self._gate = gate
        self._overloaded = overloaded
        self._commands = commands
        self._settle = settle
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self.clock = self.now()

    def now(self) -> float:
        """Seconds of the event loop's clock."""
        return self._loop.time()

    def connect(self, *_args: object, **_kwargs: object) -> Connection:
        """A connection for a socket that asks for an upgrade; uvicorn's `ws` class."""
        return Connection(self)

    def add(self, connection: Connection) -> None:
        """A socket is there."""
        self._connections.add(connection)
        self._empty.clear()
        telemetry.connections.set(len(self._connections))

    def remove(self, connection: Connection) -> None:
        """A socket is gone."""
        self._connections.discard(connection)
        self._gate.leave(connection)
        if not self._connections:
            self._empty.set()
        telemetry.connections.set(len(self._connections))

    def admit(self, connection: Connection, peer: str, headers: Headers) -> LyceumError | None:
        """Why a socket is not taken in; None if it is, and counts for its address.

        peer: its other end. Answered at the upgrade: all kinds of clients wait before they try
        again.
        """
        refusal: LyceumError | None
        if self._draining:
            refusal = Draining()
        elif self._overloaded():
            refusal = Overloaded()
        else:
            refusal = self._gate.admit(connection, peer, headers)
        if refusal is not None:
            telemetry.refused.labels(type(refusal).__name__).inc()
        return refusal

    def make_seat(
        self,
        socket: Socket,
        dialect: Dialect,
        name: SessionName,
        entered: Callable[[Seat, Session, Participant], None],
        refused: Callable[[Seat, LyceumError], None],
    ) -> Seat:
        """A place in a session for a client of one of our sockets."""
        return Seat(
            self._registry,
            self._access,
            socket,
            dialect,
            name,
            self.limits.waiting_bytes,
            self._commands,
            entered,
            refused,
        )

    def enforce(self) -> None:
        """Something was revoked: whoever came in with it leaves."""
        for session in self._registry.sessions:
            for participant in session.participants:
                try:
                    self._access.confirm(participant.identity)
                except Unauthorized as error:
                    telemetry.refused.labels(type(error).__name__).inc()
                    participant.close(error)

    async def run(self) -> None:
        """Be the clock of all sockets and sessions until cancelled."""
        due = self.now()
        while True:
            due = max(due + CHECK_EVERY, self.now())
            await self._sleep_until(due)
            self.clock = self.now()
            await self._check_all(self.clock, time.time())
            self._access.refresh()
            await self._registry.sweep()

    async def _check_all(self, now: float, unix_time: float) -> None:
        outbox = 0
        for index, connection in enumerate(list(self._connections), 1):
            if index % CHECKED_AT_ONCE == 0:
                await asyncio.sleep(0)
            if connection.due <= now:
                self._check(connection, now, unix_time)
            if not connection.writable:
                outbox += connection.outbox_bytes
        telemetry.outbox_bytes.set(outbox)

    def _check(self, connection: Connection, now: float, unix_time: float) -> None:
        try:
            connection.check(now, unix_time)
        except Exception:
            log.exception("connection failed")
            connection.abort()

    async def _sleep_until(self, due: float) -> None:
        while (left := due - self.now()) > 0:
            wanted = min(left, LAG_EVERY)
            started, named = self.now(), telemetry.named_seconds()
            await asyncio.sleep(wanted)
            lag = max(0.0, self.now() - started - wanted)
            telemetry.late(lag, telemetry.named_seconds() - named)

    async def drain(self, seconds: float) -> None:
        """Close all sockets so that nothing received is lost and nobody comes back at once.

        Reading stops, everything is saved and acknowledged, and the sockets close one by one,
        spread over `seconds`.
        """
        self._draining = True
        connections = list(self._connections)
        for connection in connections:
            connection.pause_reading()
        await self._settle()
        reason = Draining()
        for connection in connections:
            connection.close(reason.close_code, str(reason))
            await asyncio.sleep(min(seconds / len(connections), LONGEST_CLOSE_PAUSE))
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
