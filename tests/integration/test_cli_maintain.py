"""`lyceum db maintain`: what a server does every hour, by hand, and what it says."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.persistence.jobs import TRY_LOCK
from server.persistence.partitions import ACTIVITY, ensure, partitions
from server.persistence.types import Connection
from tests.support.command import Command, Done
from tests.support.postgres import PostgresInstance
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

LONG_AGO = datetime(2001, 5, 5, tzinfo=UTC)

STANDS = """
insert into background_jobs (name, started_at, finished_at, succeeded_at, failing, error)
values ('chat_keys', now(), now(), now() - interval '1 day', 2, 'no room')
"""


@pytest.fixture
def lyceum(tmp_path: Path, database_url: str) -> Command:
    """The command, on a database of the test's own."""
    return Command(tmp_path, database_url=database_url)


async def test_runs_what_is_due(lyceum: Command, connection: Connection) -> None:
    """Each job says what it did; at once again nothing is due, unless it is asked for."""
    await ensure(connection, 0, (ACTIVITY,), LONG_AGO)
    newest = (await partitions(connection, ACTIVITY))[-1].name
    await connection.execute(f"drop table {newest}")
    done = await lyceum("db", "maintain")
    assert done.code == 0, done
    assert f"partitions: created {newest}; dropped session_activity_2001_05\n" in done.output
    assert "chat_keys: nothing to do\n" in done.output
    again = await lyceum("db", "maintain")
    assert (again.code, again.output, again.errors) == (0, "nothing is due\n", "")
    everything = await lyceum("db", "maintain", "--all", "--json")
    runs = json.loads(everything.output)["jobs"]
    assert {run["job"] for run in runs} >= {"partitions", "chat_keys"}
    assert {run["outcome"] for run in runs} == {"done"}


async def test_retention(lyceum: Command, connection: Connection) -> None:
    """Activity is kept for ever if the setting says so."""
    await ensure(connection, 0, (ACTIVITY,), LONG_AGO)
    arguments = ("db", "maintain", "--job", "partitions", "--json")
    (run,) = json.loads((await lyceum(*arguments, activity_retention_days="0")).output)["jobs"]
    assert run["did"] == {}
    (run,) = json.loads((await lyceum(*arguments)).output)["jobs"]
    assert run["did"] == {"dropped": ["session_activity_2001_05"]}


async def test_how_jobs_stand(lyceum: Command, connection: Connection) -> None:
    """When each was last done and is due, why one fails, and which one somebody else runs."""
    first = await lyceum("db", "maintain", "--list")
    assert "partitions: every 3600 s, never done, due\n" in first.output
    await connection.execute(TRY_LOCK.replace("$1", "'chat_keys'"))
    taken = await lyceum("db", "maintain", "--job", "chat_keys")
    assert taken == Done(0, "chat_keys: another is at it, or has just done it\n", "")
    await connection.execute(STANDS)
    listed = (await lyceum("db", "maintain", "--list", "--job", "chat_keys")).output
    assert re.fullmatch(
        r"chat_keys: every 3600 s, last done [-0-9: ]+ UTC, due [-0-9: ]+ UTC, failing: no room\n",
        listed,
    )
    listed = (await lyceum("db", "maintain", "--list", "--json", "--job", "chat_keys")).output
    (told,) = json.loads(listed)["jobs"]
    assert (told["name"], told["failing"], told["every"]) == ("chat_keys", 2, 3600)


async def test_counting_anew(lyceum: Command, connection: Connection) -> None:
    """Events that were put in past their table are counted, too."""
    await connection.execute(
        "insert into learning_analytics (at, event_id, event_type)"
        " values (now(), gen_random_uuid(), 'lesson.started')"
    )
    await connection.execute("delete from analytics_batches")
    assert (await lyceum("db", "maintain", "--job", "rollups")).output == "rollups: nothing to do\n"
    done = await lyceum("db", "maintain", "--rebuild")
    assert re.fullmatch(r"rollups: days 1[0-9][0-9]\n", done.output), done
    assert await connection.fetchval("select sum(events) from analytics_type_hourly") == 1


async def test_a_job_that_is_not_there(lyceum: Command) -> None:
    """Those that are, are named."""
    complaint = (await lyceum("db", "maintain", "--job", "nap")).complaint
    assert "there is no job nap; there are partitions, " in complaint


async def test_a_database_without_schema(tmp_path: Path, postgres: PostgresInstance) -> None:
    """It says what to do first."""
    url = await postgres.create_empty_database()
    complaint = (await Command(tmp_path, database_url=url)("db", "maintain")).complaint
    assert "run `lyceum db migrate` first" in complaint


async def test_a_locked_table(lyceum: Command, connection: Connection) -> None:
    """Who holds the table is not waited for without end; other jobs are run all the same."""
    newest = (await partitions(connection, ACTIVITY))[-1].name
    await connection.execute(f"drop table {newest}")
    async with connection.transaction():
        await connection.execute("lock table session_activity")
        done = await lyceum("db", "maintain")
    assert done.code == 1
    assert re.search(r"partitions: failed after \d.\d s: LockNotAvailableError: ", done.output)
    assert "chat_keys: nothing to do\n" in done.output


async def test_migrating_makes_partitions(lyceum: Command, connection: Connection) -> None:
    """So that a database is ready to be written to by anybody."""
    await connection.execute("drop schema public cascade; create schema public")
    done = await lyceum("db", "migrate")
    assert f"created {(await partitions(connection, ACTIVITY))[0].name}" in done.output


async def test_a_server_does_it_at_its_start(tmp_path: Path, server: LyceumServer) -> None:
    """And tells the monitoring how far ahead it is."""
    beside = Command(tmp_path, data_dir=str(server.folder / "data"))
    done = await beside("db", "maintain", "--json")
    runs = {run["job"]: run for run in json.loads(done.output)["jobs"]}
    assert "created" not in runs.get("partitions", {"did": {}})["did"]
    assert await server.metric(f'lyceum_partitions_ahead{{table="{ACTIVITY}"}}') == 3

    async def told() -> bool:
        name = 'lyceum_job_last_success_timestamp_seconds{job="partitions"}'
        return await server.metric(name) > 1e9

    await eventually(told)
