"""Trials of migrations tell what is wrong with one. test_cli_validate.py tries ours."""

from pathlib import Path

import asyncpg
import pytest

from server.persistence.migration_trial import Trouble, try_migrations
from server.persistence.migrations import Migration
from server.persistence.scratch import scratch
from server.persistence.types import Connection
from tests.support.logins import connected

# Ours are tried on each Postgres.
pytestmark = pytest.mark.parametrize("postgres", ["embedded"], indirect=True, scope="session")

FIRST = Migration(1, "first", "create table one (x int)", "drop table one")
SECOND = Migration(2, "second", "alter table one add y int", "alter table one drop y")


async def trouble(
    connection: Connection, url: str, folder: Path, *steps: Migration
) -> list[Trouble]:
    (folder / "0001_first.sql").write_text("insert into one values (1); insert into one values (2)")
    return await try_migrations(connection, url, [FIRST, *steps], folder)


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (
            SECOND._replace(up="alter table one add y int not null"),
            'NotNullViolationError: column "y" of relation "one" contains null values',
        ),
        (SECOND._replace(down="select 1"), "after going back: too many: column one.y"),
        (
            SECOND._replace(down="alter table one drop y; alter table one alter x set default 1"),
            "after going back: different: column one.x",
        ),
        (
            SECOND._replace(down="alter table one drop y; delete from one where x = 1"),
            "after going back: 1 of 2 rows in one",
        ),
        (
            SECOND._replace(up="create table two ()", down="drop table two"),
            "no rows to try it with: two in schema/samples",
        ),
        (
            SECOND._replace(
                up="do $$ begin execute 'alter table one add y' || (select count(*) from one)"
                " || ' int'; end $$",
                down="alter table one drop y2",
            ),
            "step by step, unlike a fresh database: missing: column one.y0",
        ),
    ],
)
async def test_trouble_is_told(
    connection: Connection, database_url: str, tmp_path: Path, step: Migration, what: str
) -> None:
    """What goes wrong with rows in the tables, or does not come back as it was, is named."""
    troubles = await trouble(connection, database_url, tmp_path, step)
    assert troubles[0].what.endswith(what) or what in [each.what for each in troubles]
    assert troubles[0].migration in ("0002_second", "all")


# How a table that is there is changed, the way back, and what its writers would have of it.
CHANGES = [
    (
        "create index one_a on one (x)",
        "drop index one_a",
        "nobody can write to one while one_a is built",
    ),
    (
        "-- no transaction\ncreate index if not exists one_b on one (x)",
        "drop index one_b",
        "nobody can write to one while one_b is built",
    ),
    (
        "-- no transaction\ncreate index concurrently if not exists one_c on one (x)",
        "drop index one_c",
        "",
    ),
    ("-- small: two, one\ncreate index one_d on one (x)", "drop index one_d", ""),
    (
        "alter table one add constraint e check (x < 9)",
        "alter table one drop constraint e",
        "nobody can write to one while one.e is checked",
    ),
    (
        "alter table one add constraint f check (x < 9) not valid",
        "alter table one drop constraint f",
        "",
    ),
    (
        "-- no transaction\nalter table one drop constraint if exists g;"
        "alter table one add constraint g check (x < 9) not valid;"
        "alter table one validate constraint g",
        "alter table one drop constraint g",
        "",
    ),
    (
        "alter table one alter x set not null",
        "alter table one alter x drop not null",
        "nobody can use one while one.x is checked for nulls",
    ),
    (
        "alter table one alter x type bigint",
        "alter table one alter x type int",
        "nobody can use one while it is rewritten",
    ),
    ("alter table one add z int not null default 3", "alter table one drop z", ""),
    (
        "-- released with 0002\ncreate index one_h on one (x)",
        "drop index one_h",
        "nobody can write to one while one_h is built",
    ),
    ("-- released with 0001\ncreate index one_i on one (x)", "drop index one_i", ""),
    (
        "-- released with 0001\nalter table one alter x type int",
        "alter table one alter x type bigint",
        "",
    ),
]


async def test_standstill_is_told(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    """Whatever would keep writers of a large table waiting, unless its author says it is small, or
    released together with this."""
    steps = [
        Migration(version, "change", up, down) for version, (up, down, _) in enumerate(CHANGES, 2)
    ]
    assert await trouble(connection, database_url, tmp_path, *steps) == [
        Trouble(f"{version:04}_change", what)
        for version, (_, _, what) in enumerate(CHANGES, 2)
        if what
    ]


async def test_what_stays_behind(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """A table that a way back leaves is told of after the step, and once all is undone."""
    step = SECOND._replace(up="create table if not exists two ()", down="select 1")
    troubles = await trouble(connection, database_url, tmp_path, step)
    assert Trouble("0002_second", "after going back: too many: table two") in troubles
    assert Trouble("all", "left after going back: two") in troubles


async def test_each_is_told_of(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """Whoever waits reads which ones were tried; no scratch database stays."""
    told: list[str] = []
    (tmp_path / "0001_first.sql").write_text("insert into one values (1)")
    steps = [FIRST, SECOND]
    assert await try_migrations(connection, database_url, steps, tmp_path, told.append) == []
    assert told == ["tried 0001_first", "tried 0002_second"]
    assert not await connection.fetch("select from pg_database where datname ~ 'scratch'")


async def test_connection_lost_meanwhile(connection: Connection, database_url: str) -> None:
    """Whoever loses the connection meanwhile learns of that, not of the scratch database."""
    async with connected(database_url) as lost:
        with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
            await _lose(lost, database_url)
    name = await connection.fetchval("select datname from pg_database where datname ~ 'scratch'")
    await connection.execute(f"drop database {name} with (force)")


async def _lose(connection: Connection, url: str) -> None:
    async with scratch(connection, url):
        connection.terminate()
        await connection.execute("select 1")
