"""Sessions in the database: made once, changed by version, deleted for good."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from server.domain.details import Permissions
from server.errors import Conflict, Gone, NotFound
from server.ids import SessionName
from server.persistence import collaboration, documents
from server.persistence.collaboration import Changes, NewSession, PermissionsChange, VersionMismatch
from server.persistence.database import Database
from server.persistence.types import Connection

LESSON = SessionName("lesson")
EVERYTHING = NewSession(
    LESSON,
    title="Lesson one",
    type="prose",
    language="solidity",
    starting_code="contract C {}",
    permissions=Permissions("viewer", "none"),
    capacity=3,
    expires_at=datetime(2100, 1, 1, tzinfo=UTC),
)


async def test_a_session_is_read_as_it_was_created(connection: Connection) -> None:
    """All fields come back, and the seed is the first row of the journal."""
    made = await collaboration.create(connection, EVERYTHING, "ann", b"seed")
    assert made == await collaboration.read(connection, LESSON)
    assert (made.title, made.type, made.language) == ("Lesson one", "prose", "solidity")
    assert (made.owner, made.capacity, made.version) == ("ann", 3, 1)
    assert made.permissions == EVERYTHING.permissions
    assert made.expires_at == EVERYTHING.expires_at
    stored = await documents.load(connection, LESSON)
    assert (stored.document_id, stored.seq, stored.parts) == (made.id, 1, [b"seed"])


async def test_of_many_that_create_one_session_one_does(database: Database) -> None:
    """All others hear of a conflict, also when a join comes between; it is seeded once."""

    async def create(number: int) -> bool:
        async with database.acquire() as connection:
            try:
                await collaboration.create(connection, EVERYTHING, f"user {number}", b"seed")
            except Conflict:
                return False
            return True

    async def join() -> bool:
        async with database.acquire() as connection:
            await collaboration.open_for_join(connection, LESSON, create=True)
            return False

    done = await asyncio.gather(*(create(number) for number in range(8)), join(), join())
    async with database.acquire() as connection:
        stored = await documents.load(connection, LESSON)
        details = await collaboration.read(connection, LESSON)
    created = sum(done)
    assert created in (0, 1)  # none if a join was first
    assert stored.parts == [b"seed"] * created
    assert (details.owner is not None) == bool(created)


async def test_a_join_opens_what_is_there_and_makes_what_is_not(connection: Connection) -> None:
    """Without leave to create, an unknown name is refused and nothing is made."""
    with pytest.raises(NotFound):
        await collaboration.open_for_join(connection, LESSON, create=False)
    assert await connection.fetchval("select count(*) from documents") == 0
    made = await collaboration.open_for_join(connection, LESSON, create=True)
    assert made.owner is None
    assert await collaboration.open_for_join(connection, LESSON, create=False) == made


async def test_a_document_of_an_older_server_gets_its_session(connection: Connection) -> None:
    """A document without a session beside it is joined like any other."""
    document_id = await connection.fetchval(
        "insert into documents (name) values ('lesson') returning id"
    )
    details = await collaboration.open_for_join(connection, LESSON, create=False)
    assert (details.id, details.status) == (document_id, "ACTIVE")


async def test_changes_raise_the_version_and_leave_the_rest(connection: Connection) -> None:
    """What is not mentioned stays; a change meant for another version is refused."""
    made = await collaboration.create(connection, EVERYTHING, "ann", None)
    changed = await collaboration.change(connection, LESSON, Changes(title="Two"), made.version)
    assert (changed.title, changed.version) == ("Two", 2)
    assert changed.permissions == made.permissions
    assert changed.expires_at == made.expires_at
    with pytest.raises(VersionMismatch):
        await collaboration.change(connection, LESSON, Changes(title="Three"), made.version)
    lifted = await collaboration.change(connection, LESSON, Changes(capacity=None, expires_at=None))
    assert (lifted.title, lifted.capacity, lifted.expires_at) == ("Two", None, None)


async def test_an_expired_session_goes_on_once_its_end_is_put_off(connection: Connection) -> None:
    """What is over is marked so, and is active again with a new end; others are left alone."""
    over = NewSession(SessionName("over"), expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await collaboration.create(connection, over, None, None)
    await collaboration.create(connection, EVERYTHING, None, None)
    await collaboration.expire_due(connection)
    expired = await collaboration.read(connection, over.name)
    assert (expired.status, expired.version) == ("EXPIRED", 2)
    assert (await collaboration.read(connection, LESSON)).status == "ACTIVE"
    renamed = await collaboration.change(connection, over.name, Changes(title="Still over"))
    assert renamed.status == "EXPIRED"
    with pytest.raises(Conflict):
        await collaboration.change(connection, over.name, Changes(status="ACTIVE"))
    renewed = await collaboration.change(connection, over.name, Changes(expires_at=None))
    assert renewed.status == "ACTIVE"


async def test_permissions_change_one_by_one(connection: Connection) -> None:
    """What guests may is changed without opening the session to everyone, and the other way."""
    await collaboration.create(connection, EVERYTHING, "ann", None)
    changes = Changes(permissions=PermissionsChange(guests="editor"))
    changed = await collaboration.change(connection, LESSON, changes)
    assert changed.permissions == Permissions("viewer", "editor")
    changes = Changes(permissions=PermissionsChange(everyone="none"))
    changed = await collaboration.change(connection, LESSON, changes)
    assert changed.permissions == Permissions("none", "editor")


async def test_what_was_deleted_stays_deleted(connection: Connection) -> None:
    """Document, journal and participants are gone; joins are refused until it is created anew."""
    made = await collaboration.create(connection, EVERYTHING, "ann", b"seed")
    await collaboration.set_role(connection, made.id, "bob", "viewer")
    with pytest.raises(VersionMismatch):
        await collaboration.delete(connection, LESSON, made.version)
    await collaboration.delete(connection, LESSON, made.version + 1)
    for table in ("documents", "document_updates", "session_participants"):
        assert await connection.fetchval(f"select count(*) from {table}") == 0
    for _ in range(2):
        with pytest.raises(Gone):
            await collaboration.open_for_join(connection, LESSON, create=True)
        with pytest.raises(Gone):
            await collaboration.delete(connection, LESSON)
        with pytest.raises(Gone):
            await collaboration.delete(connection, LESSON, made.version)
    with pytest.raises(NotFound):
        await collaboration.delete(connection, SessionName("never was"))
    await collaboration.create(connection, EVERYTHING, "ann", None)
    assert (await collaboration.open_for_join(connection, LESSON, create=False)).owner == "ann"


async def test_roles_of_ones_own(connection: Connection) -> None:
    """They are part of the session, raise its version, and can be taken back."""
    made = await collaboration.create(connection, EVERYTHING, "ann", None)
    await collaboration.set_role(connection, made.id, "bob", "viewer")
    await collaboration.set_role(connection, made.id, "cid", "none")
    details = await collaboration.read(connection, LESSON)
    assert (details.roles, details.version) == ({"bob": "viewer", "cid": "none"}, 3)
    await collaboration.set_role(connection, made.id, "bob", None)
    assert (await collaboration.read(connection, LESSON)).roles == {"cid": "none"}
    rows = await collaboration.participants(connection, made.id, "", 10)
    assert [(row.user, row.role) for row in rows] == [("bob", None), ("cid", "none")]
    (behind,) = await collaboration.participants(connection, made.id, "bob", 10)
    assert behind.user == "cid"


async def test_my_sessions(connection: Connection) -> None:
    """Those that somebody owns or takes part in, newest first; who was removed has no part."""
    for number in range(6):
        new = NewSession(SessionName(f"s{number}"))
        made = await collaboration.create(connection, new, "ann" if number % 2 else None, None)
        if number in (0, 2):
            await collaboration.set_role(connection, made.id, "ann", "editor" if number else "none")
    last = 2**62
    found = []
    while page := await collaboration.mine(connection, "ann", last, ["ACTIVE"], 2):
        found += page
        last = page[-1].id
    assert [details.name for details in found] == ["s5", "s3", "s2", "s1"]
    assert [details.roles for details in found] == [{}, {}, {"ann": "editor"}, {}]
    assert await collaboration.mine(connection, "ann", 2**62, ["ARCHIVED"], 9) == []


async def test_recent_changes_are_seen_with_their_version(connection: Connection) -> None:
    """A server looks for them; what only was created is none."""
    made = await collaboration.create(connection, EVERYTHING, "ann", None)
    assert await collaboration.recent(connection) == []
    await collaboration.set_role(connection, made.id, "bob", "viewer")
    assert await collaboration.recent(connection) == [(LESSON, 2)]
    await collaboration.delete(connection, LESSON)
    assert await collaboration.recent(connection) == [(LESSON, None)]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'OPEN'", "collaboration_sessions_status_check"),
        ("status = 'EXPIRED'", "collaboration_sessions_expired_has_expiry"),
        ("capacity = 0", "collaboration_sessions_capacity_check"),
        ("type = 'x'", "collaboration_sessions_type_check"),
        ("permissions = '[]'", "collaboration_sessions_permissions_check"),
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    connection: Connection, change: str, constraint: str
) -> None:
    """Whoever writes SQL by hand is stopped by a constraint that says why in its name."""
    await collaboration.create(connection, NewSession(LESSON), None, None)
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await connection.execute(f"update collaboration_sessions set {change}")
