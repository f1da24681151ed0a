"""Two people who have a row each in every table of people's rows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg

from server.persistence.types import Connection
from tests.schema.rows import RIGHT, insert

PERSONAL = """
select relname::text
from pg_class
where relnamespace = 'public'::regnamespace and relrowsecurity and not relispartition
order by 1
"""
# By which column a row is somebody's, where it isn't user_id.
COLUMNS = {
    "users": "id",
    "posts": "author_id",
    "comments": "author_id",
    "collaboration_sessions": "owner",
    "chat_keys": "author",
    "document_versions": "author",
    "webhooks": "owner",
}


class Person(NamedTuple):
    """Somebody: the id of users, and what tokens call them."""

    id: int
    subject: str

    def value(self, table: str) -> Any:
        """What the table's column of people holds for them."""
        return self.subject if table in LIVE else self.id


async def session(db: Connection, owner: str | None) -> int:
    """A new collaboration session."""
    id: int = await db.fetchval(
        "insert into documents (name) values (gen_random_uuid()::text) returning id"
    )
    await db.execute(
        "insert into collaboration_sessions (id, name, owner)"
        " select id, name, $2 from documents where id = $1",
        id,
        owner,
    )
    return id


async def live_session(db: Connection, person: Person) -> Any:
    id = await session(db, person.subject)
    return await db.fetchrow("select * from collaboration_sessions where id = $1", id)


async def participant(db: Connection, person: Person) -> Any:
    return await db.fetchrow(
        "insert into session_participants (session_id, user_id) values ($1, $2) returning *",
        await session(db, None),
        person.subject,
    )


async def message(db: Connection, person: Person) -> Any:
    return await db.fetchrow(
        "insert into chat_messages"
        " (session_id, seq, revision, user_id, name, client_message_id, body, sent_at)"
        " values ($1, 1, 1, $2, '', 'm', 'hello', now()) returning *",
        await session(db, None),
        person.subject,
    )


async def key(db: Connection, person: Person) -> Any:
    return await db.fetchrow(
        "insert into chat_keys values ($1, $2, 'm', 1, 1) returning *",
        await session(db, None),
        person.subject,
    )


async def version(db: Connection, person: Person) -> Any:
    return await insert(db, "document_versions", author=person.subject)


async def revocation(db: Connection, person: Person) -> Any:
    return await db.fetchrow(
        "insert into revocations (user_id, issued_before) values ($1, now()) returning *",
        person.subject,
    )


async def webhook(db: Connection, person: Person) -> Any:
    return await db.fetchrow(
        "insert into webhooks (owner, url, secret, sessions, events)"
        " values ($1, 'https://a.example/', 'whsec_x', '*', '{chat.message}') returning *",
        person.subject,
    )


# Tables of the live server, which know people by their subject.
LIVE: dict[str, Callable[[Connection, Person], Awaitable[Any]]] = {
    "collaboration_sessions": live_session,
    "session_participants": participant,
    "chat_messages": message,
    "chat_keys": key,
    "document_versions": version,
    "revocations": revocation,
    "webhooks": webhook,
}

# Tables in which somebody may have a row that nobody puts there.
ONE = ("users", "user_stats", "recommendations_due")


def column_of(table: str) -> str:
    """By which column a row is somebody's."""
    return COLUMNS.get(table, "user_id")


async def person(db: Connection, subject: str) -> Person:
    """Somebody new."""
    row = await insert(db, "users", subject=subject, username=subject)
    return Person(row["id"], subject)


async def add_row(db: Connection, table: str, who: Person) -> asyncpg.Record:
    """A row of theirs; of users the one that they have, and of user_stats once something counts."""
    if table in LIVE:
        return await LIVE[table](db, who)
    if table in ONE:
        row = await db.fetchrow(f"select * from {table} where {column_of(table)} = $1", who.id)
        if row is not None:
            return row
    assert table in RIGHT
    return await insert(db, table, **{column_of(table): who.id})


async def act_as(db: Connection, role: str, setting: str | None = None) -> None:
    """Be a role from here on, with app.current_user_id as it is given."""
    if setting is not None:
        await db.execute("select set_config('app.current_user_id', $1, true)", setting)
    await db.execute(f"set local role {role}")


@asynccontextmanager
async def undone(db: Connection) -> AsyncIterator[None]:
    """What the block does is undone at its end."""
    attempt = db.transaction()
    await attempt.start()
    try:
        yield
    finally:
        await attempt.rollback()


async def denied(db: Connection, role: str, setting: str, statement: str, *values: Any) -> str:
    """The error by which a role may not do something, whoever asks; empty if it may."""
    async with undone(db):
        await act_as(db, role, setting)
        try:
            await db.execute(statement, *values)
        except asyncpg.InsufficientPrivilegeError as error:
            return str(error)
    return ""
