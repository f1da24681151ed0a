"""Reads on a real standby that lags, hangs, dies and is promoted: right, and saying where from."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from server.config import Pooling
from server.errors import QueryTimeout
from server.ids import Lsn
from server.persistence import queries, reads, replicas
from server.persistence.access import Access
from server.persistence.database import Database
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection
from tests.support.logins import connected, database_of, login
from tests.support.metrics import metric
from tests.support.postgres import FLAVOURS, PostgresInstance, scratch
from tests.support.proxy import Proxy
from tests.support.standby import Standby, of_database
from tests.support.waiting import eventually

REPLICA = "server replica 1"
NOBODY = "select not exists (select from pg_stat_activity where datname = $1)"
MAKE = """
create table counter (value int not null);
insert into counter values (0);
grant select on counter to lyceum_app
"""


@pytest_asyncio.fixture(scope="module", params=FLAVOURS)
async def primary(request: pytest.FixtureRequest) -> AsyncIterator[PostgresInstance]:
    """One of our own: that of all tests holds a thousand databases, too many to copy."""
    with scratch() as folder:
        instance = await PostgresInstance.start(folder, request.param)
        yield instance
        await instance.server.stop()


@pytest_asyncio.fixture(scope="module")
async def standby(primary: PostgresInstance) -> AsyncIterator[Standby]:
    """A standby of it, for tests that leave it well."""
    with scratch() as folder:
        standby = await Standby.of(primary, folder / "standby")
        yield standby
        await standby.stop()


@pytest_asyncio.fixture(scope="module")
async def url(primary: PostgresInstance, standby: Standby) -> str:
    """A database with a counter, which the standby has too."""
    url = await primary.create_database()
    async with connected(url) as connection:
        await connection.execute(MAKE)
    return url


@asynccontextmanager
async def reading(url: str, replica_url: str, lag: float = 2.0) -> AsyncIterator[Database]:
    """A database whose replica is known to be up."""
    pooling = Pooling(replica_urls=(replica_url,), replica_lag_seconds=lag)
    database = await Database.open(url, pooling)
    try:
        await eventually(lambda: source_of(database, REPLICA), what="a replica that is read")
        yield database
    finally:
        await database.close()


async def source_of(database: Database, wanted: str) -> bool:
    return (await database.read(count)).source == wanted


async def count(connection: Connection) -> int:
    value: int = await connection.fetchval("select value from counter")
    return value


async def raise_counter(database: Database) -> tuple[int, Lsn]:
    async with database.acquire() as connection:
        value = await connection.fetchval("update counter set value = value + 1 returning value")
    return value, await database.position()


async def replay(standby: Standby, goes_on: bool) -> None:
    """Let a standby apply what it gets, or not."""
    async with connected(standby.url) as connection:
        await connection.execute(f"select pg_wal_replay_{'resume' if goes_on else 'pause'}()")
        paused = "select pg_get_wal_replay_pause_state() = 'paused'"
        if not goes_on:
            await eventually(lambda: connection.fetchval(paused))


async def test_a_replica_answers(url: str, standby: Standby) -> None:
    """It says so, is counted, has what was written before, and can't be written to."""
    before = metric("lyceum_reads_total", source=REPLICA)
    async with reading(url, of_database(standby.url, url)) as database:
        value, lsn = await raise_counter(database)
        await eventually(lambda: source_of(database, REPLICA))
        answer = await database.read(count, after=lsn)
        assert answer.value == value
        assert metric("lyceum_reads_total", source=REPLICA) > before
        assert metric("lyceum_replica_up", replica=REPLICA) == 1
        assert 0 <= metric("lyceum_replica_lag_seconds", replica=REPLICA) < 2
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await database.read(lambda connection: connection.execute("delete from counter"))
    assert metric("lyceum_replica_up", replica=REPLICA) == 0
    assert metric("lyceum_pool_limit", pool=REPLICA) == 0
    names = {REPLICA, "primary's log"}
    await eventually(lambda: not names & {task.get_name() for task in asyncio.all_tasks()})
    async with connected(standby.url) as superuser:
        await eventually(lambda: superuser.fetchval(NOBODY, database_of(url)))


async def test_without_replicas(url: str) -> None:
    """The primary answers, in a transaction that can't write, and nothing is sent back."""
    database = await Database.open(url)
    before = metric("lyceum_reads_sent_back_total", why="none")
    answer = await database.read(lambda c: c.fetchval("show transaction_read_only"))
    assert answer == ("on", "primary")
    assert metric("lyceum_reads_sent_back_total", why="none") == before
    await database.close()


async def test_a_person_sees_their_own(url: str, standby: Standby) -> None:
    """Row-level security holds on a replica, and a read after a write finds it."""
    app = await login(url, "lyceum_app")
    pooling = Pooling(replica_urls=(of_database(standby.url, app),))
    access = await Access.open(app, pooling=pooling)
    async with connected(url) as superuser:
        add = "insert into users (subject, username) values ($1, $1) returning id"
        ann, bob = [await superuser.fetchval(add, name) for name in ("ann", "bob")]
    sources = set()

    async def seen(connection: Connection) -> list[str]:
        who = await connection.fetchval("select current_user::text")
        rows = await connection.fetch("select username from users")
        return [who, *(row[0] for row in rows)]

    async def visit() -> bool:
        for person, name in ((ann, "ann"), (bob, "bob")):
            answer = await access.read_as(person, seen, after=await access.position())
            assert answer.value == ["lyceum_app", name]
            sources.add(answer.source)
        return "app replica 1" in sources

    await eventually(visit)
    async with access.as_user(ann) as connection:
        await connection.execute("update users set username = 'Ann'")
    renamed = await access.read_as(ann, seen, after=await access.position())
    assert renamed.value == ["lyceum_app", "Ann"]
    await access.close()


async def test_a_login_that_may_more_is_not_used(url: str, standby: Standby) -> None:
    """A replica's URL is held to what the primary's is held to; the log says why it is not read."""
    app = await login(url, "lyceum_app")
    replica = of_database(standby.url, url)
    with capture_logs() as logs:
        access = await Access.open(app, pooling=Pooling(replica_urls=(replica,)))
        (entry,) = await eventually(
            lambda: [entry for entry in logs if entry["event"] == "a replica is not read"]
        )
    assert "could act as" in entry["why"]
    assert (await access.read_as(1, count)).source == "primary"
    await access.close()


async def test_what_is_no_standby_of_ours(
    url: str, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A primary, and a standby of another database, are not read."""
    elsewhere = replicas.SAMPLE.replace("system_identifier", "1::bigint as system_identifier")

    async def complaint(replica: str) -> str:
        with capture_logs() as logs:
            database = await Database.open(url, Pooling(replica_urls=(replica,)))
            (entry,) = await eventually(
                lambda: [entry for entry in logs if entry["event"] == "a replica is not read"]
            )
        assert (await database.read(count)).source == "primary"
        await database.close()
        return str(entry["why"])

    assert await complaint(url) == "it is no standby, or none any more"
    assert await complaint("postgresql://me:se#same@localhost/me") == "its URL can't be read"
    monkeypatch.setattr(replicas, "SAMPLE", elsewhere)
    why = await complaint(of_database(standby.url, url))
    assert why == "it is a standby of another database"


STEPS = st.lists(st.sampled_from(["write", "pause", "resume", "read", "read own"]), max_size=10)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
async def test_who_wrote_reads_it(url: str, standby: Standby, steps: list[str]) -> None:
    """Whenever replay stops and goes on: a read after a write has it; others have some older state.

    No answer of a replica goes back behind an earlier one of it.
    """
    async with reading(url, of_database(standby.url, url)) as database:
        value, lsn = await raise_counter(database)
        seen = 0
        try:
            for step in [*steps, "read own"]:
                if step == "write":
                    value, lsn = await raise_counter(database)
                elif step in ("pause", "resume"):
                    await replay(standby, step == "resume")
                elif step == "read own":
                    assert (await database.read(count, after=lsn)).value == value
                else:
                    answer = await database.read(count)
                    if answer.source == REPLICA:
                        assert seen <= answer.value <= value
                        seen = answer.value
                    else:
                        assert answer.value == value
        finally:
            await replay(standby, True)


async def test_one_that_lags(url: str, standby: Standby) -> None:
    """Past the bound of staleness the primary answers, until the standby has caught up."""
    async with reading(url, of_database(standby.url, url), lag=0.5) as database:
        await replay(standby, False)
        try:
            before = metric("lyceum_reads_sent_back_total", why="none")
            value, lsn = await raise_counter(database)
            answer = await database.read(count, after=lsn)
            assert answer == (value, "primary")
            await eventually(lambda: source_of(database, "primary"))
            assert (await database.read(count)).value == value
            assert metric("lyceum_replica_lag_seconds", replica=REPLICA) > 0.5
            assert metric("lyceum_reads_sent_back_total", why="none") > before
        finally:
            await replay(standby, True)
        await eventually(lambda: source_of(database, REPLICA))
        assert (await database.read(count)).value == value


async def test_one_that_is_idle(url: str, standby: Standby) -> None:
    """Where nothing is written for longer than the bound, a standby does not grow old."""
    async with reading(url, of_database(standby.url, url), lag=0.5) as database:
        samples = database._replicas._samples
        begun = samples[-1].at
        await eventually(lambda: samples[-1].at > begun + 0.6)
        await eventually(lambda: source_of(database, REPLICA))


async def test_one_that_is_killed(url: str, standby: Standby) -> None:
    """Reads under way and after it find what they should; once it is back it is read again."""
    async with reading(url, of_database(standby.url, url)) as database:
        value, _ = await raise_counter(database)
        runs = []
        reached = asyncio.Event()

        async def slowly(connection: Connection) -> int:
            runs.append(await connection.fetchval("select pg_is_in_recovery()"))
            reached.set()
            if runs[-1]:
                await connection.fetchval("select pg_sleep(60)")
            return await count(connection)

        under_way = asyncio.create_task(database.read(slowly))
        await reached.wait()
        assert standby.pid is not None
        os.kill(standby.pid, signal.SIGKILL)
        others = [await database.read(count) for _ in range(20)]
        assert {answer.value for answer in others} == {value}
        assert await under_way == (value, "primary")
        assert runs == [True, False]
        await eventually(lambda: source_of(database, REPLICA), 30)


async def test_one_that_hangs(url: str, standby: Standby, monkeypatch: pytest.MonkeyPatch) -> None:
    """The primary answers soon, and a statement that hung on the replica is run again there."""
    monkeypatch.setattr(reads, "PATIENCE", 0.2)
    monkeypatch.setattr(replicas, "CHECK_TIMEOUT", 0.2)
    monkeypatch.setattr(Kind.READ, "_value_", 3.0)
    query = Query("test.counter", Kind.READ, "select value from counter")
    async with (
        Proxy.before_database(of_database(standby.url, url)) as proxy,
        reading(url, proxy.url) as database,
    ):
        value, _ = await raise_counter(database)

        async def stalled(connection: Connection) -> Any:
            proxy.stall()
            return await queries.fetchval(connection, query)

        assert await database.read(stalled) == (value, "primary")
        assert (await database.read(count)).source == "primary"
        proxy.resume()
        await eventually(lambda: source_of(database, REPLICA))
        proxy.stall()
        assert await database.read(count) == (value, "primary")
        proxy.resume()


async def test_one_whose_primary_is_cut_off(url: str, standby: Standby) -> None:
    """The primary is asked on a new connection when the old one broke."""
    async with (
        Proxy.before_database(url) as proxy,
        reading(proxy.url, of_database(standby.url, url), lag=0.5) as database,
    ):
        proxy.shut()
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await eventually_fails(lambda: database.read(count))
        await proxy.open()
        await eventually(lambda: source_of(database, REPLICA))


async def eventually_fails(work: Callable[[], Awaitable[object]]) -> None:
    """Raise what the work raises once it fails."""
    while True:
        await work()


async def test_errors_of_the_statement(
    url: str, standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong or slow on a healthy replica is not tried on the primary as well."""
    monkeypatch.setattr(Kind.READ, "_value_", 0.1)
    runs = 0

    async def run(connection: Connection, query: Query) -> None:
        nonlocal runs
        runs += 1
        await queries.fetch(connection, query)

    async with reading(url, of_database(standby.url, url)) as database:
        slow = Query("test.slow", Kind.READ, "select pg_sleep(60)")
        wrong = Query("test.wrong", Kind.WRITE, "select 1 / 0")
        with pytest.raises(QueryTimeout):
            await database.read(lambda connection: run(connection, slow))
        with pytest.raises(asyncpg.DivisionByZeroError):
            await database.read(lambda connection: run(connection, wrong))
        assert runs == 2
        assert await source_of(database, REPLICA)


async def test_one_that_is_promoted(url: str, primary: PostgresInstance) -> None:
    """From then on it is none: what is written to it is never read, not even by the next read."""
    with scratch() as folder:
        standby = await Standby.of(primary, folder / "promoted")
        try:
            replica_url = of_database(standby.url, url)
            async with reading(url, replica_url, lag=3600.0) as database:
                value, _ = await raise_counter(database)
                async with connected(replica_url) as promoted:
                    assert await promoted.fetchval("select pg_promote()")
                    await promoted.execute("update counter set value = -1")
                assert await database.read(count) == (value, "primary")
                await eventually(lambda: not metric("lyceum_replica_up", replica=REPLICA))
                assert await database.read(count) == (value, "primary")
        finally:
            await standby.stop()
