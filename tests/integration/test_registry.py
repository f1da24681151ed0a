"""Sessions on a real database: opened whole, and compacted as often as it is useful."""

import asyncio
import gc
import os
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server.config import Limits
from server.ids import SessionName
from server.persistence import documents
from server.persistence.database import Database
from server.protocol import slices, ywebsocket
from server.sessions import compaction, turns
from server.sessions import document as document_module
from server.sessions import registry as module
from server.sessions.access import Access
from server.sessions.document import merged
from server.sessions.registry import Registry
from server.sessions.saver import Saver
from server.sessions.seat import Seat
from server.sessions.session import Session
from tests.support.journal import Writer
from tests.support.waiting import eventually
from tests.unit.sessions.histories import text_of, typed
from tests.unit.sessions.slow import Peer

LESSON = SessionName("lesson")


@pytest_asyncio.fixture
async def registry(database: Database) -> AsyncIterator[Registry]:
    """The sessions of a server that saves."""
    saver = Saver(database.connect)
    running = asyncio.create_task(saver.run())
    registry = Registry(database, saver, Limits(), linger=60.0, history=0.0)
    yield registry
    await registry.drain()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def store(database: Database, *updates: bytes) -> None:
    """Have the journal hold these, one row each."""
    async with database.acquire() as connection:
        document_id = (await documents.load(connection, LESSON)).document_id
        writer = await Writer.register(connection)
        for update in updates:
            await writer.append((document_id, update))


async def test_a_large_document_is_not_to_be_had_before_it_is_whole(
    database: Database, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while it is loaded, in turns of the loop, gets all of it, and the same."""
    monkeypatch.setattr(turns, "TURN", 0.0)
    monkeypatch.setattr(document_module, "LOAD_BYTES", 100)
    monkeypatch.setattr(document_module, "CUT_BYTES", 100)
    monkeypatch.setattr(slices, "MOST_STRUCTS", 2)
    updates = typed(1, *"one after the other ")
    await store(database, merged(updates[:15]), *updates[15:])
    await registry.visit(SessionName("another"))
    coming = [asyncio.create_task(registry.visit(LESSON)) for _ in range(3)]
    turns_seen = 0
    while not any(task.done() for task in coming):
        session = registry.peek(LESSON)
        assert session is None or text_of(session.document.encode()) == "one after the other "
        if len(coming) < 10:
            coming.append(asyncio.create_task(registry.visit(LESSON)))
        turns_seen += 1
        await asyncio.sleep(0)
    sessions = await asyncio.gather(*coming)
    assert turns_seen > 5
    assert set(sessions) == {registry.peek(LESSON)}
    assert text_of(sessions[0].document.encode()) == "one after the other "


async def write(registry: Registry, session: Session, count: int, client: int) -> None:
    """Have a session receive so many updates, each committed before the next one."""
    for update in typed(client, *"x" * count):
        seq = session.seq
        session.document.receive(update, None)
        session.tick()
        await eventually(lambda seq=seq: session.seq > seq, what="a commit")


async def snapshot_seq(database: Database) -> int:
    """The newest row that a snapshot covers."""
    async with database.acquire() as connection:
        return (await documents.load(connection, LESSON)).snapshot_seq


async def swept(registry: Registry) -> None:
    """What is due has been done."""
    await registry.sweep()
    await asyncio.gather(*registry._compactions)


async def test_a_busy_session_is_compacted_now_and_then(
    database: Database, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon the first time; then after a pause, or earlier once its tail is very long."""
    monkeypatch.setattr(module, "COMPACT_AT", 3)
    monkeypatch.setattr(module, "COMPACT_SURELY_AT", 8)
    session = await registry.visit(LESSON)
    await write(registry, session, 2, client=1)
    await swept(registry)
    assert await snapshot_seq(database) == 0
    await write(registry, session, 1, client=2)
    await swept(registry)
    assert await snapshot_seq(database) == 3
    await write(registry, session, 7, client=3)
    await swept(registry)
    assert await snapshot_seq(database) == 3
    await write(registry, session, 1, client=4)
    await swept(registry)
    assert await snapshot_seq(database) == 11
    await write(registry, session, 3, client=5)
    monkeypatch.setattr(module, "COMPACT_PAUSE", 0.0)
    await swept(registry)
    assert await snapshot_seq(database) == 14


async def test_a_compaction_does_not_hold_up_the_end(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its process is ended; the rows are still there for the next server."""
    program, noted = tmp_path / "endless", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {noted}\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(module, "COMPACT_AT", 1)
    monkeypatch.setattr(compaction, "LARGE", 0)
    monkeypatch.setattr(compaction.sys, "executable", str(program))
    session = await registry.visit(LESSON)
    await write(registry, session, 1, client=1)
    await registry.sweep()
    await eventually(lambda: noted.exists() and noted.read_text().strip(), what="the process")
    async with asyncio.timeout(20):
        await registry.drain()
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


async def test_a_session_that_was_left_is_freed_at_once(database: Database) -> None:
    """Its document's memory waits neither for what is left of sockets nor for a collection."""
    registry = Registry(database, Saver(database.connect), Limits(), linger=0.0, history=0.0)
    entered, peer = asyncio.Event(), Peer(1, is_hocuspocus=False)
    seat = Seat(
        registry,
        Access(None, "editor"),
        peer,
        ywebsocket.DIALECT,
        LESSON,
        0,
        lambda *_: None,
        lambda *_: entered.set(),
        lambda *_: None,
    )
    gc.disable()
    try:
        seat.authenticate("")
        await entered.wait()
        session = weakref.ref(registry.sessions[0])
        seat.leave()
        await registry.sweep()
        assert not registry.sessions
        await eventually(lambda: session() is None, what="the session's end")
    finally:
        gc.enable()
