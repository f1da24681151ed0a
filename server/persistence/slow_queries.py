"""Tells of statements that took long, with their plan and without any value of theirs.

The plan is asked for on a connection of its own, one at a time and a few a minute: whoever waits
for the database must not wait for what explains why. It is the plan for unknown values, which the
statement is not run for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from server import telemetry
from server.domain.buckets import TokenBucket
from server.persistence.connections import PASSING
from server.persistence.plans import generic_plan
from server.persistence.queries import Query
from server.persistence.types import Connection

log = structlog.get_logger()

LINES_A_MINUTE = 60
PLANS_A_MINUTE = 6
SAME_PLAN_AFTER = 600.0  # seconds
PLAN_SECONDS = 5.0  # for connecting and for the plan


class SlowQueries:
    """Those of one pool. limit: seconds from which a statement is slow; 0: none is.

    connect: opens a connection to the same database. role: as whom to ask for plans; None: as
    whoever connects. clock: seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        limit: float,
        role: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._limit = limit
        self._role = role
        self._clock = clock
        self._lines = TokenBucket(LINES_A_MINUTE / 60, LINES_A_MINUTE)
        self._plans = TokenBucket(PLANS_A_MINUTE / 60, PLANS_A_MINUTE)
        self._planned: dict[str, float] = {}  # when, by name
        self._left_out = 0
        self._explaining: asyncio.Task[None] | None = None

    def took(
        self, query: Query, arguments: Sequence[Any], seconds: float, rows: int | None
    ) -> None:
        """Take note of how long a statement took. rows: None if it failed."""
        if not self._limit or seconds < self._limit:
            return
        telemetry.slow_queries.labels(query.name).inc()
        now = self._clock()
        if self._lines.take(now):
            self._left_out += 1
            return
        told = {
            "query": query.name,
            "milliseconds": round(seconds * 1000, 1),
            "rows": rows,
            "parameters": [shape(argument) for argument in arguments],
        }
        if self._left_out:
            told["left_out"] = self._left_out
            self._left_out = 0
        if self._may_explain(query.name, now):
            self._explaining = asyncio.create_task(self._explain(query.sql, told))
        else:
            log.warning("slow query", **told)

    def close(self) -> None:
        """Explain nothing more."""
        self._limit = 0.0
        if self._explaining is not None:
            self._explaining.cancel()

    def _may_explain(self, name: str, now: float) -> bool:
        if self._explaining is not None and not self._explaining.done():
            return False
        if now - self._planned.get(name, -SAME_PLAN_AFTER) < SAME_PLAN_AFTER:
            return False
        if self._plans.take(now):
            return False
        self._planned[name] = now
        return True

    async def _explain(self, sql: str, told: dict[str, object]) -> None:
        try:
            async with asyncio.timeout(PLAN_SECONDS):
                connection = await self._connect()
                try:
                    plan = await generic_plan(connection, sql, self._role)
                finally:
                    connection.terminate()
        except PASSING as error:
            plan = f"could not be had: {type(error).__name__}"
        log.warning("slow query", **told, plan=plan)


def shape(value: object) -> str:
    """What may be told of a value: its type, and how long it is."""
    name = type(value).__name__
    return f"{name}({len(value)})" if isinstance(value, str | bytes | list | tuple) else name
