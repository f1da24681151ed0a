"""Measures statements on a seeded database: warm, cold, and what their plans do.

Each runs as the role it has in production, in a transaction that is undone. Cold: the first time on
a connection that is new, with arguments that were not used before; what of the data is in memory
is left as it is, as only the machine's administrator can change that.
"""

import importlib
import json
import pkgutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from server.errors import DatabaseError
from server.persistence import school
from server.persistence.connections import connect
from server.persistence.database import PASSING, describe
from server.persistence.performance import plans
from server.persistence.performance.arguments import ARGUMENTS
from server.persistence.performance.drawing import DRAWN, Draw
from server.persistence.performance.plans import Buffers
from server.persistence.queries import Kind, Query
from server.persistence.seeding import runs
from server.persistence.seeding.runs import Run
from server.persistence.types import Connection

COLD = 3  # times that each statement is run cold, if it is run as often warm
WARM_UP = 5
FEWEST_DRAWN = 30  # some draws are of nobody
ENOUGH_PEOPLE = 50_000  # for the planner to care; with fewer, it is asked what it would do
LARGE = 1000.0  # rows of a table or partition that is not to be read from end to end

ROWS = """
select relname::text, greatest(reltuples, 0)::float8
from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r'
"""
ACT = """
select set_config('app.current_user_id', $1::text, true), set_config('role', $2, true)
"""
SEQUENTIAL = "select set_config('enable_seqscan', $1, true)"
EXPLAIN = "explain (analyze, buffers, format json) "


class Measured(Struct, frozen=True):
    """One statement. Times are in seconds. scanned: large tables that were read from end to end.

    rows: on average. error: why it could not be measured; then all else is empty.
    """

    name: str
    kind: str
    warm: Sequence[float] = ()
    cold: Sequence[float] = ()
    rows: float = 0.0
    buffers: Buffers = Buffers(0, 0)
    shape: Sequence[str] = ()
    scanned: Sequence[str] = ()
    error: str = ""


def quantile(times: Sequence[float], share: float) -> float:
    """The time that so many of them don't exceed; 0 without any."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def queries() -> list[Query]:
    """All named statements of the school, by name, without those of upkeep."""
    found: dict[str, Query] = {}
    for module in pkgutil.walk_packages(school.__path__, f"{school.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            for each in value.values() if isinstance(value, dict) else (value,):
                if isinstance(each, Query) and each.kind is not Kind.UPKEEP:
                    found[each.name] = each
    return [found[name] for name in sorted(found)]


async def seeded(connection: Connection) -> Run:
    """What the database was seeded with; raises DatabaseError if that is not so, or not done."""
    run = await runs.stored(connection)
    if run is None or not run.finished:
        raise DatabaseError("this takes a database that `lyceum db seed` has filled")
    return run


async def measure(
    url: str, statements: Sequence[Query], seed: int, samples: int
) -> AsyncIterator[Measured]:
    """Measure them one after the other, each with so many draws of arguments."""
    connection = await connect(url)
    try:
        await connection.execute("set statement_timeout = '60s'")
        small = (await seeded(connection)).plan.users < ENOUGH_PEOPLE
        rows = {name: LARGE if small else count for name, count in await connection.fetch(ROWS)}
        for query in statements:
            draw = ARGUMENTS.get(query.name)
            if draw is None:
                yield Measured(query.name, query.kind.name, error="has no line in arguments.py")
                continue
            try:
                yield await _Measuring(url, connection, query, draw, small, rows).run(seed, samples)
            except PASSING as error:
                yield Measured(query.name, query.kind.name, error=describe(error))
    finally:
        connection.terminate()


class _Measuring:
    def __init__(
        self,
        url: str,
        connection: Connection,
        query: Query,
        draw: Draw,
        small: bool,
        rows: Mapping[str, float],
    ) -> None:
        self._url = url
        self._connection = connection
        self._query = query
        self._small = small
        self._rows = rows
        self._draw = draw

    async def run(self, seed: int, samples: int) -> Measured:
        cold_runs = min(COLD, samples)
        most = samples + cold_runs
        count = max(most, FEWEST_DRAWN)
        drawn = await self._connection.fetch(DRAWN + self._draw.sql, seed, count, timeout=600)
        if not drawn:
            return Measured(self._query.name, self._query.kind.name, error="no arguments are there")
        arguments = [tuple(row) for row in drawn[:most]]
        cold = [await self._cold(row) for row in arguments[:cold_runs]]
        rest = arguments[cold_runs:] or arguments
        warm, counts = await self._warm(rest)
        slowest = max(range(len(warm)), key=warm.__getitem__)
        plan = await self._explain(rest[slowest])
        return Measured(
            self._query.name,
            self._query.kind.name,
            warm,
            cold,
            sum(counts) / len(counts),
            plans.buffers(plan),
            plans.shape(plan),
            plans.scanned(plan, self._rows, LARGE),
        )

    async def _cold(self, row: tuple[Any, ...]) -> float:
        connection = await connect(self._url)
        try:
            return (await self._timed(connection, row))[0]
        finally:
            connection.terminate()

    async def _warm(self, rows: Sequence[tuple[Any, ...]]) -> tuple[list[float], list[int]]:
        for row in rows[:WARM_UP]:
            await self._timed(self._connection, row)
        taken = [await self._timed(self._connection, row) for row in rows]
        return [seconds for seconds, _ in taken], [count for _, count in taken]

    async def _timed(self, connection: Connection, row: tuple[Any, ...]) -> tuple[float, int]:
        async with self._acting(connection, row) as arguments:
            started = time.perf_counter()
            found = await connection.fetch(self._query.sql, *arguments)
            return time.perf_counter() - started, len(found)

    async def _explain(self, row: tuple[Any, ...]) -> plans.Node:
        async with self._acting(self._connection, row) as arguments:
            await self._connection.execute(SEQUENTIAL, "off" if self._small else "on")
            text = await self._connection.fetchval(EXPLAIN + self._query.sql, *arguments)
        plan: plans.Node = json.loads(text)[0]["Plan"]
        return plan

    @asynccontextmanager
    async def _acting(
        self, connection: Connection, row: tuple[Any, ...]
    ) -> AsyncIterator[tuple[Any, ...]]:
        """The arguments, in a transaction of who runs the statement, which is undone."""
        transaction = connection.transaction()
        await transaction.start()
        try:
            person = 0 if self._draw.role == "server" else row[0]
            await connection.execute(ACT, str(person), f"lyceum_{self._draw.role}")
            yield row if self._draw.role == "server" else row[1:]
        finally:
            await transaction.rollback()
