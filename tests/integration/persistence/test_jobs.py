"""Background jobs: one runner among many servers, whoever fails, hangs or dies."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server import telemetry
from server.persistence import jobs as module
from server.persistence.database import Database, connect
from server.persistence.jobs import Did, Job, Jobs, Run, State, attempt, due_at, progress, states
from server.persistence.types import Connection
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def nothing(_connection: Connection) -> None:
    """A job with nothing to do."""


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("state", "due_in"),
    [
        (State("nap", NOW), 0),
        (State("nap", NOW, ago(400), ago(300), ago(300)), 600 - 300),
        (State("nap", NOW, ago(400), None, None, None, 1), -400),
        (State("nap", NOW, ago(400), ago(900), ago(900), None, 1), -400),
        (State("nap", NOW, ago(10), ago(900), ago(900), None, 3), 120 - 10),
        (State("nap", NOW, ago(20), ago(10), ago(900), None, 1), 60 - 10),
        (State("nap", NOW, ago(20), ago(10), ago(900), None, 3), 240 - 10),
        (State("nap", NOW, ago(20), ago(10), ago(900), None, 40), 600 - 10),
    ],
    ids=["never", "done", "died first", "died", "died again", "failed", "failed thrice", "fails"],
)
def test_when_a_job_is_due(state: State, due_in: float) -> None:
    """Some time after its end; sooner after a failure, and at once when its runner died."""
    assert due_at(Job("nap", 600.0, nothing), state) == NOW + timedelta(seconds=due_in)


class Servers:
    """Some servers that share a database, and what their jobs did."""

    def __init__(self, url: str, databases: list[Database]) -> None:
        self.url = url
        self.databases = databases
        self.begun: list[int] = []  # backends
        self.may_end = asyncio.Event()

    async def slow(self, connection: Connection) -> Did:
        """Runs until it may end."""
        self.begun.append(await connection.fetchval("select pg_backend_pid()"))
        await self.may_end.wait()
        return {"rows": 3}

    def runners(self, *jobs: Job) -> list[Jobs]:
        return [Jobs(database, jobs) for database in self.databases]


@pytest_asyncio.fixture
async def servers(database_url: str) -> AsyncIterator[Servers]:
    databases = [await Database.open(database_url) for _ in range(2)]
    yield Servers(database_url, databases)
    for database in databases:
        await database.close()


def value(gauge: object, job: str) -> float:
    return gauge.labels(job)._value.get()  # type: ignore[attr-defined, no-any-return]


async def test_one_runner(servers: Servers) -> None:
    """Of two servers one runs a job, and both tell how it went; it is not due again at once."""
    one, two = servers.runners(Job("slow", 600.0, servers.slow))
    await asyncio.gather(one.look(), two.look())
    await eventually(lambda: servers.begun)
    await one.look()
    await two.look()
    await eventually(lambda: not all(r._running for r in (one, two)))
    assert value(telemetry.job_running, "slow") == 1
    servers.may_end.set()
    await eventually(lambda: not one._running and not two._running)
    assert len(servers.begun) == 1
    for runner in one, two:
        telemetry.job_last_success.labels("slow").set(0)
        await runner.look()
        assert value(telemetry.job_last_success, "slow") > 1e9
        assert not runner._running
    assert value(telemetry.job_failing, "slow") == 0
    assert value(telemetry.job_progress, "slow") == 1
    assert value(telemetry.job_running, "slow") == 0


async def test_it_is_not_run_again_by_who_looked_before(servers: Servers) -> None:
    """Who found it due looks again once it holds the lock."""
    job = Job("slow", 600.0, servers.slow)
    servers.may_end.set()
    run = await attempt(servers.databases[0].connect, job)
    assert run == Run("slow", "done", run.seconds, {"rows": 3})
    late = await attempt(servers.databases[1].connect, job)
    assert late.outcome == "elsewhere"
    again = await attempt(servers.databases[1].connect, job, only_if_due=False)
    assert again.outcome == "done"


async def test_a_runner_that_dies(servers: Servers, connection: Connection) -> None:
    """Its lock goes with its connection, and another takes the job up at once."""
    one, two = servers.runners(Job("slow", 600.0, servers.slow))
    await one.look()
    await eventually(lambda: servers.begun)
    dying = next(iter(one._running.values()))
    await two.look()
    await eventually(lambda: not two._running)
    await connection.execute("select pg_terminate_backend($1)", servers.begun[0])

    async def taken_up() -> bool:
        await two.look()
        return len(servers.begun) == 2

    await eventually(taken_up)
    servers.may_end.set()
    await eventually(lambda: not one._running and not two._running)
    assert dying.done()
    # What the first had to say of its run is no matter, as the second had begun.
    (state,) = (await states(connection, [Job("slow", 600.0, nothing)])).values()
    assert (state.failing, state.error) == (0, None)


async def test_jobs_that_fail_or_hang(servers: Servers, connection: Connection) -> None:
    """They are ended and recorded, and others go on meanwhile."""

    async def fails(connection: Connection) -> None:
        await connection.execute("select 1 / 0")

    async def broken(_connection: Connection) -> None:
        raise KeyError("mine")

    async def hangs(connection: Connection) -> None:
        await connection.execute("select pg_sleep(600)")

    all_jobs = (
        Job("fails", 600.0, fails),
        Job("broken", 600.0, broken),
        Job("hangs", 600.0, hangs, limit=0.3),
        Job("fine", 600.0, nothing),
    )
    one, _ = servers.runners(*all_jobs)
    with capture_logs() as logs:
        await one.look()
        await eventually(lambda: not one._running)
    why = {entry["job"]: entry["why"] for entry in logs if entry["event"] == "job failed"}
    assert re.match("DivisionByZeroError: ", why["fails"])
    assert why["broken"] == "KeyError: 'mine'"
    assert why["hangs"] == "took longer than 0.3 s"
    (traced,) = [entry for entry in logs if entry.get("exc_info")]
    assert traced["job"] == "broken"
    standing = await states(connection, all_jobs)
    assert {name: state.error for name, state in standing.items()} == {**why, "fine": None}
    assert {name: state.failing for name, state in standing.items() if state.failing} == {
        "fails": 1, "broken": 1, "hangs": 1
    }  # fmt: skip
    await one.look()
    assert value(telemetry.job_failing, "hangs") == 1
    assert not one._running
    hanging = "select count(*) from pg_stat_activity where query ~ '^select pg_sleep'"
    assert await connection.fetchval(hanging) == 0


async def test_draining(servers: Servers, connection: Connection) -> None:
    """What runs is ended and starts no more; its lock is free for another server at once."""
    one, two = servers.runners(Job("slow", 600.0, servers.slow))
    await one.look()
    await eventually(lambda: servers.begun)
    await one.drain()
    assert not one._running
    await one.look()
    assert not one._running
    servers.may_end.set()
    await two.look()
    await eventually(lambda: not two._running)
    assert len(servers.begun) == 2
    (state,) = (await states(connection, [Job("slow", 600.0, nothing)])).values()
    assert state.succeeded_at is not None
    await two.drain()


async def test_while_the_database_is_away(
    database_url: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking goes on, and so do jobs once it is back."""
    monkeypatch.setattr(module, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.02)
    servers.may_end.set()
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        runner = Jobs(database, [Job("slow", 600.0, servers.slow)])
        proxy.shut()
        with capture_logs() as logs:
            running = asyncio.create_task(runner.run())
            await eventually(lambda: len(logs) > 1)
            await runner._attempt(runner._jobs[0])
        assert {entry["event"] for entry in logs} == {
            "jobs can't be looked after; it is tried again",
            "job could not be begun or recorded",
        }
        await proxy.open()
        await eventually(lambda: servers.begun)
        running.cancel()
        await runner.drain()
        await database.close()


async def test_a_connection_that_does_not_end(database_url: str) -> None:
    """It is cut, as nobody may wait for it."""
    async with Proxy.before_database(database_url) as proxy:

        async def cut(connection: Connection) -> None:
            await connection.fetchval("select 1")
            proxy.shut()

        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await attempt(lambda: connect(proxy.url), Job("cut", 600.0, cut))


async def test_statements_may_take_as_long_as_the_job(database_url: str) -> None:
    """But none waits long for a lock, and in the middle of one Postgres notices a runner's end."""
    found = []

    async def look(connection: Connection) -> None:
        found.append(await connection.fetchval("show statement_timeout"))
        found.append(await connection.fetchval("show lock_timeout"))
        found.append(await connection.fetchval("show client_connection_check_interval"))

    await attempt(lambda: connect(database_url), Job("look", 600.0, look, limit=1800.0))
    assert found == ["30min", "2s", "5s"]


async def test_progress(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured, and told from time to time; outside of a job nobody is told."""
    shares = []

    async def half(_connection: Connection) -> None:
        progress(0.25)
        monkeypatch.setattr(module, "TELL_EVERY", 0.0)
        progress(0.5)
        shares.append(value(telemetry.job_progress, "half"))

    progress(0.5)
    with capture_logs() as logs:
        await attempt(lambda: connect(database_url), Job("half", 600.0, half))
    assert shares == [0.5]
    assert [(e["event"], e.get("share")) for e in logs[:1]] == [("job goes on", 0.5)]
