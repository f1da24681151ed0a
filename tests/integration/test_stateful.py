"""Any interleaving of what can happen to a session keeps the invariants; with a real database."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import asyncpg
import pytest
from pycrdt import Doc, Text

from server.config import Limits
from server.domain.identity import Identity
from server.domain.roles import Role
from server.ids import SessionName
from server.persistence import documents
from server.persistence.database import Database, connect
from server.protocol.frames import framed
from server.protocol.hocuspocus import Dialect
from server.protocol.yjs import SyncUpdate
from server.sessions import registry as registry_module
from server.sessions.document import Document
from server.sessions.participant import Participant
from server.sessions.registry import Registry
from server.sessions.saver import Saver
from server.sessions.session import Session
from tests.support.postgres import PostgresInstance
from tests.support.proxy import Proxy

NAME = SessionName("lesson")
ROUNDS = 5
STEPS = 120
ACTIONS = {
    "join": 6,
    "write": 40,
    "leave": 6,
    "tick": 10,
    "yield": 20,
    "stall": 6,
    "commit": 8,
    "kill": 4,
    "cut": 3,
    "cut before": 2,
    "cut after": 2,
    "sweep": 10,
    "check": 6,
}
JOURNAL = """
select seq, last_seq, payload
from documents
join document_updates on document_updates.document_id = documents.id
where name = $1
order by seq
"""
KILL = """
select pg_terminate_backend(pid)
from pg_stat_activity
where datname = current_database() and application_name = 'lyceum'
"""


class Writer:
    """A client that types numbered lines, and the server's side of its socket."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.doc: Doc[Text] = Doc(client_id=number)
        self.lines: list[str] = []
        self.acknowledged = 0
        self.closed: tuple[int, str] | None = None
        self.writable = True
        self.participant = Participant(self, Dialect(NAME), Identity(Role.EDITOR))
        self._saved = framed(Dialect(NAME).saved())

    def write(self, frames: bytes) -> None:
        """The server sends; only acknowledgements matter here."""
        if frames.startswith(self._saved):
            assert frames == self._saved * (len(frames) // len(self._saved))
            self.acknowledged += len(frames) // len(self._saved)
            assert self.acknowledged <= len(self.lines), "acknowledged more than was sent"

    def close(self, code: int, reason: str) -> None:
        """The server closes the socket."""
        self.closed = (code, reason)

    @property
    def next_line(self) -> str:
        """What it types next."""
        return f"<{self.number}:{len(self.lines)}>"

    def type(self) -> bytes:
        """Types a line; its update."""
        before = self.doc.get_state()
        text = self.doc.get("content", type=Text)
        text += self.next_line
        self.lines.append(self.next_line)
        return self.doc.get_update(before)


class World:
    """One document on one server, with everybody who ever wrote to it."""

    def __init__(self, rng: Random, database: Database, proxy: Proxy, observer: Any) -> None:
        self.rng = rng
        self.proxy = proxy
        self.observer = observer  # a connection of the test's own
        self.saver = Saver(lambda: connect(proxy.url))
        self.registry = Registry(database, self.saver, Limits(), linger=0, history=0)
        self.everybody: list[Writer] = []
        self.here: list[tuple[Writer, Session]] = []
        self.done: list[str] = []

    async def act(self, action: str) -> None:
        """One thing happens."""
        self.done.append(action)
        match action:
            case "join":
                await self._join()
            case "write" if self.here:
                self._write(*self.rng.choice(self.here))
            case "leave" if self.here:
                writer, session = self.here.pop(self.rng.randrange(len(self.here)))
                session.leave(writer.participant)
            case "tick":
                for session in self.registry.sessions:
                    session.tick()
            case "yield":
                await asyncio.sleep(0)
            case "stall":
                # One round trip to the database: time for the saver to do some of its work.
                await self.observer.execute("select 1")
            case "commit":
                await self.settle()
            case "kill":
                await self.observer.execute(KILL)
            case "cut":
                self.proxy.cut()
            case "cut before" if self.here:
                self._write_into_trap(self.proxy.cut_request)
            case "cut after" if self.here:
                self._write_into_trap(self.proxy.lose_answer)
            case "sweep":
                await self._sweep()
            case "check":
                await self.check()

    async def _join(self) -> None:
        writer = Writer(len(self.everybody) + 1)
        session = await self.registry.join(NAME, writer.participant)
        self.everybody.append(writer)
        self.here.append((writer, session))

    def _write(self, writer: Writer, session: Session) -> None:
        session.handle(writer.participant, SyncUpdate(writer.type()))

    def _write_into_trap(self, trap: Any) -> None:
        writer, session = self.rng.choice(self.here)
        trap(writer.next_line.encode())
        self._write(writer, session)

    async def _sweep(self) -> None:
        """The registry's clock ticks; invariant 5 holds."""
        held = [
            session
            for session in self.registry.sessions
            if session.participants
            or session.document.dirty
            or self.saver.has_unsaved(session.document_id)
        ]
        await self.registry.sweep()
        assert set(held) <= set(self.registry.sessions)

    async def settle(self) -> None:
        """All that was received is saved."""
        async with asyncio.timeout(30):
            await self.registry.drain()

    async def check(self) -> None:
        """What was acknowledged until now is in the database, once, in its author's order."""
        promised = {writer.number: writer.lines[: writer.acknowledged] for writer in self.everybody}
        rows = await self.observer.fetch(JOURNAL, NAME)
        if rows:
            expected = range(rows[0]["seq"], rows[0]["last_seq"] + 1)
            assert [row["seq"] for row in rows] == list(expected), "the journal has a gap"
        for line in (line for writer in self.everybody for line in writer.lines):
            holding = [row["seq"] for row in rows if line.encode() in row["payload"]]
            assert len(holding) <= 1, f"{line} was written twice, as {holding}"
        text = await self.stored_text()
        for writer in self.everybody:
            stored = [line for line in writer.lines if line in text]
            assert stored[: len(promised[writer.number])] == promised[writer.number]
            assert stored == writer.lines[: len(stored)], "a later line without an earlier one"
            positions = [text.index(line) for line in stored]
            assert positions == sorted(positions)
            assert all(text.count(line) == 1 for line in stored)
            assert writer.closed is None

    async def stored_text(self) -> str:
        """What somebody reads who opens the document from the database now."""
        stored = await documents.load(self.observer, NAME)
        document = Document.load(stored.parts)
        assert not document.damaged
        assert document.waiting_bytes == 0
        return text_of(document)

    async def end(self) -> None:
        """Everything is saved and acknowledged, what is open equals what is stored."""
        await self.settle()
        await self.check()
        text = await self.stored_text()
        for writer in self.everybody:
            assert all(line in text for line in writer.lines)
            if any(writer is one for one, _ in self.here):
                assert writer.acknowledged == len(writer.lines)
        for session in self.registry.sessions:
            assert text_of(session.document) == text
        assert not any(self.saver.has_unsaved(one.document_id) for one in self.registry.sessions)


def text_of(document: Document) -> str:
    """What is written in a document."""
    doc: Doc[Text] = Doc()
    doc.apply_update(document.encode())
    return str(doc.get("content", type=Text))


@asynccontextmanager
async def world(rng: Random, url: str) -> AsyncIterator[World]:
    """A server's parts on a database of their own; the saver reaches it through a proxy."""
    database = await Database.open(url)
    observer = await asyncpg.connect(url)
    async with Proxy.before_database(url) as proxy:
        made = World(rng, database, proxy, observer)
        saving = asyncio.create_task(made.saver.run())
        try:
            yield made
            assert not saving.done(), "the saver ended"
        finally:
            saving.cancel()
            with suppress(asyncio.CancelledError):
                await saving
            observer.terminate()
            await database.close()


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_any_interleaving_keeps_the_invariants(
    postgres: PostgresInstance, monkeypatch: pytest.MonkeyPatch, round_number: int
) -> None:
    """Whatever happens in whatever order: nothing acknowledged is lost, nothing is there twice.

    The journal has no gap, an opened document holds every acknowledged update, a session with
    unsaved updates stays, and in the end everything that was received is saved.
    """
    monkeypatch.setattr(registry_module, "COMPACT_AT", 5)
    monkeypatch.setattr(registry_module, "COMPACT_WHEN_LEFT", 2)
    seed = os.environ.get("LYCEUM_TEST_SEED") or f"{Random().randrange(2**32)}"
    print(f"LYCEUM_TEST_SEED={seed}")  # noqa: T201 -- pytest shows it when the test fails
    rng = Random(f"{seed} {round_number}")
    async with world(rng, await postgres.create_database()) as made:
        await made.act("join")
        for action in rng.choices(list(ACTIONS), list(ACTIONS.values()), k=STEPS):
            await made.act(action)
        await made.end()
