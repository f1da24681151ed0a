"""Statements with a name: what they give, that they are timed, and when they are ended."""

import asyncpg
import pytest

from server.errors import QueryTimeout
from server.persistence import queries
from server.persistence.database import PASSING
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection
from tests.support.metrics import metric

COUNT = Query("test.count", Kind.READ, "select n from generate_series(1, $1::int) as n order by n")
SLEEP = Query("test.sleep", Kind.READ, "select pg_sleep(60)")
GRANTED = Query("test.granted", Kind.UPKEEP, "select current_setting('statement_timeout')")
FAILS = Query("test.fails", Kind.UPKEEP, "select 1 / 0")
NOW = "show statement_timeout"


async def test_each_gives_what_it_says(connection: Connection) -> None:
    """Rows, a row, a value, or what was done; nothing where there is nothing."""
    assert [row["n"] for row in await queries.fetch(connection, COUNT, 2)] == [1, 2]
    row = await queries.fetchrow(connection, COUNT, 2)
    assert row is not None
    assert row["n"] == 1
    assert await queries.fetchrow(connection, COUNT, 0) is None
    assert await queries.fetchval(connection, COUNT, 2) == 1
    assert await queries.fetchval(connection, COUNT, 0) is None
    assert await queries.execute(connection, COUNT, 2) == "SELECT 2"


async def test_each_is_timed_by_its_name(connection: Connection) -> None:
    """Whichever way it is run, and also if it fails."""
    query = Query("test.timed", Kind.READ, "select 1 / $1::int")
    before = metric("lyceum_query_seconds_count", name="test.timed")
    for run in (queries.fetch, queries.fetchrow, queries.fetchval, queries.execute):
        await run(connection, query, 1)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await queries.fetch(connection, query, 0)
    assert metric("lyceum_query_seconds_count", name="test.timed") == before + 5
    assert metric("lyceum_query_seconds_sum", name="test.timed") > 0


@pytest.mark.parametrize("ends", ["client", "server"])
async def test_what_takes_too_long_is_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """By us or by Postgres: an error that passes and names the statement; the connection lives."""
    if ends == "client":
        monkeypatch.setattr(Kind.READ, "_value_", 0.1)
    else:
        await connection.execute("set statement_timeout = '100ms'")
    before = metric("lyceum_query_timeouts_total", kind="read")
    with pytest.raises(QueryTimeout, match=r"test\.sleep was ended after 0\.\d s") as error:
        await queries.fetch(connection, SLEEP)
    assert isinstance(error.value, PASSING)
    assert error.value.http_status == 503
    assert metric("lyceum_query_timeouts_total", kind="read") == before + 1
    assert await queries.fetchval(connection, COUNT, 1) == 1


async def test_upkeep_may_take_long(connection: Connection) -> None:
    """Postgres lets it, in a transaction and outside of one, and what comes next not any more."""
    await connection.execute("set statement_timeout = '20s'")
    assert await queries.fetchval(connection, GRANTED) == "10min"
    assert await connection.fetchval(NOW) == "20s"
    async with connection.transaction():
        assert await queries.fetchval(connection, GRANTED) == "10min"
        assert await connection.fetchval(NOW) == "20s"


async def test_upkeep_that_fails_leaves_nothing(connection: Connection) -> None:
    """After an error, too, the connection grants what it did before."""
    await connection.execute("set statement_timeout = '20s'")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await queries.fetch(connection, FAILS)
    assert await connection.fetchval(NOW) == "20s"
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with connection.transaction():
            await queries.fetch(connection, FAILS)
    assert await connection.fetchval(NOW) == "20s"
