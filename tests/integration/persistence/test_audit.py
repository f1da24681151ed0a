"""Triggers write down what changes in the tables that matter, without what is secret in it."""

import hmac
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from server.persistence.audit import read_row
from server.persistence.database import Database
from server.persistence.partitions import ensure
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.support.audit import UNGUARDED

PERSON = """
insert into users (subject, username, email, email_key_id, email_blind)
values ('subject-of-ann', 'name-of-ann', 'mail-of-ann', 1, decode(repeat('ab', 32), 'hex'))
returning id
"""
KEY = "insert into encryption_keys (id, fingerprint) values (1, decode(repeat('cd', 32), 'hex'))"
LOG = """
select actor, actor_role, login, request_id, table_name, row_key, action, old, new
from audit_log
where table_name = $1
order by id
"""
SESSION = """
with document as (insert into documents (name) values ('lesson') returning id)
insert into collaboration_sessions (id, name, owner, starting_code)
select id, 'lesson', 'subject-of-ann', 'secret code' from document
returning id
"""


async def log_of(connection: Connection, table: str) -> list[dict[str, Any]]:
    """What the log has on a table, with JSON read."""
    rows = [dict(row) for row in await connection.fetch(LOG, table)]
    for row in rows:
        for name in ("row_key", "old", "new"):
            row[name] = row[name] and json.loads(row[name])
    return rows


async def add_person(connection: Connection) -> int:
    """Somebody with an address."""
    await connection.execute(KEY)
    person: int = await connection.fetchval(PERSON)
    return person


async def test_a_row_from_its_beginning_to_its_end(connection: Connection) -> None:
    """Made, changed and deleted: who, on whose behalf, what was before and what came of it."""
    person = await add_person(connection)
    async with connection.transaction():
        await connection.execute(
            "set local app.current_user_id = '77'; set local app.request_id = 'r1'"
        )
        await connection.execute("update users set role = 'ADMIN' where id = $1", person)
    await connection.execute("delete from users where id = $1", person)
    made, changed, deleted = await log_of(connection, "users")
    assert [row["action"] for row in (made, changed, deleted)] == ["INSERT", "UPDATE", "DELETE"]
    assert made["row_key"] == changed["row_key"] == deleted["row_key"] == {"id": person}
    assert (made["actor"], made["request_id"], made["old"]) == (None, None, None)
    assert (changed["actor"], changed["request_id"]) == (77, "r1")
    assert (changed["old"]["role"], changed["new"]["role"]) == ("STUDENT", "ADMIN")
    assert changed["old"] == made["new"]
    assert deleted["old"] == changed["new"]
    assert deleted["new"] is None
    user = await connection.fetchval("select session_user")
    assert all(row["login"] == row["actor_role"] == user for row in (made, changed, deleted))


async def test_a_broken_setting_is_nobody(connection: Connection) -> None:
    """A change goes through whatever the application claims to be."""
    add = "insert into revocations (token_id) values ($1)"
    for setting in ("", "ann", "1; drop table users", "9" * 30, "-1"):
        await connection.execute("select set_config('app.current_user_id', $1, false)", setting)
        await connection.execute(add, setting)
    assert [row["actor"] for row in await log_of(connection, "revocations")] == [None] * 5


async def test_the_acting_role_is_told(connection: Connection) -> None:
    """The one that was taken on, beside the one that logged in; it can't read or write the log."""
    role = await connection.fetchval("select 'audit_test_' || current_database()")
    await connection.execute(
        f"create role {role}; grant usage on schema public to {role};"
        f" grant insert on encryption_keys to {role}"
    )
    login = await connection.fetchval("select session_user")
    try:
        await connection.execute(f"set role {role}")
        await connection.execute(KEY)
        for forbidden in (
            "select from audit_log",
            "insert into audit_seals (number) values (1)",
            "select from audit_key",
            "select audit_hash('subject', 'ann')",
            "select nextval('audit_log_id_seq')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
    finally:
        await connection.execute(f"reset role; drop owned by {role}; drop role {role}")
    (row,) = await log_of(connection, "encryption_keys")
    assert (row["actor_role"], row["login"]) == (role, login)


async def test_nobody_chooses_what_names_mean(connection: Connection) -> None:
    """Tables of one's own before ours in the search path catch nothing; times are in UTC."""
    await connection.execute(
        "create temp table audit_log (like public.audit_log); create temp table audit_key (a int);"
        " set search_path = pg_temp, public; set timezone = 'Asia/Kolkata'"
    )
    await add_person(connection)
    (row,) = await connection.fetch("select new from public.audit_log where table_name = 'users'")
    assert json.loads(row["new"])["created_at"].endswith("+00:00")
    assert await connection.fetchval("select count(*) from pg_temp.audit_log") == 0


async def test_what_was_rolled_back_leaves_nothing(connection: Connection) -> None:
    """The log and what it tells of come together or not at all."""
    transaction = connection.transaction()
    await transaction.start()
    await add_person(connection)
    await transaction.rollback()
    assert await connection.fetchval("select count(*) from audit_log") == 0


async def test_progress_alone_is_no_news(connection: Connection) -> None:
    """What changes all the time is not written down; nor is a change into the same."""
    person = await add_person(connection)
    for change in ("xp = xp + 10, updated_at = now()", "role = role", "last_active_at = now()"):
        await connection.execute(f"update users set {change} where id = $1", person)
    assert len(await log_of(connection, "users")) == 1


async def test_secrets_are_hashed(connection: Connection) -> None:
    """Nothing secret or personal is in the log; its HMAC tells whether it is the same."""
    person = await add_person(connection)
    await connection.execute(
        "insert into user_secrets (user_id, kind, value) values ($1, 'phone', $2)",
        person,
        b"p" * 33,
    )
    session = await connection.fetchval(SESSION)
    await connection.execute(
        "insert into session_participants (session_id, user_id, name, role)"
        " values ($1, 'subject-of-ann', 'name-of-ann', 'teacher')",
        session,
    )
    logged = "\n".join(map(str, await connection.fetch("select * from audit_log")))
    for secret in ("ann", b"ann".hex(), "ab" * 32, "cd" * 32, "70" * 33, "secret code"):
        assert secret not in logged
    pads = await connection.fetchrow("select inner_pad, outer_pad from audit_key")
    assert pads is not None
    key = bytes(byte ^ 0x36 for byte in pads["inner_pad"])
    expected = "hmac:" + hmac.new(key, b"subject\nsubject-of-ann", "sha256").hexdigest()
    assert (await log_of(connection, "users"))[0]["new"]["subject"] == expected
    assert (await log_of(connection, "collaboration_sessions"))[0]["new"]["owner"] == expected
    (participant,) = await log_of(connection, "session_participants")
    assert participant["row_key"] == {"session_id": session, "user_id": expected}
    found = await connection.fetchval("select audit_hash('subject', 'subject-of-ann')")
    assert found == expected


async def test_only_roles_of_participants_matter(connection: Connection) -> None:
    """Who comes and goes is not written down, who gets or loses a role is."""
    session = await connection.fetchval(SESSION)
    add = "insert into session_participants (session_id, user_id, role) values ($1, $2, $3)"
    await connection.execute(add, session, "bob", None)
    await connection.execute(add, session, "cleo", "viewer")
    await connection.execute("update session_participants set name = 'B'")
    await connection.execute("update session_participants set role = 'editor'")
    await connection.execute("delete from documents")
    rows = await log_of(connection, "session_participants")
    actions = [row["action"] for row in rows]
    assert actions == ["INSERT", "UPDATE", "UPDATE", "DELETE", "DELETE"]
    assert [row["action"] for row in await log_of(connection, "collaboration_sessions")] == [
        "INSERT",
        "DELETE",
    ]


async def test_emptying_a_table_is_written_down(connection: Connection) -> None:
    """As one row for each table."""
    await connection.execute("truncate role_grants, session_participants")
    for table in ("role_grants", "session_participants"):
        (row,) = await log_of(connection, table)
        assert (row["action"], row["row_key"], row["old"], row["new"]) == (
            "TRUNCATE",
            None,
            None,
            None,
        )


MODERATE = "update posts set status = 'HIDDEN', moderated_at = now() where id = $1"


async def test_only_decisions_of_moderators_matter(connection: Connection) -> None:
    """What people write and change themselves is theirs; what it was is not written down."""
    post = await insert(connection, "posts", title="Gas", body="Why so much?")
    await connection.execute("update posts set body = 'Never mind', score = 1, comments = 2")
    await connection.execute(MODERATE, post["id"])
    (row,) = await log_of(connection, "posts")
    assert (row["old"]["status"], row["new"]["status"]) == ("VISIBLE", "HIDDEN")
    assert row["new"]["body"].startswith("hmac:")
    assert "search_vector" not in row["new"]


async def test_the_log_only_grows(connection: Connection) -> None:
    """Its rows and seals can't be changed, deleted or emptied, by their owner neither."""
    await connection.execute(KEY)
    part = await connection.fetchval("select tableoid::regclass::text from audit_log")
    await connection.execute(
        "insert into audit_seals values (1, '{[1,2)}', 1, 1, sha256('r'), sha256('p'), now(), 'k',"
        " sha256('s') || sha256('s'), sha256('l'))"
    )
    for statement in (
        "update audit_log set action = 'DELETE'",
        "delete from audit_log",
        "truncate audit_log",
        f"update {part} set action = 'DELETE'",
        f"delete from {part}",
        "update audit_seals set key_id = ''",
        "delete from audit_seals",
        "truncate audit_seals",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="stay as they are"):
            await connection.execute(statement)


HIDES = """
select tgrelid::regclass::text as table, tgname, encode(tgargs, 'escape') as arguments,
    array(
        select attname::text
        from pg_attribute
        where attrelid = tgrelid and attnum > 0 and not attisdropped
    ) as columns,
    array(
        select attname::text
        from pg_attribute
        where attrelid = tgrelid and atttypid = 'bytea'::regtype
    ) as bytes,
    array(
        select attname::text from pg_attribute where attrelid = tgrelid and attnum = any(tgattr)
    ) as watched
from pg_trigger
where tgfoid = 'audit_row'::regproc and tgnargs > 0
"""


async def test_triggers_name_columns_that_there_are(connection: Connection) -> None:
    """A name with a slip would hide nothing, a new column would be passed over; and no bytes are
    ever written down as they are."""
    triggers = await connection.fetch(HIDES)
    assert len({trigger["table"] for trigger in triggers}) >= 11
    for trigger in triggers:
        arguments = trigger["arguments"].split("\\000")[:3]
        key, hidden, ignored = (argument.split() for argument in arguments)
        names = [entry.split("=")[0] for entry in hidden]
        assert set(key + names + ignored) <= set(trigger["columns"]), trigger["tgname"]
        assert set(trigger["bytes"]) <= set(names), trigger["tgname"]
        if trigger["watched"]:
            assert {*trigger["watched"], *ignored} == set(trigger["columns"]), trigger["tgname"]


TRICKY = """
insert into audit_log values (
    1, '2026-11-26 01:02:03.000004+00', '9', null, 'r', 'l', null, 't', '{"id": 1}', 'UPDATE',
    '{"b": 1.10, "aa": 1e30, "a": [true, null, 0.0]}',
    '{"ü": "é😀\\u2028 \\"q\\" \\\\ \\n\\t\\u0001\\u007f", "": {}}'
)
"""
PRINTED = (
    '{"a": [true, null, 0.0], "b": 1.10, "aa": 1000000000000000000000000000000}',
    '{"": {}, "ü": "é😀\u2028 \\"q\\" \\\\ \\n\\t\\u0001\x7f"}',
)


async def test_the_text_of_a_row_is_the_same_everywhere(connection: Connection) -> None:
    """In each version of Postgres, for each setting of a connection, and in a restored copy."""
    await ensure(connection, 0, ("audit_log",), datetime(2026, 11, 26, tzinfo=UTC))
    await connection.execute(TRICKY)
    row = await read_row(connection, 1)
    assert row is not None
    assert (row.old, row.new) == PRINTED
    assert row.at == 1_795_654_923_000_004
    copied = BytesIO()
    await connection.copy_from_query("select * from audit_log", output=copied)
    await connection.execute("set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY'")
    assert await read_row(connection, 1) == row
    await connection.execute(UNGUARDED + "delete from audit_log; reset datestyle")
    await connection.copy_to_table("audit_log", source=BytesIO(copied.getvalue()))
    assert await read_row(connection, 1) == row


async def test_a_transaction_for_somebody(database: Database) -> None:
    """Changes in it are theirs in the log if they are one of users, else nobody's; an error undoes
    them, and the next who gets the connection is nobody."""
    async with database.acquire() as connection:
        ann = await connection.fetchval(
            "insert into users (subject, username) values ('ann', 'ann') returning id"
        )
    for subject in (None, "unknown", "ann"):
        async with database.acting_for(subject) as connection:
            await connection.execute("update users set role = 'INSTRUCTOR' where id = $1", ann)
            await connection.execute("update users set role = 'STUDENT' where id = $1", ann)

    async def fail() -> None:
        async with database.acting_for("ann") as connection:
            await connection.execute("update users set role = 'ADMIN' where id = $1", ann)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.acquire() as connection:
        await connection.execute("update users set role = 'MODERATOR' where id = $1", ann)
        actors = await connection.fetch(
            "select actor from audit_log where table_name = 'users' and action = 'UPDATE'"
            " order by id"
        )
    assert [row["actor"] for row in actors] == [None, None, None, None, ann, ann, None]
