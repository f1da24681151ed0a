"""`lyceum db maintain`: what a server does every hour, by hand, and what it says."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.persistence.partitions import ACTIVITY, TABLES, ensure, partitions
from server.persistence.types import Connection
from tests.support.command import Command
from tests.support.postgres import PostgresInstance
from tests.support.server import LyceumServer

LONG_AGO = datetime(2001, 5, 5, tzinfo=UTC)


@pytest.fixture
def lyceum(tmp_path: Path, database_url: str) -> Command:
    """The command, on a database of the test's own."""
    return Command(tmp_path, database_url=database_url)


async def test_says_what_it_did(lyceum: Command, connection: Connection) -> None:
    """Each partition made and dropped, and how far ahead each table is; then only the latter."""
    await ensure(connection, 0, (ACTIVITY,), LONG_AGO)
    newest = (await partitions(connection, ACTIVITY))[-1].name
    await connection.execute(f"drop table {newest}")
    done = await lyceum("db", "maintain")
    assert done.code == 0, done
    stands = [f"{table} has partitions for this month and 3 more" for table in TABLES]
    assert done.output.splitlines() == [
        f"created {newest}",
        "dropped session_activity_2001_05",
        *stands,
    ]
    again = await lyceum("db", "maintain")
    assert (again.code, again.output.splitlines(), again.errors) == (0, stands, "")


async def test_for_programs(lyceum: Command, connection: Connection) -> None:
    """With --json it is one object; activity is kept for ever if the retention says so."""
    await ensure(connection, 0, (ACTIVITY,), LONG_AGO)
    done = await lyceum("db", "maintain", "--json", activity_retention_days="0")
    ahead = dict.fromkeys(TABLES, 3)
    assert json.loads(done.output) == {"created": [], "dropped": [], "ahead": ahead}
    done = await lyceum("db", "maintain", "--json")
    dropped = ["session_activity_2001_05"]
    assert json.loads(done.output) == {"created": [], "dropped": dropped, "ahead": ahead}


async def test_a_database_without_schema(tmp_path: Path, postgres: PostgresInstance) -> None:
    """It says what to do first."""
    url = await postgres.create_empty_database()
    complaint = (await Command(tmp_path, database_url=url)("db", "maintain")).complaint
    assert "`lyceum db migrate` makes it" in complaint


async def test_a_locked_table(lyceum: Command, connection: Connection) -> None:
    """Who holds the table is not waited for without end; the reason is told in one line."""
    newest = (await partitions(connection, ACTIVITY))[-1].name
    await connection.execute(f"drop table {newest}")
    async with connection.transaction():
        await connection.execute("lock table session_activity")
        complaint = (await lyceum("db", "maintain")).complaint
    assert "partitions can't be kept: LockNotAvailableError" in complaint


async def test_migrating_makes_partitions(lyceum: Command, connection: Connection) -> None:
    """So that a database is ready to be written to by anybody."""
    await connection.execute("drop schema public cascade; create schema public")
    done = await lyceum("db", "migrate")
    assert f"created {(await partitions(connection, ACTIVITY))[0].name}" in done.output


async def test_a_server_does_it_at_its_start(tmp_path: Path, server: LyceumServer) -> None:
    """And tells the monitoring how far ahead it is."""
    beside = Command(tmp_path, data_dir=str(server.folder / "data"))
    done = await beside("db", "maintain", "--json")
    assert json.loads(done.output)["created"] == []
    assert await server.metric(f'lyceum_partitions_ahead{{table="{ACTIVITY}"}}') == 3
    assert await server.metric("lyceum_upkeep_last_success_timestamp_seconds") > 1e9
