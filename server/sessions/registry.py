"""Which sessions are in memory: opens one once however many wait, keeps it, lets it go.

A session is let go when it was without participants for a while and everything of it is saved.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from unicodedata import category

import structlog

from server import telemetry
from server.config import DEFAULT_PACE, Limits, Pace
from server.errors import BadName, DocumentDamaged, Gone, NotFound, Unavailable
from server.ids import SessionName
from server.persistence import collaboration, documents
from server.persistence.database import PASSING, Database, describe
from server.persistence.opening import Opening
from server.sessions.compaction import compact
from server.sessions.document import Document
from server.sessions.events import UNHEARD, Events
from server.sessions.participant import Participant
from server.sessions.reading import Reader
from server.sessions.saver import Saver
from server.sessions.session import Session
from server.sessions.turns import Turns

log = structlog.get_logger()

WATCH_EVERY = 0.5  # seconds between looks for what others changed about sessions
OPEN_TIMEOUT = 10.0  # seconds that a join waits for a database that is away
MAX_IDLE = 1_000  # sessions kept in memory with nobody in them
COMPACT_AT = 500  # journal rows behind the newest snapshot
COMPACT_PAUSE = 60.0  # seconds: a busy session has so many rows every few seconds
COMPACT_SURELY_AT = 5_000  # whatever the pause: the longer the tail, the slower it opens
COMPACT_WHEN_LEFT = 50
COMPACT_BYTES = 8 * 2**20  # so do those of large pastes
CATCH_UP_ROWS = 50  # that are taken in at once
COMPACTORS = 2  # at work at the same time
SWEPT_AT_ONCE = 100  # sessions that are looked at before others have their turn
MAX_NAME = 255
FORBIDDEN = ("Cc", "Cs")  # control characters and lone surrogates


class Registry:
    """The sessions of this server.

    linger: seconds that a session without participants stays. history: seconds that the journal
    keeps what a snapshot covers. creates: whether a join makes the session that does not exist.
    """

    def __init__(
        self,
        database: Database,
        saver: Saver,
        limits: Limits,
        linger: float,
        history: float,
        creates: bool = True,
        events: Events = UNHEARD,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._database = database
        self._saver = saver
        self._limits = limits
        self._linger = linger
        self._history = timedelta(seconds=history)
        self._reader = Reader(database, creates)
        self._events = events
        self._pace = pace
        self._sessions: dict[SessionName, Session] = {}
        self._opening: dict[SessionName, asyncio.Task[Session]] = {}
        self._behind: set[Session] = set()  # others wrote what these have not read yet
        self._catching_up: set[Session] = set()
        self._compacting: set[Session] = set()
        self._compactors = asyncio.Semaphore(COMPACTORS)
        self._turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._compactions: set[asyncio.Task[None]] = set()

    def peek(self, name: SessionName) -> Session | None:
        """The session of that name if it is in memory."""
        return self._sessions.get(name)

    @property
    def sessions(self) -> list[Session]:
        """All that are in memory."""
        return list(self._sessions.values())

    async def join(self, name: SessionName, participant: Participant) -> Session:
        """Let a participant into the session of that name, opened if need be.

        Raises as `visit` and `Session.join` do.
        """
        session = await self.visit(name)
        session.join(participant)
        return session

    async def visit(self, name: SessionName, create: bool = True) -> Session:
        """The session of that name, opened if need be; it stays for a while with nobody in it.

        create: make it if there is none, where joins do that. Raises BadName, NotFound, Gone,
        DocumentDamaged, and Unavailable while the database is away.
        """
        check_name(name)
        if not create and name not in self._sessions:
            await self._find(name)
        while True:
            session = self._sessions.get(name)
            if session is not None:
                if session.is_empty:
                    session.idle_since = time.monotonic()
                return session
            opening = self._opening.get(name)
            if opening is None:
                opening = self._opening[name] = asyncio.create_task(self._open(name))
            await asyncio.shield(opening)

    async def _open(self, name: SessionName) -> Session:
        started = time.perf_counter()
        try:
            details, stored, chat_revision = await self._read(name)
            loading = Document.loading(stored.parts, self._limits.pending_bytes)
            document = await self._turns.do("load", loading, session=name, parts=len(stored.parts))
            session = Session(
                details,
                document,
                self._saver,
                self._limits,
                self._missed,
                self._events,
                self._pace,
            )
            session.bytes = sum(map(len, stored.parts))
            session.chat_revision = chat_revision
            session.seq, session.snapshot_seq = stored.seq, stored.snapshot_seq
            if document.damaged:
                telemetry.skipped_updates.inc()
                log.error("stored updates can't be integrated; left out, kept", session=name)
            self._sessions[name] = session
        finally:
            del self._opening[name]
        seconds = time.perf_counter() - started
        telemetry.sessions_opened.inc()
        telemetry.sessions_open.set(len(self._sessions))
        telemetry.session_open_seconds.observe(seconds)
        log.debug("session opened", session=name, parts=len(stored.parts), seconds=seconds)
        return session

    async def _read(self, name: SessionName) -> Opening:
        deadline = time.monotonic() + OPEN_TIMEOUT
        while True:
            try:
                return await self._reader.read(name)
            except DocumentDamaged as error:
                log.error("document is damaged", session=name, why=str(error))
                raise
            except PASSING as error:
                if time.monotonic() > deadline:
                    log.warning("session can't be opened", session=name, why=describe(error))
                    raise Unavailable from None
            await asyncio.sleep(0.2)

    async def _find(self, name: SessionName) -> None:
        try:
            async with self._database.acquire() as connection:
                await collaboration.read(connection, name)
        except PASSING:
            raise Unavailable from None

    async def refresh(self, name: SessionName) -> None:
        """Act at once on what was changed about a session; PASSING errors come through."""
        session = self._sessions.get(name)
        if session is None:
            return
        try:
            async with self._database.acquire() as connection:
                details = await collaboration.read(connection, name)
        except NotFound:
            self._end(session)
        else:
            if details.id != session.document_id:
                self._end(session)  # deleted, and another one of that name created
            elif details.version > session.details.version:
                session.apply(details)

    def _end(self, session: Session) -> None:
        session.end(Gone())

    async def watch(self) -> None:
        """Mark what expires, and act on what other servers or people with SQL changed, for ever."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            try:
                async with self._database.acquire() as connection:
                    await collaboration.expire_due(connection)
                    changed = await collaboration.recent(connection)
                for name, version in changed:
                    session = self._sessions.get(name)
                    if session is not None and session.details.version != version:
                        await self.refresh(name)
            except PASSING as error:
                log.debug("can't look for changed sessions", why=describe(error))

    async def sweep(self) -> None:
        """What is due about once a second: expire presence, compact, let sessions go."""
        now = time.monotonic()
        idle = []
        for index, session in enumerate(self.sessions, 1):
            if index % SWEPT_AT_ONCE == 0:
                await asyncio.sleep(0)
            session.expire()
            if now - session.compacted_at >= COMPACT_PAUSE:
                self._compact_at(session, COMPACT_AT)
            else:
                self._compact_at(session, COMPACT_SURELY_AT)
            if session in self._behind and not self._saver.failing:
                self._missed(session)
            if session.is_empty:
                idle.append(session)
        idle.sort(key=lambda session: session.idle_since)
        for index, session in enumerate(idle):
            crowded = len(idle) - index > MAX_IDLE
            if crowded or now - session.idle_since >= self._linger or session.broken:
                self._let_go(session)
        telemetry.sessions_open.set(len(self._sessions))

    def _let_go(self, session: Session) -> None:
        busy = session in self._catching_up or session in self._compacting or session.chat_waiting
        received = session.document.dirty and not session.broken
        if busy or received or self._saver.has_unsaved(session.document_id):
            return
        del self._sessions[session.name]
        self._behind.discard(session)
        self._compact_at(session, COMPACT_WHEN_LEFT)
        if session.announced:
            self._events.closed(session.details)
        log.debug("session let go", session=session.name)

    def _compact_at(self, session: Session, rows: int) -> None:
        if self._saver.failing or session in self._compacting:
            return
        long = session.seq - session.snapshot_seq >= rows
        if long or session.tail_bytes >= COMPACT_BYTES:
            self._compacting.add(session)
            session.compacted_at = time.monotonic()
            self._start(self._compact, session, self._compactions)

    async def _compact(self, session: Session) -> None:
        """Write a snapshot of what the database holds: others may have written to it as well."""
        tail_bytes = session.tail_bytes
        try:
            async with self._compactors:
                async with self._database.acquire() as connection:
                    stored = await documents.load(connection, session.name)
                snapshot = await compact(stored.parts, self._turns, session.name)
            if snapshot is None:
                session.snapshot_seq = session.seq  # damaged: what was left out must stay
                session.tail_bytes = 0
                return
            async with self._database.acquire() as connection:
                await documents.save_snapshot(
                    connection, stored.document_id, stored.seq, snapshot, self._history
                )
            session.snapshot_seq = stored.seq
            session.tail_bytes -= tail_bytes
            telemetry.compactions.inc()
        except (*PASSING, DocumentDamaged) as error:
            telemetry.compaction_failures.inc()
            log.warning("snapshot failed", session=session.name, why=describe(error))
        finally:
            self._compacting.discard(session)

    def _missed(self, session: Session) -> None:
        """Others wrote to a document: read what they wrote, and what they write meanwhile."""
        self._behind.add(session)
        if session not in self._catching_up:
            self._catching_up.add(session)
            self._start(self._catch_up, session, self._tasks)

    async def _catch_up(self, session: Session) -> None:
        try:
            while session in self._behind:
                async with self._database.acquire() as connection:
                    self._behind.discard(session)
                    rows = await documents.updates_after(
                        connection, session.document_id, session.seq
                    )
                for start in range(0, len(rows), CATCH_UP_ROWS):
                    session.catch_up(rows[start : start + CATCH_UP_ROWS])
                    await asyncio.sleep(0)
        except PASSING as error:
            self._behind.add(session)  # the next sweep tries again
            log.warning("can't read what others wrote", session=session.name, why=describe(error))
        finally:
            self._catching_up.discard(session)

    def _start(
        self,
        work: Callable[[Session], Coroutine[None, None, None]],
        session: Session,
        tasks: "set[asyncio.Task[None]]",
    ) -> None:
        task = asyncio.create_task(work(session))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def drain(self) -> None:
        """Return once all that was received is saved and no background work is left.

        Compactions are broken off: they may take long, and the next server does them as well.
        """
        for session in self._sessions.values():
            session.tick()
        await self._saver.drain()
        for task in self._compactions:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._compactions, return_exceptions=True)


def check_name(name: str) -> None:
    """Raise BadName unless a session may be called so."""
    if not 0 < len(name) <= MAX_NAME or any(category(char) in FORBIDDEN for char in name):
        raise BadName
