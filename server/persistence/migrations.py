"""Brings the schema forward and back: SQL files, one transaction each, a ledger with checksums.

Many servers may start at once: one takes an advisory lock and migrates, the others wait for it.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from schema import MIGRATIONS
from server.errors import DatabaseError
from server.persistence import roles
from server.persistence.database import PASSING, describe
from server.persistence.locks import advisory_lock
from server.persistence.types import Connection

log = structlog.get_logger()

MINIMUM_VERSION = 15
LOCK_KEY = 7_523_094_288_207_667_809  # "lyceum", any number that nobody else uses
LOCK_POLL = 0.1  # seconds
FILE_NAME = re.compile(r"(\d{4})_(\w+)\.up\.sql")

CREATE_LEDGER = """
create table if not exists schema_migrations (
    version integer,
    name text not null,
    checksum bytea not null,
    applied_at timestamptz not null default now(),
    constraint schema_migrations_pkey primary key (version)
)
"""
LEDGER_EXISTS = "select to_regclass('schema_migrations') is not null"
APPLIED = "select version, name, checksum from schema_migrations order by version"
RECORD = "insert into schema_migrations (version, name, checksum) values ($1, $2, $3)"
FORGET = "delete from schema_migrations where version = $1"
SERVER_VERSION = "select current_setting('server_version_num')::int"


class Migration(NamedTuple):
    """One step of the schema: `NNNN_name.up.sql` and the way back."""

    version: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> bytes:
        """Tells whether a file was changed after it was applied."""
        return hashlib.sha256(self.up.encode()).digest()


class Applied(NamedTuple):
    """A migration that the database has."""

    version: int
    name: str
    checksum: bytes


class Status(NamedTuple):
    """A migration and whether the database has it."""

    version: int
    name: str
    applied: bool


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in a folder, in order; raises DatabaseError if one is missing or has no way
    back."""
    migrations = []
    for path in sorted(folder.glob("*.up.sql")):
        found = FILE_NAME.fullmatch(path.name)
        down = path.with_name(path.name.replace(".up.sql", ".down.sql"))
        if not found or not down.exists():
            raise DatabaseError(f"{path}: a migration is NNNN_name.up.sql and NNNN_name.down.sql")
        migrations.append(Migration(int(found[1]), found[2], path.read_text(), down.read_text()))
    versions = [migration.version for migration in migrations]
    if versions != list(range(1, len(versions) + 1)):
        raise DatabaseError(f"{folder}: migrations must be numbered 1, 2, 3, …; found {versions}")
    return migrations


async def migrate(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what the database lacks and return it.

    Raises DatabaseError if the server is too old, roles are missing that this login can't make, or
    the database has migrations that are not among these or were changed since; a migration that
    fails leaves the version before it. What is made belongs to lyceum_owner if the schema does.
    """
    version = await connection.fetchval(SERVER_VERSION)
    if version < MINIMUM_VERSION * 10_000:
        raise DatabaseError(
            f"PostgreSQL {version // 10_000} is too old; {MINIMUM_VERSION} or newer is needed"
        )
    async with _lock(connection):
        await roles.ensure(connection)
        await roles.become_owner(connection)
        await connection.execute(CREATE_LEDGER)
        applied = await _applied(connection)
        _check(applied, migrations)
        missing = list(migrations[len(applied) :])
        for migration in missing:
            async with _step(connection, migration):
                await connection.execute(migration.up)
                await connection.execute(
                    RECORD, migration.version, migration.name, migration.checksum
                )
            log.info("schema migrated", version=migration.version, name=migration.name)
        return missing


async def rollback(
    connection: Connection, migrations: Sequence[Migration], to: int
) -> list[Migration]:
    """Undo all migrations above version `to`, newest first, and return them.

    Raises DatabaseError as `migrate` does.
    """
    async with _lock(connection):
        await roles.become_owner(connection)
        applied = await _applied(connection)
        _check(applied, migrations)
        undone = [m for m in reversed(migrations[: len(applied)]) if m.version > to]
        for migration in undone:
            async with _step(connection, migration):
                await connection.execute(migration.down)
                await connection.execute(FORGET, migration.version)
            log.info("schema rolled back", version=migration.version, name=migration.name)
        return undone


async def status(connection: Connection, migrations: Sequence[Migration]) -> list[Status]:
    """Each migration and whether the database has it; changes nothing."""
    applied = await _applied(connection)
    _check(applied, migrations)
    return [Status(m.version, m.name, m.version <= len(applied)) for m in migrations]


async def _applied(connection: Connection) -> list[Applied]:
    if not await connection.fetchval(LEDGER_EXISTS):
        return []
    return [Applied(*row) for row in await connection.fetch(APPLIED)]


def _check(applied: Sequence[Applied], migrations: Sequence[Migration]) -> None:
    for have, want in zip(applied, migrations, strict=False):
        if (have.version, have.name) != (want.version, want.name):
            raise DatabaseError(
                f"the database has migration {have.version:04}_{have.name},"
                f" this program has {want.version:04}_{want.name} in its place"
            )
        if have.checksum != want.checksum:
            raise DatabaseError(
                f"migration {want.version:04}_{want.name} was changed after it was applied;"
                " restore the file and put the change into a new migration"
            )
    if len(applied) > len(migrations):
        raise DatabaseError(
            f"the database is at version {len(applied)}, this program knows {len(migrations)};"
            " start a newer program, or roll the database back with the newer one"
        )


@asynccontextmanager
async def _lock(connection: Connection) -> AsyncIterator[None]:
    try:
        async with advisory_lock(connection, LOCK_KEY, "another migration", LOCK_POLL):
            yield
    except PASSING as error:
        raise DatabaseError(f"the schema can't be changed: {describe(error)}") from error


@asynccontextmanager
async def _step(connection: Connection, migration: Migration) -> AsyncIterator[None]:
    try:
        async with connection.transaction():
            yield
    except PASSING as error:
        raise DatabaseError(
            f"migration {migration.version:04}_{migration.name} fails: {describe(error)}"
        ) from error
