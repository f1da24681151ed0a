"""Trials of migrations tell what is wrong with one. test_cli_validate.py tries ours."""

from pathlib import Path

import asyncpg
import pytest

from server.persistence.migration_trial import Trouble, try_migrations
from server.persistence.migrations import Migration
from server.persistence.scratch import scratch
from server.persistence.types import Connection
from tests.support.logins import connected

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
        (SECOND, ""),
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
    if not what:
        assert troubles == []
        return
    assert troubles[0].what.endswith(what) or what in [each.what for each in troubles]
    assert troubles[0].migration in ("0002_second", "all")


async def test_what_stays_behind(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """A table that a way back leaves is told of after the step, and once all is undone."""
    step = SECOND._replace(up="create table if not exists two ()", down="select 1")
    troubles = await trouble(connection, database_url, tmp_path, step)
    assert Trouble("0002_second", "after going back: too many: table two") in troubles
    assert Trouble("all", "left after going back: two") in troubles


async def test_each_is_told_of(connection: Connection, database_url: str, tmp_path: Path) -> None:
    """Whoever waits reads which ones were tried; no scratch database stays."""
    told: list[str] = []
    await try_migrations(connection, database_url, [FIRST, SECOND], tmp_path, told.append)
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
