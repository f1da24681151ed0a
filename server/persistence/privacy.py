"""Gives out everything of a person, and removes the person; `personal` says what that is where.

Erasing is one transaction: it happens whole or not at all. It drops the person's data key, so that
ciphertexts are lost also where copies of them lie, and ends live sockets by revoking the tokens.
What a running server still holds of the person it writes within moments; erasing again takes that
too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

import msgspec

from server.domain.envelope import DataKey, Keyring
from server.errors import MissingKey, NotFound
from server.ids import UserId
from server.persistence import people, revocations
from server.persistence.database import SEE_ALL, unfiltered
from server.persistence.personal import PERSONAL, USERS, Personal
from server.persistence.school.leaderboard import refresh_leaderboard
from server.persistence.types import Connection

LONG = 3600.0  # seconds that one statement may take: some look through whole tables
NO_TIMEOUT = "set local statement_timeout = 0"


class Whom(NamedTuple):
    """A person. id, public_id: None for one who is known to the live server only."""

    subject: str
    id: UserId | None = None
    public_id: UUID | None = None
    status: str | None = None

    @property
    def erased(self) -> bool:
        """Whether it was erased before."""
        return self.status == "DELETED"


FIND = """
select subject, id, public_id, status
from users
where subject = $1 or public_id = $2
order by subject <> $1
limit 1
"""


async def find(connection: Connection, called: str, ring: Keyring | None = None) -> Whom:
    """Who is called so: by subject or public id, and with keys by e-mail address.

    Raises NotFound if nothing is kept of such a person.
    """
    async with unfiltered(connection):
        row = await connection.fetchrow(FIND, called, _public_id(called))
        if row is not None:
            return Whom(*row)
        if ring is not None and "@" in called:
            person = await people.find_by_email(connection, ring, called)
            if person is not None:
                return Whom(person.subject, person.id, person.public_id, person.status)
        if await _is_known(connection, called):
            return Whom(called)
    raise NotFound(f"Nothing is kept of a person {called!r}.")


def _public_id(called: str) -> UUID | None:
    try:
        return UUID(called)
    except ValueError:
        return None


async def _is_known(connection: Connection, subject: str) -> bool:
    """Whether the live server's tables hold anything of somebody."""
    for table in PERSONAL:
        if table.by == "subject" and table.belongs is not None:
            sql = f"select exists (select from {table.table} where {table.belongs})"  # noqa: S608
            if await connection.fetchval(sql, subject, timeout=LONG):
                return True
    return False


async def export(
    connection: Connection, whom: Whom, ring: Keyring | None
) -> AsyncIterator[tuple[str, str]]:
    """All rows of a person, as of one moment: the table's name, and one JSON object.

    ring: for what is encrypted; raises MissingKey if something is and no keys are given.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(SEE_ALL)
        await connection.execute(NO_TIMEOUT)
        key = await _key(connection, whom, ring)
        for table in (USERS, *(table for table in PERSONAL if table is not USERS)):
            who = whom.subject if table.by == "subject" else whom.id
            if table.belongs is None or who is None:
                continue
            async for (row,) in connection.cursor(export_statement(table), who, timeout=LONG):
                yield table.table, _opened(table, row, key)


def export_statement(table: Personal) -> str:
    """The rows of a person in a table, as JSON."""
    columns = ", ".join(f"'{column}'" for column in table.left_out)
    kept = f"({table.row}) - array[{columns}]::text[]"
    return f"select {kept} from {table.table} t where {table.belongs}"  # noqa: S608


async def _key(connection: Connection, whom: Whom, ring: Keyring | None) -> DataKey | None:
    if whom.id is None or whom.erased or ring is None:
        return None
    return await people.data_key(connection, ring, whom.id)


SEALED = {"users": "email", "user_secrets": "value"}


def _opened(table: Personal, row: str, key: DataKey | None) -> str:
    """A row in which what is encrypted stands as it was written."""
    column = SEALED.get(table.table)
    if column is None:
        return row
    fields: dict[str, Any] = msgspec.json.decode(row)
    if fields[column] is not None:
        if key is None:
            raise MissingKey("This is encrypted, and no keys are given; set LYCEUM_KEYS_FILE.")
        where = (
            people.email_place(fields["id"])
            if table.table == "users"
            else people.secret_place(fields["user_id"], fields["kind"])
        )
        ciphertext = bytes.fromhex(fields[column].removeprefix("\\x"))
        fields[column] = key.open(where, ciphertext).decode()
    return msgspec.json.encode(fields).decode()


class Erased(NamedTuple):
    """What an erasure came to.

    pseudonym: what stands for the person where something stays. rows: how many were removed or
    changed, by table.
    """

    pseudonym: str
    rows: dict[str, int]


LOCK = "select from users where id = $1 for update"


async def erase(connection: Connection, whom: Whom, dry: bool = False) -> Erased:
    """Remove a person, or what came of it since it was. dry: only count what that would change."""
    async with _transaction(connection, dry):
        return await _erase(connection, whom)


async def _erase(connection: Connection, whom: Whom) -> Erased:
    pseudonym = f"erased-{uuid4().hex}"
    rows: dict[str, int] = {}
    if not whom.erased:
        await revocations.revoke_user(connection, whom.subject)
        rows = await _remove(connection, "subject", whom.subject, pseudonym)
    if whom.id is not None:
        await connection.execute(LOCK, whom.id)
        rows |= await _remove(connection, "id", whom.id, pseudonym)
    return Erased(pseudonym, rows)


async def sweep(connection: Connection, subject: str, pseudonym: str) -> dict[str, int]:
    """Remove what running servers wrote of a person after it was erased; counts rows by table."""
    async with _transaction(connection):
        return await _remove(connection, "subject", subject, pseudonym)


@asynccontextmanager
async def _transaction(connection: Connection, dry: bool = False) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(SEE_ALL)
        await connection.execute(NO_TIMEOUT)
        yield
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry else transaction.commit())


async def _remove(
    connection: Connection, by: Literal["id", "subject"], who: str | int, pseudonym: str
) -> dict[str, int]:
    rows: dict[str, int] = {}
    for table in PERSONAL:
        for statement in table.erase if table.by == by else ():
            given = (who, pseudonym) if "$2" in statement else (who,)
            status = await connection.execute(statement, *given, timeout=LONG)
            count = int(status.rpartition(" ")[2])
            if count:
                rows[table.table] = rows.get(table.table, 0) + count
    return rows


async def renew_ranking(connection: Connection) -> None:
    """Make anew what is made of users, so that an erased person's name leaves it."""
    await refresh_leaderboard(connection)


OTHERS = """
select exists (
    select from pg_stat_activity
    where application_name = 'lyceum' and datname = current_database()
        and pid <> pg_backend_pid()
)
"""


async def is_served(connection: Connection) -> bool:
    """Whether somebody else of ours uses the database: a server, as a rule."""
    served: bool = await connection.fetchval(OTHERS)
    return served
