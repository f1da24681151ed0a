"""Group commit: collects what sessions want saved, commits it, and only then acknowledges.

While one batch is in Postgres the next one collects, and under load a little longer: a commit costs
much the same however much it holds, on a machine that has better things to do. After silence there
is no pause. A batch that failed is
sent again under the same number until its outcome is known (see persistence/journal.py). While
Postgres is away the queue merges what falls on one document, and past its bound `full` tells
sessions to send writers away; nothing that was taken in is dropped.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from server import telemetry
from server.errors import LyceumError
from server.ids import DocumentId, Seq
from server.persistence import journal
from server.persistence.database import LASTING, PASSING, describe
from server.persistence.journal import Append
from server.persistence.types import Connection
from server.sessions.document import merged
from server.sessions.pacer import Pacer
from server.sessions.participant import Author

log = structlog.get_logger()

COMMIT_TIMEOUT = 10.0  # seconds: then the connection counts as lost
RETRY_FIRST, RETRY_LONGEST = 0.05, 2.0  # seconds between tries
BATCH_BYTES = 8 * 2**20  # keeps one commit well below the statement timeout
BATCH_DOCUMENTS = 2_000
MERGE_AT = 50  # updates of one document that wait
COMMIT_SHARE = 0.2  # of the time that commits take at most, roughly…
LONGEST_PAUSE = 0.02  # …unless they wait longer than this, in seconds


class Saved(Protocol):
    """Whose updates are saved: a session."""

    @property
    def document_id(self) -> DocumentId:
        """The document's key."""

    def committed(self, seq: Seq | None) -> None:
        """Its updates are saved, under this number; None if it isn't known any more."""

    def failed(self, error: LyceumError) -> None:
        """Its updates can never be saved."""


class _Entry:
    """What one document wants saved, and whom to tell."""

    __slots__ = ("bytes", "owed", "session", "since", "updates")

    def __init__(self, session: Saved) -> None:
        self.session = session
        self.updates: list[bytes] = []
        self.bytes = 0
        self.owed: dict[Author, int] = {}
        self.since = time.perf_counter()

    def owe(self, author: Author, count: int) -> None:
        self.owed[author] = self.owed.get(author, 0) + count

    def add(self, update: bytes) -> None:
        self.updates.append(update)
        self.bytes += len(update)
        if len(self.updates) >= MERGE_AT:
            self.merge()

    def merge(self) -> bytes:
        update = merged(self.updates)
        self.updates, self.bytes = [update], len(update)
        return update


class Saver:
    """Saves the updates of all sessions of this server.

    connect: opens a connection of the saver's own. queue_bytes: bound of what waits; 0 lifts it.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], queue_bytes: int = 0) -> None:
        self._connect = connect
        self._queue_bytes = queue_bytes
        self._connection: Connection | None = None
        self._writer: UUID | None = None
        self._batch = 0
        self._queued: dict[DocumentId, _Entry] = {}
        self._flying: dict[DocumentId, _Entry] = {}
        self._bytes = 0
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pacer = Pacer(COMMIT_SHARE, LONGEST_PAUSE)
        self.failing: str | None = None  # why the last try to commit failed
        telemetry.journal_queue_bytes.set_function(lambda: self._bytes)

    @property
    def full(self) -> bool:
        """Whether so much waits that nobody should write now."""
        return bool(self._queue_bytes) and self._bytes > self._queue_bytes

    def save(self, session: Saved, update: bytes, owed: Mapping[Author, int]) -> None:
        """Have an update saved, and these authors told how many of theirs it holds."""
        entry = self._queued.get(session.document_id)
        if entry is None:
            entry = self._queued[session.document_id] = _Entry(session)
        before = entry.bytes
        entry.add(update)
        for author, count in owed.items():
            entry.owe(author, count)
        self._bytes += entry.bytes - before
        self._idle.clear()
        self._wanted.set()

    def acknowledge_when_saved(self, session: Saved, author: Author, count: int = 1) -> None:
        """Tell an author of so many more saved updates as soon as all until now is saved."""
        entry = self._queued.get(session.document_id) or self._flying.get(session.document_id)
        if entry is None:
            author.acknowledge(count)
        else:
            entry.owe(author, count)

    def has_unsaved(self, document_id: DocumentId) -> bool:
        """Whether something of this document is not yet known to be saved."""
        return document_id in self._queued or document_id in self._flying

    async def drain(self) -> None:
        """Return once everything is saved."""
        await self._idle.wait()

    async def run(self) -> None:
        """Save until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                if pause := self._pacer.pause(time.perf_counter()):
                    await asyncio.sleep(pause)
                self._take()
                started = time.perf_counter()
                await self._commit(dict(self._flying))
                self._pacer.ran(started, time.perf_counter())
                if not self._queued:
                    self._wanted.clear()
                    self._idle.set()
        finally:
            self._disconnect()

    def _take(self) -> None:
        """Move the longest waiting entries into flight, as many as one commit should hold."""
        size = 0
        for document_id, entry in list(self._queued.items()):
            if self._flying and (
                size + entry.bytes > BATCH_BYTES or len(self._flying) >= BATCH_DOCUMENTS
            ):
                break
            size += entry.bytes
            self._flying[document_id] = self._queued.pop(document_id)

    async def _commit(self, entries: dict[DocumentId, _Entry]) -> None:
        batch = []
        for document_id, entry in entries.items():
            self._bytes -= entry.bytes
            batch.append(Append(document_id, entry.merge()))
            self._bytes += entry.bytes
        try:
            seqs = await self._commit_surely(batch)
        except LASTING as error:
            await self._commit_apart(entries, error)
        else:
            for document_id, entry in entries.items():
                self._finish(entry, seqs, document_id)

    async def _commit_apart(self, entries: dict[DocumentId, _Entry], error: Exception) -> None:
        """One document's update is not accepted: find it, and save the others."""
        if len(entries) > 1:
            for document_id, entry in entries.items():
                await self._commit({document_id: entry})
            return
        for document_id, entry in entries.items():
            log.error("update can't be saved", document=document_id, why=describe(error))
            self._land(entry, document_id)
            entry.session.failed(LyceumError("An update could not be saved."))

    def _finish(
        self, entry: _Entry, seqs: dict[DocumentId, Seq] | None, document_id: DocumentId
    ) -> None:
        self._land(entry, document_id)
        telemetry.commit_delay_seconds.observe(time.perf_counter() - entry.since)
        if seqs is not None and document_id not in seqs:
            entry.session.failed(LyceumError("The document was deleted."))
            return
        entry.session.committed(None if seqs is None else seqs[document_id])
        for author, count in entry.owed.items():
            author.acknowledge(count)

    def _land(self, entry: _Entry, document_id: DocumentId) -> None:
        """What an entry held is decided: nothing must be added to it any more."""
        del self._flying[document_id]
        self._bytes -= entry.bytes

    async def _commit_surely(self, batch: list[Append]) -> dict[DocumentId, Seq] | None:
        """Commit, however often that takes; raises one of LASTING if it never will be."""
        pause = RETRY_FIRST
        while True:
            started = time.perf_counter()
            try:
                seqs = await self._try(batch)
            except LASTING:
                self.failing = None  # a refusal, but Postgres is there
                raise
            except PASSING as error:
                self._note_failure(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, RETRY_LONGEST)
            except journal.WriterUnknown:
                self._writer = None  # the database was restored, or forgot us: sign on anew
            else:
                self._batch += 1
                self._note_success(len(batch), time.perf_counter() - started)
                return seqs

    async def _try(self, batch: list[Append]) -> dict[DocumentId, Seq] | None:
        async with asyncio.timeout(COMMIT_TIMEOUT):
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            if self._writer is None:
                writer = uuid4()
                await journal.register(self._connection, writer)
                self._writer, self._batch = writer, 0
            return await journal.append(self._connection, self._writer, self._batch + 1, batch)

    def _note_failure(self, error: Exception) -> None:
        reason = describe(error)
        if self.failing is None:
            log.warning("saving fails; edits are kept and tried again", why=reason)
        self.failing = reason
        telemetry.commit_failures.labels(type(error).__name__).inc()
        self._disconnect()

    def _note_success(self, documents: int, seconds: float) -> None:
        if self.failing is not None:
            log.info("saving works again", documents=documents)
            self.failing = None
        telemetry.commit_seconds.observe(seconds)
        telemetry.commit_documents.observe(documents)

    def _disconnect(self) -> None:
        """Drop the connection at once: after a failure nobody knows what state it is in."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
