"""Reads migrations from their files: `NNNN_name.up.sql` and the way back, `NNNN_name.down.sql`.

Comments at a file's beginning may say more of it, a line each:

    -- no transaction
        Its statements are run one by one, as CREATE INDEX CONCURRENTLY must be. Each has to bear
        repetition, since who is killed midway begins anew.
    -- serves programs from 0005 on
        Programs that know only the migrations up to 0005 go on working, and may start, on a
        database that has this one. Without it only programs that know it start.
    -- small: roles, badges
        Tables that hold so few rows that looking at all of them keeps nobody waiting.
    -- released with 0006
        Both came in one release, as did what is between, so that tables which were made by 0006
        or later are empty in every database that this runs on.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from schema import MIGRATIONS
from server.errors import DatabaseError
from server.persistence.statements import concurrent_index, lead, split

FILE_NAME = re.compile(r"(\d{4})_(\w+)\.up\.sql")
NO_TRANSACTION = re.compile(r"^-- no transaction$", re.MULTILINE)
SERVES = re.compile(r"^-- serves programs from (\d{4}) on$", re.MULTILINE)
RELEASED = re.compile(r"^-- released with (\d{4})$", re.MULTILINE)
SMALL = re.compile(r"^-- small: (\w+(?:, \w+)*)$", re.MULTILINE)


class Migration(NamedTuple):
    """One step of the schema: `NNNN_name.up.sql` and the way back."""

    version: int
    name: str
    up: str
    down: str

    @property
    def title(self) -> str:
        """Its number and name, as in its files' names."""
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> bytes:
        """Tells whether a file was changed after it was applied."""
        return hashlib.sha256(self.up.encode()).digest()

    @property
    def serves(self) -> int | None:
        """The version of the oldest programs that work with it; None: only those that know it."""
        found = SERVES.search(lead(self.up))
        return int(found[1]) if found else None

    @property
    def released(self) -> int:
        """The version of the first migration of its release."""
        found = RELEASED.search(lead(self.up))
        return int(found[1]) if found else self.version

    @property
    def small(self) -> set[str]:
        """Tables of which its author says that they are."""
        return {table for found in SMALL.findall(lead(self.up)) for table in found.split(", ")}


def in_transaction(sql: str) -> bool:
    """Whether a file is to run in one transaction."""
    return NO_TRANSACTION.search(lead(sql)) is None


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations in a folder, in order.

    Raises DatabaseError if one is missing, has no way back, or could not be run.
    """
    migrations = []
    for path in sorted(folder.glob("*.up.sql")):
        found = FILE_NAME.fullmatch(path.name)
        down = path.with_name(path.name.replace(".up.sql", ".down.sql"))
        if not found or not down.exists():
            raise DatabaseError(f"{path}: a migration is NNNN_name.up.sql and NNNN_name.down.sql")
        migration = Migration(int(found[1]), found[2], path.read_text(), down.read_text())
        if migration.serves is not None and migration.serves >= migration.version:
            raise DatabaseError(f"{path}: it can only serve programs older than it")
        if migration.released > migration.version:
            raise DatabaseError(f"{path}: it can't be of a release that begins after it")
        _check_sql(path, migration.up)
        _check_sql(down, migration.down)
        migrations.append(migration)
    versions = [migration.version for migration in migrations]
    if versions != list(range(1, len(versions) + 1)):
        raise DatabaseError(f"{folder}: migrations must be numbered 1, 2, 3, …; found {versions}")
    return migrations


def _check_sql(path: Path, sql: str) -> None:
    try:
        statements = split(sql)
    except DatabaseError as error:
        raise DatabaseError(f"{path}: {error}") from None
    for statement in statements:
        index = concurrent_index(statement)
        if index is None:
            continue
        if in_transaction(sql):
            raise DatabaseError(f"{path}: concurrently needs the first line `-- no transaction`")
        if not index["repeatable"]:
            raise DatabaseError(f"{path}: {index['name']} needs `if [not] exists`, to be repeated")
