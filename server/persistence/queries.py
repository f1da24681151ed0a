"""Statements with a name: what is timed, bounded, logged when slow, and explained by it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import asyncpg

from server import telemetry
from server.errors import QueryTimeout
from server.persistence.types import Connection

T = TypeVar("T")

SOONEST = 0.001  # seconds: nobody is told of quicker statements, whatever the limit

GRANTED = "select current_setting('statement_timeout')"
GRANT = "select set_config('statement_timeout', $1, $2)"


class Kind(Enum):
    """What a statement is for; its value is how long one may take, in seconds.

    All but upkeep ends within what connections grant a statement, should we be gone when it is due.
    """

    READ = 5.0
    WRITE = 15.0  # more than connections wait for a lock, which says more
    REPORT = 20.0
    UPKEEP = 600.0

    @property
    def milliseconds(self) -> str:
        """How long one may take, as Postgres' settings have it."""
        return str(round(self.value * 1000))


class Query(NamedTuple):
    """A statement. name: family and deed, as «lessons.complete»; it never changes once released."""

    name: str
    kind: Kind
    sql: str


async def fetch(connection: Connection, query: Query, *arguments: Any) -> list[asyncpg.Record]:
    """All rows. Raises QueryTimeout if it took longer than its kind may, else what asyncpg does."""
    rows: list[asyncpg.Record] = await _run(connection.fetch, len, connection, query, arguments)
    return rows


async def fetchrow(connection: Connection, query: Query, *arguments: Any) -> asyncpg.Record | None:
    """The first row, if there is one. Raises as `fetch`."""
    row: asyncpg.Record | None = await _run(
        connection.fetchrow, _is_there, connection, query, arguments
    )
    return row


async def fetchval(connection: Connection, query: Query, *arguments: Any) -> Any:
    """The first column of the first row; None if there is no row. Raises as `fetch`."""
    return await _run(connection.fetchval, _is_there, connection, query, arguments)


async def execute(connection: Connection, query: Query, *arguments: Any) -> str:
    """What Postgres says was done («UPDATE 1»). Raises as `fetch`."""
    return str(await _run(connection.execute, _done, connection, query, arguments))


Count = Callable[[Any], int]


def _is_there(found: object) -> int:
    return 0 if found is None else 1


def _done(status: str) -> int:
    """How many rows a statement concerned, by what Postgres says of it."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0


async def _run(
    method: Callable[..., Awaitable[T]],
    count: Count,
    connection: Connection,
    query: Query,
    arguments: tuple[Any, ...],
) -> T:
    if query.kind is Kind.UPKEEP:
        async with granted(connection, query.kind):
            return await _timed(method, count, connection, query, arguments)
    return await _timed(method, count, connection, query, arguments)


async def _timed(
    method: Callable[..., Awaitable[T]],
    count: Count,
    connection: Connection,
    query: Query,
    arguments: tuple[Any, ...],
) -> T:
    rows = None
    started = time.perf_counter()
    try:
        result = await method(query.sql, *arguments, timeout=query.kind.value)
        rows = count(result)
        return result
    except (TimeoutError, asyncpg.QueryCanceledError) as error:
        seconds = time.perf_counter() - started
        telemetry.query_timeouts.labels(query.kind.name.lower()).inc()
        raise QueryTimeout(f"{query.name} was ended after {seconds:.1f} s; try again") from error
    finally:
        seconds = time.perf_counter() - started
        telemetry.query_seconds.observe(query.name, seconds)
        if seconds >= SOONEST:
            slow = getattr(connection, "slow", None)
            if slow is not None:
                slow.took(query, arguments, seconds, rows)


@asynccontextmanager
async def granted(connection: Connection, kind: Kind) -> AsyncIterator[None]:
    """Have Postgres, too, let a statement in this block run for as long as its kind may.

    Where no transaction is under way this takes a connection to the database itself, with no pooler
    between that lends another one for each statement.
    """
    local = connection.is_in_transaction()
    before = await connection.fetchval(GRANTED)
    await connection.execute(GRANT, kind.milliseconds, local)
    try:
        yield
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):  # both end the grant, too
            await connection.execute(GRANT, before, local)
