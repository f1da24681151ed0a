"""Edits without a socket: they are everybody's at once, and acknowledged after COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pycrdt import Doc, Text

from server.config import Limits
from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import Closed, DocumentFull, NotFound, ProtocolError
from server.ids import SessionName
from server.persistence import collaboration, documents
from server.persistence.collaboration import Changes
from server.persistence.database import Database
from server.sessions.registry import Registry
from server.sessions.saver import Saver
from server.sessions.session import Session
from server.sessions.visitor import Visitor

LESSON = SessionName("lesson")
EDITOR = Identity(Role.EDITOR, "ann")


@pytest_asyncio.fixture
async def registry(database: Database) -> AsyncIterator[Registry]:
    """The sessions of a server without sockets."""
    saver = Saver(database.connect)
    saving = asyncio.create_task(saver.run())
    limits = Limits(document_bytes=10_000)
    yield Registry(database, saver, limits, linger=0, history=86_400)
    saving.cancel()
    await asyncio.gather(saving, return_exceptions=True)


def typed(session: Session, text: str) -> bytes:
    """An update that appends a text to the session's document."""
    doc: Doc[Any] = Doc(client_id=session.client_id)
    doc.apply_update(session.document.encode())
    before = doc.get_state()
    content = doc.get("content", type=Text)
    content += text
    return doc.get_update(before)


async def stored(database: Database) -> str:
    """The text that the database holds."""
    async with database.acquire() as connection:
        parts = (await documents.load(connection, LESSON)).parts
    doc: Doc[Any] = Doc()
    for part in parts:
        doc.apply_update(part)
    return str(doc.get("content", type=Text))


async def test_an_edit_is_acknowledged_once_it_is_stored(
    registry: Registry, database: Database
) -> None:
    """One behind the other, and sent again: each is in the database when its author hears so."""
    session = await registry.visit(LESSON)
    for word in ("one ", "two "):
        update = typed(session, word)
        for _ in range(2):
            visitor = Visitor(EDITOR)
            session.edit(visitor, update)
            await asyncio.wait_for(visitor.saved, 10)
            assert word in await stored(database)
    assert await stored(database) == "one two "


async def test_what_is_no_update_is_refused(registry: Registry) -> None:
    """The document and what others send are unharmed."""
    session = await registry.visit(LESSON)
    with pytest.raises(ProtocolError):
        session.edit(Visitor(EDITOR), b"\xff\xff")
    visitor = Visitor(EDITOR)
    session.edit(visitor, typed(session, "good"))
    await asyncio.wait_for(visitor.saved, 10)


async def test_closed_and_full_sessions_take_no_edit(
    registry: Registry, database: Database
) -> None:
    """The reason is the one that participants are told; a deletion fits into a full document."""
    session = await registry.visit(LESSON)
    visitor = Visitor(EDITOR)
    session.edit(visitor, typed(session, "x" * 9_000))
    await asyncio.wait_for(visitor.saved, 10)
    with pytest.raises(DocumentFull):
        session.edit(Visitor(EDITOR), typed(session, "y" * 2_000))
    async with database.acquire() as connection:
        await collaboration.change(connection, LESSON, Changes(status="ARCHIVED"))
    await registry.refresh(LESSON)
    with pytest.raises(Closed, match="archived"):
        session.edit(Visitor(EDITOR), typed(session, "z"))
    assert await stored(database) == "x" * 9_000


async def test_visiting_makes_no_session_unless_asked(
    registry: Registry, database: Database
) -> None:
    """Looking at what is not there is NotFound, and still is afterwards."""
    for _ in range(2):
        with pytest.raises(NotFound):
            await registry.visit(LESSON, create=False)
    await registry.visit(LESSON)
    assert await registry.visit(LESSON, create=False) in registry.sessions


async def test_a_session_that_fails_says_so_to_visitors(registry: Registry) -> None:
    """Their update was not saved, and they don't wait for ever."""
    session = await registry.visit(LESSON)
    visitor = Visitor(EDITOR)
    session.document.receive(typed(session, "lost"), visitor)
    session._owed[visitor] = 1
    session.failed(ProtocolError("broken"))
    with pytest.raises(ProtocolError, match="broken"):
        await asyncio.wait_for(visitor.saved, 10)
