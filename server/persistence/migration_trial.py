"""Tries migrations out: each forward, back and forward again, with rows, in scratch databases."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from schema import SAMPLES
from server.errors import DatabaseError
from server.persistence import catalogue, partitions
from server.persistence.catalogue import Thing
from server.persistence.database import PASSING, describe
from server.persistence.migrations import Migration, migrate, rollback
from server.persistence.scratch import scratch
from server.persistence.standstill import files, rewritten, standstills
from server.persistence.statements import split
from server.persistence.types import Connection
from server.persistence.validation import compare, expected

TABLES = """
select oid::regclass::text
from pg_class
where relkind in ('r', 'p') and not relispartition
    and relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'
    and oid <> to_regclass('schema_migrations')
order by 1
"""
COUNT = "select count(*) from {table}"


class Trouble(NamedTuple):
    """What is wrong with a migration."""

    migration: str
    what: str


async def try_migrations(
    connection: Connection,
    url: str,
    migrations: Sequence[Migration],
    samples: Path = SAMPLES,
    tell: Callable[[str], None] | None = None,
) -> list[Trouble]:
    """All troubles; a migration that fails is the last that is tried.

    url: that of the connection. samples: a folder of NNNN_name.sql that fill a migration's tables.
    tell: takes a line for each migration.

    Raises DatabaseError if the server takes no scratch database.
    """
    async with scratch(connection, url) as other:
        trial = _Trial(other, migrations, samples)
        try:
            await trial.begin()
            for migration in migrations:
                await trial.step(migration)
                if tell is not None:
                    tell(f"tried {migration.title}")
            stepwise = trial.schema
            await trial.whole_way()
        except (DatabaseError, *PASSING) as error:
            text = str(error) if isinstance(error, DatabaseError) else describe(error)
            return [*trial.troubles, Trouble(trial.now, text)]
    fresh = await expected(connection, url, migrations)
    trial.compare("step by step, unlike a fresh database", fresh, stepwise)
    trial.compare("after the whole way back and forward", fresh, trial.schema)
    return trial.troubles


class _Trial:
    """One scratch database on its way. now: the migration that is tried; schema: as it is then."""

    def __init__(
        self, connection: Connection, migrations: Sequence[Migration], samples: Path
    ) -> None:
        self.troubles: list[Trouble] = []
        self.now = ""
        self.schema: list[Thing] = []
        self._connection = connection
        self._migrations = migrations
        self._samples = samples
        self._made: dict[str, int] = {}  # by which version each table was there

    async def begin(self) -> None:
        """Make the ledger, which stays whatever is undone."""
        await migrate(self._connection, self._migrations, 0)
        self.schema = await catalogue.read(self._connection)

    async def step(self, migration: Migration) -> None:
        """Forward, back and forward again by one."""
        self.now = migration.title
        before, rows = self.schema, await self._counts()
        there = await files(self._connection)
        for table in there:
            self._made.setdefault(table, migration.version - 1)
        large = {table for table, made in self._made.items() if made < migration.released}
        large -= migration.small
        await migrate(self._connection, self._migrations, migration.version)
        self.schema = await catalogue.read(self._connection)
        was = {thing.key: thing for thing in before}
        self._tell(standstills(migration, large, was, self.schema))
        self._tell(rewritten(large, there, await files(self._connection)))
        await self._fill(migration)
        counts = await self._counts()
        self._tell(
            f"no rows to try it with: {table} in schema/samples"
            for table, count in counts.items()
            if count == 0 and table not in rows
        )
        await rollback(self._connection, self._migrations, migration.version - 1)
        self.compare("after going back", before, await catalogue.read(self._connection))
        counts = await self._counts()
        self._tell(
            f"after going back: {count} of {rows[table]} rows in {table}"
            for table, count in counts.items()
            if count < rows.get(table, 0)
        )
        await migrate(self._connection, self._migrations, migration.version)
        again = await catalogue.read(self._connection)
        self.compare("after going forward again", self.schema, again)
        await self._fill(migration)

    async def whole_way(self) -> None:
        """From the newest version, with rows everywhere, back to nothing and forward."""
        self.now = "all"
        await rollback(self._connection, self._migrations, 0)
        left = [row[0] for row in await self._connection.fetch(TABLES)]
        self._tell(f"left after going back: {table}" for table in left)
        await migrate(self._connection, self._migrations)
        self.schema = await catalogue.read(self._connection)

    def compare(self, when: str, wanted: Sequence[Thing], found: Sequence[Thing]) -> None:
        """Tell of each difference."""
        self._tell(
            f"{when}: {finding.problem}: {finding.kind} {finding.name}"
            for finding in compare(wanted, found)
        )

    def _tell(self, troubles: Iterable[str]) -> None:
        self.troubles += [Trouble(self.now, what) for what in troubles]

    async def _fill(self, migration: Migration) -> None:
        await partitions.ensure(self._connection)
        path = self._samples / f"{migration.title}.sql"
        if path.exists():
            async with self._connection.transaction():
                for statement in split(path.read_text()):
                    await self._connection.execute(statement)

    async def _counts(self) -> dict[str, int]:
        tables = [row[0] for row in await self._connection.fetch(TABLES)]
        return {
            table: await self._connection.fetchval(COUNT.format(table=table)) for table in tables
        }
