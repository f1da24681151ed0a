"""Brings the schema forward and back: a step a file, a ledger with checksums.

Many servers may start at once: one takes an advisory lock and migrates, the others wait for it.
What files hold is for `migration_files.py`, how a step runs for `steps.py`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import structlog

from schema import ROLES
from server.errors import DatabaseError
from server.persistence import restore_points, roles, steps
from server.persistence.blockers import Observe
from server.persistence.database import PASSING, describe
from server.persistence.locks import advisory_lock
from server.persistence.migration_files import Migration, in_transaction, read_migrations
from server.persistence.restore_points import RestorePoint
from server.persistence.statements import split
from server.persistence.steps import Step
from server.persistence.types import Connection

__all__ = [
    "Migration",
    "Outcome",
    "Status",
    "migrate",
    "migrate_if_allowed",
    "read_migrations",
    "rollback",
    "status",
]

log = structlog.get_logger()

MINIMUM_VERSION = 15
LOCK_KEY = 7_523_094_288_207_667_809  # "lyceum", any number that nobody else uses
LOCK_POLL = 0.1  # seconds

CREATE_LEDGER = """
create table if not exists schema_migrations (
    version integer,
    name text not null,
    checksum bytea not null,
    applied_at timestamptz not null default now(),
    serves integer,
    constraint schema_migrations_pkey primary key (version)
)
"""
# By its full name it is refused, not overlooked, where the login may not use the schema.
LEDGER_EXISTS = "select to_regclass('public.schema_migrations') is not null"
LEDGER_IS_OLD = """
select not exists (
    select from pg_attribute where attrelid = 'schema_migrations'::regclass and attname = 'serves'
)
"""
RENEW_LEDGER = "alter table schema_migrations add column if not exists serves integer"
# By way of JSON, as a ledger of long ago lacks the last column.
APPLIED = """
select version, name, checksum, (to_jsonb(entry) ->> 'serves')::integer
from schema_migrations entry
order by version
"""
RECORD = (
    "insert into schema_migrations (version, name, checksum, serves)"
    " values ({version}, '{name}', '\\x{checksum}', {serves})"
)
FORGET = "delete from schema_migrations where version = {version}"
LOGIN = "select session_user"
SERVER_VERSION = "select current_setting('server_version_num')::int"


class Applied(NamedTuple):
    """A migration that the database has. serves: as in `Migration`."""

    version: int
    name: str
    checksum: bytes
    serves: int | None


class Status(NamedTuple):
    """A migration, whether the database has it, and whether this program knows it."""

    version: int
    name: str
    applied: bool
    known: bool = True


class Outcome(NamedTuple):
    """What was done. before: the version until then; restore_point: None if there was no data."""

    done: list[Migration]
    before: int
    restore_point: RestorePoint | None


async def migrate(
    connection: Connection,
    migrations: Sequence[Migration],
    to: int | None = None,
    observe: Observe | None = None,
) -> Outcome:
    """Apply what the database lacks, up to a version if it is given.

    A database that newer programs brought further is left as it is, if that serves this one.
    observe: opens another connection, which sees who is in the way.

    Raises DatabaseError if the server is too old, roles are missing that this login can't make, or
    the database has migrations that are not among these or were changed since; a step in a
    transaction that fails leaves the version before it. What is made belongs to lyceum_owner if the
    schema does.
    """
    async with _lock(connection):
        missing, before = await _missing(connection, migrations, to)
        await roles.ensure(connection)
        point = await _restore_point(connection, before) if missing else None
        await roles.become_owner(connection)
        await connection.execute(CREATE_LEDGER)
        if await connection.fetchval(LEDGER_IS_OLD):
            await connection.execute(RENEW_LEDGER)
        for migration in missing:
            await steps.run(connection, _forward(migration), observe)
            log.info("schema migrated", version=migration.version, name=migration.name)
        return Outcome(missing, before, point)


async def migrate_if_allowed(
    connection: Connection, migrations: Sequence[Migration], observe: Observe | None = None
) -> list[Migration]:
    """What a server does at its start: migrate, or see that somebody has who may.

    Returns what was applied. Raises DatabaseError, also if the schema lacks something and this
    login can't change it.
    """
    if await roles.may_migrate(connection):
        outcome = await migrate(connection, migrations, observe=observe)
        await connection.execute(roles.BE_ONESELF)  # it may be one of a pool
        return outcome.done
    login = await connection.fetchval(LOGIN)
    try:
        applied = await _applied(connection)
    except asyncpg.InsufficientPrivilegeError:
        applied = []
    if not applied:
        raise DatabaseError(
            f"the login {login} finds no schema that it may use; `lyceum db migrate` makes it, run"
            " as whom the database belongs to, and `grant lyceum_server to …` lets a login in"
        )
    _check(applied, migrations)
    if len(applied) < len(migrations):
        raise DatabaseError(
            f"the database is at version {len(applied)}, this program needs {len(migrations)}, and"
            f" the login {login} may not migrate; run `lyceum db migrate` as one that may, then"
            " start again"
        )
    return []


async def rollback(
    connection: Connection,
    migrations: Sequence[Migration],
    to: int,
    observe: Observe | None = None,
) -> Outcome:
    """Undo all migrations above version `to`, newest first.

    Raises DatabaseError as `migrate` does, and if the database is ahead of this program.
    """
    async with _lock(connection):
        undone, before = await _undone(connection, migrations, to)
        point = await _restore_point(connection, before) if undone else None
        await roles.become_owner(connection)
        for migration in undone:
            await steps.run(connection, _back(migration), observe)
            log.info("schema rolled back", version=migration.version, name=migration.name)
        return Outcome(undone, before, point)


async def plan(
    connection: Connection, migrations: Sequence[Migration], to: int | None = None
) -> list[Step]:
    """The steps that `migrate` would do now; changes nothing."""
    missing, before = await _missing(connection, migrations, to)
    first = []
    if await roles.missing(connection):
        first.append(Step("roles", split(ROLES.read_text()), "", True))
    first += await _owner(connection)
    if not before:
        first.append(Step("ledger", split(CREATE_LEDGER), "", True))
    return [*first, *map(_forward, missing)]


async def plan_back(connection: Connection, migrations: Sequence[Migration], to: int) -> list[Step]:
    """The steps that `rollback` would do now; changes nothing."""
    undone, _ = await _undone(connection, migrations, to)
    return [*await _owner(connection), *map(_back, undone)]


async def _owner(connection: Connection) -> list[Step]:
    return [Step("owner", [roles.BECOME_OWNER], "", True)] if await roles.owned(connection) else []


async def status(connection: Connection, migrations: Sequence[Migration]) -> list[Status]:
    """Each migration and whether the database has it; changes nothing."""
    applied = await _applied(connection)
    _check(applied, migrations)
    here = [Status(m.version, m.name, m.version <= len(applied)) for m in migrations]
    ahead = applied[len(migrations) :]
    return here + [Status(m.version, m.name, applied=True, known=False) for m in ahead]


async def _missing(
    connection: Connection, migrations: Sequence[Migration], to: int | None
) -> tuple[list[Migration], int]:
    version = await connection.fetchval(SERVER_VERSION)
    if version < MINIMUM_VERSION * 10_000:
        raise DatabaseError(
            f"PostgreSQL {version // 10_000} is too old; {MINIMUM_VERSION} or newer is needed"
        )
    applied = await _applied(connection)
    _check(applied, migrations)
    if to is not None and not len(applied) <= to <= len(migrations):
        raise DatabaseError(
            f"version {to} can't be migrated to: the database is at {len(applied)}, and this"
            f" program knows {len(migrations)}; `lyceum db rollback` goes back"
        )
    if len(applied) > len(migrations):
        log.warning(
            "a newer program has migrated the database, which serves this one too",
            version=len(applied),
            known=len(migrations),
        )
    return list(migrations[len(applied) : to]), len(applied)


async def _undone(
    connection: Connection, migrations: Sequence[Migration], to: int
) -> tuple[list[Migration], int]:
    applied = await _applied(connection)
    _check(applied, migrations, ahead_is_fine=False)
    return [m for m in reversed(migrations[: len(applied)]) if m.version > to], len(applied)


async def _applied(connection: Connection) -> list[Applied]:
    if not await connection.fetchval(LEDGER_EXISTS):
        return []
    return [Applied(*row) for row in await connection.fetch(APPLIED)]


def _check(
    applied: Sequence[Applied], migrations: Sequence[Migration], *, ahead_is_fine: bool = True
) -> None:
    for have, want in zip(applied, migrations, strict=False):
        if (have.version, have.name) != (want.version, want.name):
            raise DatabaseError(
                f"the database has migration {have.version:04}_{have.name},"
                f" this program has {want.title} in its place"
            )
        if have.checksum != want.checksum:
            raise DatabaseError(
                f"migration {want.title} was changed after it was applied;"
                " restore the file and put the change into a new migration"
            )
    known = len(migrations)
    ahead = applied[known:]
    served = ahead_is_fine and all(m.serves is not None and m.serves <= known for m in ahead)
    if ahead and not served:
        raise DatabaseError(
            f"the database is at version {len(applied)}, this program knows {known};"
            " start a newer program, or roll the database back with the newer one"
        )


def _forward(migration: Migration) -> Step:
    record = RECORD.format(
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum.hex(),
        serves="null" if migration.serves is None else migration.serves,
    )
    return Step(migration.title, split(migration.up), record, in_transaction(migration.up))


def _back(migration: Migration) -> Step:
    record = FORGET.format(version=migration.version)
    return Step(migration.title, split(migration.down), record, in_transaction(migration.down))


async def _restore_point(connection: Connection, version: int) -> RestorePoint | None:
    if not await restore_points.holds_data(connection):
        return None
    point = await restore_points.make(connection, version)
    log.info("before the schema changes", version=version, **point._asdict())
    return point


@asynccontextmanager
async def _lock(connection: Connection) -> AsyncIterator[None]:
    try:
        async with advisory_lock(connection, LOCK_KEY, "another migration", LOCK_POLL):
            yield
    except PASSING as error:
        raise DatabaseError(f"the schema can't be changed: {describe(error)}") from error
