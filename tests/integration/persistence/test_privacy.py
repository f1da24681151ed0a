"""People get everything that is kept of them, nothing of others, and can be removed for good."""

import json
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from server.domain.envelope import Keyring
from server.errors import MissingKey, NotFound, Undecipherable
from server.persistence import people, privacy
from server.persistence.database import Database
from server.persistence.people import Person
from server.persistence.personal import EXCLUDED, PERSONAL
from server.persistence.types import Connection
from tests.support.people import ring
from tests.support.traces import come, everything, leave_traces, mark, said, where

KEYS = ring(1)
NAMES = ("subject", "owner", "author", "who", "user_id", "actor", "deleted_by")

NAMING = """
select relname::text, attname::text
from pg_attribute
join pg_class on pg_class.oid = attrelid
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm') and not relispartition
    and attnum > 0 and not attisdropped
    and (
        attname = any($1::text[])
        or attname like '%\\_by'
        or exists (
            select from pg_constraint
            where contype = 'f' and confrelid = 'users'::regclass and conrelid = attrelid
                and attnum = any(conkey)
        )
    )
"""

Two = tuple[Person, Person]


@pytest_asyncio.fixture
async def two(connection: Connection) -> Two:
    """Ann and Ben, who have left traces everywhere."""
    ann, ben = await come(connection, KEYS, "ann"), await come(connection, KEYS, "ben")
    await leave_traces(connection, "ann", ann, ben)
    await leave_traces(connection, "ben", ben, ann)
    await privacy.renew_ranking(connection)
    return ann, ben


async def exported(
    connection: Connection, called: str, keys: Keyring | None = KEYS
) -> dict[str, list[Any]]:
    """What somebody gets, by table."""
    tables: dict[str, list[Any]] = {}
    whom = await privacy.find(connection, called, keys)
    async for table, row in privacy.export(connection, whom, keys):
        tables.setdefault(table, []).append(json.loads(row))
    return tables


async def test_the_map_knows_every_column_that_names_a_person(connection: Connection) -> None:
    """A table that is new in the schema is in it, or left out for a reason."""
    mapped = {table.table: set(table.names) for table in PERSONAL}
    found: dict[str, set[str]] = {}
    for table, column in await connection.fetch(NAMING, list(NAMES)):
        found.setdefault(table, set()).add(column)
    unknown = {
        table: columns - mapped.get(table, set())
        for table, columns in found.items()
        if table not in EXCLUDED and columns - mapped.get(table, set())
    }
    assert unknown == {}
    assert found.keys() >= EXCLUDED.keys()
    for table, columns in mapped.items():
        await connection.execute(f"select {', '.join(columns)} from {table} limit 0")
    assert [table.table for table in PERSONAL if not (table.erase or table.stays)] == []


async def test_an_export(connection: Connection, two: Two) -> None:
    """Each row of the person, with what is encrypted in plain; nothing of the other, and no key."""
    ann, _ = two
    tables = await exported(connection, ann.subject)
    belonging = [table.table for table in PERSONAL if table.belongs is not None]
    assert {table: len(rows) for table, rows in tables.items()} == dict.fromkeys(belonging, 1)
    assert tables["users"][0]["email"] == "mark-ann@school.example"
    assert tables["user_secrets"][0]["value"] == "mark-ann Street 1"
    assert tables["chat_messages"][0]["body"] == said("ann")
    text = json.dumps(tables)
    assert "ben" not in text
    for column in ("wrapped", "token_hash", "secret", "email_blind"):
        assert f'"{column}"' not in text
    kept = where(await everything(connection), mark("ann"))
    given = where({table: [json.dumps(rows)] for table, rows in tables.items()}, mark("ann"))
    assert kept.keys() - given.keys() == {"mv_user_leaderboard", "webhook_deliveries"}


async def test_the_ways_to_call_a_person(connection: Connection, two: Two) -> None:
    """Subject, public id, e-mail address; who is not known is not found."""
    ann, _ = two
    tables = await exported(connection, ann.subject)
    for called in (str(ann.public_id).upper(), "MARK-ANN@school.example"):
        assert await exported(connection, called) == tables
    for called, keys in (("nobody@school.example", KEYS), ("mark-ann@school.example", None)):
        with pytest.raises(NotFound, match="Nothing is kept of a person"):
            await privacy.find(connection, called, keys)
    with pytest.raises(MissingKey, match="set LYCEUM_KEYS_FILE"):
        await exported(connection, ann.subject, None)


async def test_somebody_known_to_the_live_server_only(connection: Connection) -> None:
    """Has an export too, and can be removed."""
    await connection.execute(
        "insert into webhooks (owner, url, secret, sessions, events)"
        " values ('stray', 'https://stray.example', 'whsec_x', '*', '{chat.message}')"
    )
    assert list(await exported(connection, "stray", None)) == ["webhooks"]
    await privacy.erase(connection, await privacy.find(connection, "stray"))
    assert where(await everything(connection), "stray") == {"revocations": 1}


async def test_a_dry_run(connection: Connection, two: Two) -> None:
    """Counts rows of every table that an erasure is about, and changes nothing."""
    ann, _ = two
    before = await everything(connection)
    whom = await privacy.find(connection, ann.subject)
    counts = (await privacy.erase(connection, whom, dry=True)).rows
    assert counts.keys() == {table.table for table in PERSONAL if table.erase}
    assert counts["webhook_deliveries"] == 2  # on their way to Ben; others go with her webhook
    assert await everything(connection) == before
    assert (await privacy.erase(connection, whom)).rows == counts


async def test_an_erasure(connection: Connection, two: Two) -> None:
    """Nothing personal is left in any column of any table, and what was said is; the other has
    lost nothing."""
    ann, ben = two
    bens = await exported(connection, ben.subject)
    sealed = await connection.fetchrow(
        "select wrapped, email, value from users, user_keys k, user_secrets s"
        " where id = $1 and k.user_id = id and s.user_id = id",
        ann.id,
    )
    await privacy.erase(connection, await privacy.find(connection, ann.subject))
    await privacy.renew_ranking(connection)

    rows = await everything(connection)
    assert where(rows, mark("ann")) == {"revocations": 1}
    stays = {"chat_messages", "collaboration_sessions", "documents"}
    stays |= {"posts", "comments", "courses", "content_versions", "audit_log"}
    stays.add("search_changes")  # words of those, without whose they are, until they are counted
    assert where(rows, said("ann")).keys() == stays
    assert await exported(connection, ben.subject) == bens
    state = "select status, email, xp, username like 'erased-%' from users where id = $1"
    assert tuple(await connection.fetchrow(state, ann.id)) == ("DELETED", None, 0, True)
    # Who kept ciphertexts, and has all keys and the whole database, still reads nothing.
    assert sealed is not None
    for ciphertext in sealed:
        assert where(rows, ciphertext.hex()) == {}
    left = await people.data_key(connection, KEYS, ben.id)
    for place, ciphertext in (
        (people.email_place(ann.id), sealed["email"]),
        (people.secret_place(ann.id, "address"), sealed["value"]),
    ):
        with pytest.raises(Undecipherable):
            left.open(place, ciphertext)


async def test_an_erasure_again(connection: Connection, two: Two) -> None:
    """By public id or subject, it finds nothing to remove; an export shows an empty person."""
    ann, _ = two
    await privacy.erase(connection, await privacy.find(connection, ann.subject))
    before = await everything(connection)
    for called in (str(ann.public_id), ann.subject):
        again = await privacy.erase(connection, await privacy.find(connection, called))
        assert again.rows == {}
    after = await everything(connection)
    assert {table for table in after if after[table] != before[table]} <= {
        "revocations",
        "audit_log",
    }
    gone = (await exported(connection, str(ann.public_id), None))["users"][0]
    assert (gone["status"], gone["email"]) == ("DELETED", None)


async def test_what_servers_wrote_meanwhile(connection: Connection, two: Two) -> None:
    """Is taken by a sweep, under the same pseudonym."""
    ann, ben = two
    erased = await privacy.erase(connection, await privacy.find(connection, ann.subject))
    session = await connection.fetchval("select id from documents where name = $1", said("ann"))
    await connection.execute(
        "insert into session_participants (session_id, user_id) values ($1, $2)",
        session,
        ann.subject,
    )
    await connection.execute(
        "insert into session_activity (at, session_id, participant, user_id, kind)"
        " values (now(), $1, gen_random_uuid(), $2, 'leave')",
        session,
        ann.subject,
    )
    counts = await privacy.sweep(connection, ann.subject, erased.pseudonym)
    assert counts.keys() == {"session_activity"}  # who was there is there already
    assert where(await everything(connection), ann.subject) == {"revocations": 1}
    there = "select user_id from session_participants where session_id = $1"
    assert await connection.fetchval(there, session) == erased.pseudonym
    assert await privacy.find(connection, ben.subject)


async def test_who_was_erased_may_come_again(connection: Connection, two: Two) -> None:
    """Under the same subject, name and address, as somebody new."""
    ann, _ = two
    await privacy.erase(connection, await privacy.find(connection, ann.subject))
    again = await come(connection, KEYS, "ann")
    assert again.id != ann.id
    assert await people.find_by_email(connection, KEYS, "mark-ann@school.example") == again


async def test_an_erasure_that_fails_changes_nothing(
    connection: Connection, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens whole or not at all."""
    ann, _ = two
    before = await everything(connection)
    broken = PERSONAL[-1]._replace(erase=("update users set subject = null where id = $1",))
    monkeypatch.setattr(privacy, "PERSONAL", (*PERSONAL[:-1], broken))
    whom = await privacy.find(connection, ann.subject)
    with pytest.raises(asyncpg.NotNullViolationError):
        await privacy.erase(connection, whom)
    assert await everything(connection) == before


async def test_who_else_uses_the_database(database: Database, connection: Connection) -> None:
    """A server is noticed, other programs don't count."""
    async with database.acquire() as ours:
        assert not await privacy.is_served(ours)
        assert await privacy.is_served(connection)
