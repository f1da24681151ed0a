"""Slow statements are told of with their plan, without any value, and without being run again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from server.config import Pooling
from server.persistence import queries, slow_queries
from server.persistence.access import Access
from server.persistence.database import Database, connect
from server.persistence.plans import MOST_CHARACTERS, generic_plan
from server.persistence.queries import Kind, Query
from server.persistence.slow_queries import LINES_A_MINUTE, PLANS_A_MINUTE, SlowQueries
from server.persistence.types import Connection
from tests.support.metrics import metric
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

FIND = Query(
    "test.find",
    Kind.READ,
    """
select id, pg_sleep(0.002)::text
from users
where username = $1 and subject = any($2) and xp <> $3 and created_at < $4 and level <> $5::float8
    and coalesce(email, $6) <> $6
""",
)
NAP = Query("test.nap", Kind.READ, "select pg_sleep(0.002) from generate_series(1, $1)")
ADD = Query(
    "test.add",
    Kind.WRITE,
    "insert into users (subject, username) select $1, $1 from pg_sleep(0.002) returning id",
)
TABLE = Query("test.table", Kind.WRITE, "create table slowly as select pg_sleep(0.002)")
Logs = list[Any]


@pytest_asyncio.fixture(scope="module")
async def url(postgres: PostgresInstance) -> str:
    """A database for all of these."""
    return await postgres.create_database()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explain as often as something is slow."""
    monkeypatch.setattr(slow_queries, "PLANS_A_MINUTE", 1_000_000)
    monkeypatch.setattr(slow_queries, "LINES_A_MINUTE", 1_000_000)


@pytest_asyncio.fixture
async def slow(url: str) -> AsyncIterator[SlowQueries]:
    """Everything is slow to it."""
    slow = SlowQueries(lambda: connect(url), 0.001)
    yield slow
    slow.close()


def told(logs: Logs) -> Logs:
    return [entry for entry in logs if entry["event"] == "slow query"]


VALUES = st.tuples(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=10),
    st.lists(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=10)),
    st.integers(10**8, 2**31 - 1),
    st.datetimes(timezones=st.just(UTC)),
    st.floats(1e10, 1e30),
    st.binary(min_size=10),
)


@pytest.mark.usefixtures("eager")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(VALUES)
async def test_no_value_is_told(url: str, values: tuple[Any, ...]) -> None:
    """Whatever a statement was about, its plan and its parameters' kinds hold nothing of it."""
    slow = SlowQueries(lambda: connect(url), 0.001)
    with capture_logs() as logs:
        slow.took(FIND, values, 0.25, 3)
        (entry,) = await eventually(lambda: told(logs))
    text, texts, number, moment, real, data = values
    assert entry["parameters"] == [
        f"str({len(text)})", f"list({len(texts)})", "int", "datetime", "float",
        f"bytes({len(data)})",
    ]  # fmt: skip
    assert "Scan" in entry["plan"]
    assert "username = $1" in entry["plan"]
    line = str(entry)
    for value in (text, *texts, str(number), moment.isoformat(" "), repr(real), data.hex()):
        assert value not in line
    slow.close()


async def test_a_slow_statement_is_told_of(url: str) -> None:
    """Name, milliseconds, rows and plan, of a pool's connections and of those of one's own."""
    database = await Database.open(url, Pooling(slow_seconds=0.002))
    before = metric("lyceum_slow_queries_total", name="test.nap")
    with capture_logs() as logs:
        async with database.acquire() as connection:
            await queries.fetch(connection, NAP, 3)
        (first,) = await eventually(lambda: told(logs))
        own = await database.connect()
        await queries.execute(own, NAP, 2)
        await own.close()
    second = told(logs)[1]
    assert first["log_level"] == "warning"
    assert (first["query"], first["rows"], first["parameters"]) == ("test.nap", 3, ["int"])
    assert 6 <= first["milliseconds"] < 5000
    assert "Function Scan on generate_series" in first["plan"]
    assert (second["rows"], "plan" in second) == (2, False)  # the plan was just told
    assert metric("lyceum_slow_queries_total", name="test.nap") == before + 2
    await database.close()


async def test_quick_ones_are_not(url: str) -> None:
    """Below the limit, and with a limit of 0, nothing is told or counted."""
    before = metric("lyceum_slow_queries_total", name="test.nap")
    for limit in (60.0, 0.0):
        database = await Database.open(url, Pooling(slow_seconds=limit))
        with capture_logs() as logs:
            async with database.acquire() as connection:
                await queries.fetch(connection, NAP, 1)
        assert not told(logs)
        await database.close()
    assert metric("lyceum_slow_queries_total", name="test.nap") == before


async def test_a_write_is_not_run_again(url: str) -> None:
    """Its plan is told, and what it writes is there once."""
    database = await Database.open(url, Pooling(slow_seconds=0.001))
    with capture_logs() as logs:
        async with database.acquire() as connection:
            assert await queries.fetchval(connection, ADD, "only-once") is not None
            (entry,) = await eventually(lambda: told(logs))
            assert await connection.fetchval("select count(*) from users") == 1
            await connection.execute("delete from users")
    assert entry["plan"].startswith("Insert on users")
    assert "only-once" not in str(entry)
    await database.close()


async def test_a_persons_plan_is_theirs(url: str) -> None:
    """What runs under row-level security is explained under it, whoever logged in."""
    access = await Access.open(url, any_login=True, pooling=Pooling(slow_seconds=0.001))
    query = Query("test.own", Kind.READ, "select pg_sleep(0.002), percent from user_progress")
    with capture_logs() as logs:
        async with access.as_user(1) as connection:
            await queries.fetch(connection, query)
            (entry,) = await eventually(lambda: [e for e in told(logs) if "plan" in e])
    assert "user_id = " in entry["plan"]
    await access.close()


async def test_what_has_no_plan(url: str, connection: Connection, slow: SlowQueries) -> None:
    """A statement that can't be explained, or a database that is gone, is told of all the same."""
    await connection.execute("set search_path = pg_temp")
    with capture_logs() as logs:
        slow.took(Query("test.broken", Kind.READ, "select from"), [], 0.2, None)
        (entry,) = await eventually(lambda: told(logs))
    assert entry["plan"] == "could not be had: PostgresSyntaxError"
    assert entry["rows"] is None

    async def gone() -> Connection:
        raise OSError("nobody there")

    lonely = SlowQueries(gone, 0.001)
    with capture_logs() as logs:
        lonely.took(NAP, [1], 0.2, 1)
        (entry,) = await eventually(lambda: told(logs))
    assert entry["plan"] == "could not be had: OSError"


async def test_one_plan_at_a_time() -> None:
    """While one is asked for in vain, others are told of without; closing ends it."""
    asked = asyncio.Event()

    async def hangs() -> Connection:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    slow = SlowQueries(hangs, 0.001)
    with capture_logs() as logs:
        slow.took(NAP, [1], 0.2, 1)
        await asked.wait()
        slow.took(FIND, [], 0.2, 1)
        assert [(entry["query"], "plan" in entry) for entry in told(logs)] == [("test.find", False)]
        slow.close()
        slow.took(FIND, [], 0.2, 1)
        await asyncio.sleep(0)
    assert len(told(logs)) == 1


async def test_few_lines_and_fewer_plans(url: str) -> None:
    """When everything is slow the log says how many it has left out, and asks for few plans."""
    now = 1000.0
    slow = SlowQueries(lambda: connect(url), 0.001, clock=lambda: now)
    with capture_logs() as logs:
        for number in range(LINES_A_MINUTE):
            slow.took(Query(f"test.{number}", Kind.READ, "select 1"), [], 0.2, 1)
            await eventually(lambda number=number: len(told(logs)) > number)
        for _ in range(7):
            slow.took(NAP, [1], 0.2, 1)
        assert len(told(logs)) == LINES_A_MINUTE
        assert len([entry for entry in told(logs) if "plan" in entry]) == PLANS_A_MINUTE
        now += 60
        slow.took(FIND, [], 0.2, 1)
        await eventually(lambda: len(told(logs)) > LINES_A_MINUTE)
        slow.took(FIND, [], 0.2, 1)
    last, second = told(logs)[-2:]
    assert (last["left_out"], "plan" in last) == (7, True)
    assert ("left_out" in second, "plan" in second) == (False, False)
    slow.close()


async def test_a_long_plan_is_cut(connection: Connection) -> None:
    """One of a hundred parts does not fill the log."""
    parts = " union all ".join(f"select {number} from users" for number in range(300))
    plan = await generic_plan(connection, parts)
    assert len(plan) == MOST_CHARACTERS + 1
    assert plan.startswith("Append")


async def test_explaining_leaves_nothing(connection: Connection) -> None:
    """No statement stays prepared on a connection that a pooler may lend again."""
    await generic_plan(connection, FIND.sql)
    await generic_plan(connection, "select 1")
    left = await connection.fetch("select name from pg_prepared_statements where name like 'expl%'")
    assert not left
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await generic_plan(connection, "select 1; create table made ()")
