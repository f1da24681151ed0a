"""Opening a session in one statement reads what its parts read singly."""

from datetime import timedelta

import pytest

from server.domain.details import Permissions
from server.errors import DocumentDamaged, Gone, NotFound
from server.ids import Seq, SessionName
from server.persistence import chat, collaboration, documents, opening
from server.persistence.chat import Send, Sender
from server.persistence.collaboration import NewSession
from server.persistence.opening import Opening
from server.persistence.types import Connection

LESSON = SessionName("lesson")
NEW = NewSession(LESSON, title="Lesson one", permissions=Permissions("viewer", "none"))


async def singly(connection: Connection) -> Opening:
    """The lesson, read by one statement for each of its parts."""
    details = await collaboration.read(connection, LESSON)
    stored = await documents.load(connection, LESSON)
    return Opening(details, stored, await chat.last_revision(connection, details.id))


async def test_a_session_with_all_it_can_have(connection: Connection) -> None:
    """Roles, a snapshot, the journal behind it and chat; and another session is none of it."""
    await collaboration.create(connection, NewSession(SessionName("other")), "bob", b"other")
    made = await collaboration.create(connection, NEW, "ann", b"seed")
    assert await opening.open_for_join(connection, LESSON, create=False) == Opening(
        made, await documents.load(connection, LESSON), 0
    )
    await collaboration.set_role(connection, made.id, "eve", "teacher")
    await documents.save_snapshot(connection, made.id, Seq(1), b"snapshot", timedelta(days=1))
    await connection.execute("update documents set last_seq = 2 where id = $1", made.id)
    await connection.execute(collaboration.SEED.replace(", 1,", ", 2,"), made.id, b"two")
    await chat.commit(connection, [Send(made.id, Sender("ann", "Ann"), "key", "hello", None, ())])
    opened = await opening.open_for_join(connection, LESSON, create=False)
    assert opened == await singly(connection)
    assert opened.details.roles == {"eve": "teacher"}
    assert opened.stored.parts == [b"snapshot", b"two"]
    assert opened.chat_revision == 1


async def test_what_is_not_there_is_made_if_it_may_be(connection: Connection) -> None:
    """And is refused otherwise, also for ever once it was deleted."""
    with pytest.raises(NotFound):
        await opening.open_for_join(connection, LESSON, create=False)
    made = await opening.open_for_join(connection, LESSON, create=True)
    assert made == await singly(connection)
    assert made.stored.parts == []
    await collaboration.delete(connection, LESSON)
    with pytest.raises(Gone):
        await opening.open_for_join(connection, LESSON, create=True)


async def test_a_gap_in_the_journal(connection: Connection) -> None:
    """Is no document at all."""
    await collaboration.create(connection, NEW, "ann", b"seed")
    await connection.execute("update documents set last_seq = 2")
    with pytest.raises(DocumentDamaged):
        await opening.open_for_join(connection, LESSON, create=True)
