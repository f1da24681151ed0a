"""Records what participants do: in memory for one interval, then saved in batches by COPY.

A batch whose outcome is unknown is sent again under its number until it is known (see
persistence/activity.py), and meanwhile counting goes on. Whatever happens here, edits never wait
for it: past its bound activity is shed, and that is counted and logged.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import structlog

from server import telemetry
from server.domain.details import Details, RoleOrNone
from server.persistence import activity
from server.persistence.activity import Kind, Row
from server.persistence.database import LASTING, PASSING, describe
from server.persistence.journal import WriterUnknown
from server.persistence.types import Connection
from server.protocol.messages import RunReport
from server.sessions.counting import Edits
from server.sessions.events import Events, Someone
from server.sessions.participant import Author, Participant
from server.sessions.tally import Batch, Tally

log = structlog.get_logger()

BATCH_ROWS = 10_000  # keeps one commit well below the statement timeout
SMALL_BATCH = 200  # rows; Postgres shares the machine with people who type
PARTS = 20  # of an interval's rows, if they are many, with pauses between
SAVE_SHARE = 0.2  # of the time that saving takes at most, if that is possible
COMMIT_TIMEOUT = 10.0  # seconds: then the connection counts as lost
RETRY_FIRST, RETRY_LONGEST = 0.05, 2.0  # seconds between tries
DRAIN_SECONDS = 5.0
SHED_LOG_EVERY = 10.0  # seconds


class Recorder(Events):
    """The activity of all sessions of this server.

    connect: opens a connection of the recorder's own. seconds: one interval. most: rows that may
    wait to be saved, 0 for any number.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], seconds: float, most: int
    ) -> None:
        self._connect = connect
        self._seconds = seconds
        self._tally = Tally(most)
        self._connection: Connection | None = None
        self._writer: UUID | None = None
        self._batch = 0
        self._failing = False
        self._due = asyncio.Event()
        self._idle = asyncio.Event()
        self._shed: Counter[str] = Counter()  # since that was last logged
        self._shed_logged = -SHED_LOG_EVERY
        telemetry.activity_waiting.set_function(lambda: len(self._tally))

    def joined(self, session: Details, participant: Participant) -> None:
        """Note it."""
        self._note("join", session, participant)

    def left(self, session: Details, participant: Participant) -> None:
        """Note it."""
        self._note("leave", session, participant)

    def said(self, session: Details, someone: Someone) -> None:
        """Note it, without what was said."""
        self._note("chat", session, someone)

    def ran(self, session: Details, someone: Someone, run: RunReport) -> None:
        """Note it, and how it ended."""
        data = {"outcome": run.outcome, "language": run.language, "seconds": run.seconds}
        self._note("run", session, someone, _json(data))

    def role_given(self, session: Details, user: str, role: RoleOrNone | None, by: Someone) -> None:
        """Note it; the row is of whom it was given to."""
        data = _json({"role": role, "by": by.identity.user})
        row = Row(datetime.now(UTC), session.id, by.id, user, "role", data=data)
        if not self._tally.note(row):
            self._give_up("role")

    def changed(self, session: Details, edits: Mapping[Author, Edits]) -> None:
        """Count it."""
        now = datetime.now(UTC)
        for author, edit in edits.items():
            user, name = author.identity.user, author.identity.name or ""
            if not self._tally.count(session.id, author.id, user, name, now, edit):
                self._give_up("edit", edit.updates)
            elif edit.unmeasured:
                telemetry.activity_shed.labels("characters").inc(edit.unmeasured)

    def _note(self, kind: Kind, session: Details, who: Someone, data: str | None = None) -> None:
        row = Row(datetime.now(UTC), session.id, who.id, who.identity.user, kind, data=data)
        if not self._tally.note(row, who.identity.name or ""):
            self._give_up(kind)

    def _give_up(self, kind: str, count: int = 1) -> None:
        telemetry.activity_shed.labels(kind).inc(count)
        self._shed[kind] += count
        self._log_shed()

    def _log_shed(self) -> None:
        """Tell what was shed, unless that was just told; then a later interval tells it."""
        now = time.monotonic()
        if self._shed and now - self._shed_logged >= SHED_LOG_EVERY:
            self._shed_logged = now
            log.warning("activity shed", **self._shed, waiting=len(self._tally))
            self._shed.clear()

    async def run(self) -> None:
        """Save once an interval until cancelled."""
        try:
            took = 0.0
            while True:
                await self._pause(max(0.0, self._seconds - took))
                self._due.clear()
                began = time.monotonic()
                await self._save_interval()
                took = time.monotonic() - began  # with pauses, so that intervals stay as long
                self._log_shed()
                if not self._due.is_set():
                    self._idle.set()
        finally:
            self._disconnect()

    async def _pause(self, seconds: float) -> None:
        """Wait, unless saving is due at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._due.wait()

    async def drain(self) -> None:
        """Save what is there, unless that takes long."""
        self._idle.clear()
        self._due.set()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.error("activity could not be saved", lost=len(self._tally))

    async def _save_interval(self) -> None:
        """Save what happened until now; what happens meanwhile may wait for the next time."""
        self._tally.end_interval()
        most = min(BATCH_ROWS, max(SMALL_BATCH, len(self._tally) // PARTS))
        for _ in range(len(self._tally) // most + 1):
            batch, started = self._tally.take(most), time.monotonic()
            await self._save(batch)
            self._tally.landed(batch)
            rest = (time.monotonic() - started) * (1 / SAVE_SHARE - 1)
            await self._pause(min(rest, self._seconds / PARTS / 2))

    async def _save(self, batch: Batch) -> None:
        if not batch.rows and not batch.seen:
            return
        try:
            await self._save_surely(batch)
        except LASTING as error:
            if len(batch.rows) + len(batch.seen) > 1:  # find what is not accepted, save the rest
                for half in batch.halves:
                    await self._save(half)
                return
            self._refuse(batch, error)
        except Exception as error:  # a fault of ours, which must not end the server
            self._refuse(batch, error)

    def _refuse(self, batch: Batch, error: Exception) -> None:
        log.error("activity can't be saved", rows=len(batch.rows), why=describe(error))
        for row in batch.rows:
            telemetry.activity_shed.labels(row.kind).inc(row.updates or 1)

    async def _save_surely(self, batch: Batch) -> None:
        """Save a batch, however often that takes; raises one of LASTING if it never will be."""
        pause = RETRY_FIRST
        while True:
            started = time.perf_counter()
            try:
                await self._try(batch)
            except LASTING:
                raise
            except PASSING as error:
                self._note_failure(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, RETRY_LONGEST)
            except WriterUnknown:
                self._writer = None  # the database was restored, or forgot us: sign on anew
            else:
                self._batch += 1
                self._note_success(batch, time.perf_counter() - started)
                return

    async def _try(self, batch: Batch) -> None:
        async with asyncio.timeout(COMMIT_TIMEOUT):
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            if self._writer is None:
                writer = uuid4()
                await activity.register(self._connection, writer)
                self._writer, self._batch = writer, 0
            await activity.write(
                self._connection, self._writer, self._batch + 1, batch.rows, batch.seen
            )

    def _note_failure(self, error: Exception) -> None:
        telemetry.activity_failures.inc()
        if not self._failing:
            log.warning("saving activity fails; it is tried again", why=describe(error))
        self._failing = True
        self._disconnect()

    def _note_success(self, batch: Batch, seconds: float) -> None:
        if self._failing:
            log.info("saving activity works again", rows=len(batch.rows))
        self._failing = False
        telemetry.activity_written.inc(len(batch.rows))
        telemetry.activity_commit_seconds.observe(seconds)

    def _disconnect(self) -> None:
        """Drop the connection at once: after a failure nobody knows what state it is in."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _json(data: object) -> str:
    return msgspec.json.encode(data).decode()
