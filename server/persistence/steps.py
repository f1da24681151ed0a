"""Runs one step of a migration without holding anybody up: short waits for locks, tried again.

A step waits for locks for at most LOCK_TIMEOUT in all, as whoever comes after it waits too; then
it lets go of everything, tells who was in the way, and comes again a little later.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import asyncpg
import structlog

from server.errors import DatabaseError
from server.persistence.blockers import Observe, Watch, watching
from server.persistence.database import PASSING, describe
from server.persistence.partition_index import in_parts
from server.persistence.statements import concurrent_index
from server.persistence.types import Connection

log = structlog.get_logger()

LOCK_TIMEOUT = 2.0  # seconds that a transaction waits for locks, and others behind it
SHORTEST = 0.1  # seconds, for a statement's locks when the time is nearly used up
# Concurrent builds wait for transactions to end but keep nobody waiting, so they have more time.
PATIENCE = 600.0
TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between tries
DAY = 86_400.0  # seconds: longer than any statement of a migration

# These end when somebody else's transaction does.
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
INVALID = """
select indexrelid::regclass::text
from pg_index
where indexrelid = to_regclass($1) and not indisvalid
"""


class Step(NamedTuple):
    """What is done as one. record: the ledger's statement, the last."""

    name: str
    statements: Sequence[str]
    record: str
    in_transaction: bool

    def script(self) -> str:
        """The step for psql."""
        if self.in_transaction:
            body = [_limit(LOCK_TIMEOUT, "local"), *self.all]
            return "".join(f"{line};\n" for line in (f"-- {self.name}\nbegin", *body, "commit"))
        body = [line for each in self.all for line in (_limit(_time_for(each)), each)]
        return f"-- {self.name}\n" + "".join(f"{line};\n" for line in (*body, "reset lock_timeout"))

    @property
    def all(self) -> list[str]:
        """All statements, the ledger's too."""
        return [*self.statements, *([self.record] if self.record else [])]


async def run(connection: Connection, step: Step, observe: Observe | None = None) -> None:
    """Do a step; raises DatabaseError if it fails, or others are in its way for too long.

    observe: opens another connection, which sees who is in the way.
    """
    async with watching(connection, observe, step.name) as watch:
        try:
            if step.in_transaction:
                await _patiently(watch, lambda: _together(connection, step, watch))
            else:
                await _one_by_one(connection, step, watch)
        except PASSING as error:
            raise DatabaseError(f"migration {step.name} fails: {describe(error)}") from error


async def _together(connection: Connection, step: Step, watch: Watch) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        for number, statement in enumerate(step.all, 1):
            watch.statement = f"{number} of {len(step.all)}"
            left = max(deadline - time.monotonic(), SHORTEST)
            await connection.execute(f"{_limit(left, 'local')};\n{statement}", timeout=DAY)


async def _one_by_one(connection: Connection, step: Step, watch: Watch) -> None:
    await connection.execute("set statement_timeout = 0")
    try:
        for number, statement in enumerate(step.all, 1):
            watch.statement = f"{number} of {len(step.all)}"
            for part in await in_parts(connection, statement):
                await _patiently(watch, lambda part=part: _alone(connection, part))  # type: ignore[misc]
    finally:
        if not connection.is_closed():
            await connection.execute("reset statement_timeout; reset lock_timeout")


async def _alone(connection: Connection, statement: str) -> None:
    index = concurrent_index(statement)
    if index is not None and index["verb"].lower() == "create":
        await _drop_invalid(connection, index["name"])
    await connection.execute(_limit(_time_for(statement)))
    await connection.execute(statement, timeout=DAY)


async def _drop_invalid(connection: Connection, name: str) -> None:
    """Drop what a build that failed or was killed has left: it costs writes and serves nobody."""
    left = await connection.fetchval(INVALID, name)
    if left is not None:
        log.info("dropping an index whose build had failed", index=left)
        await connection.execute(_limit(PATIENCE))
        await connection.execute(f"drop index concurrently if exists {left}", timeout=DAY)


async def _patiently(watch: Watch, work: Callable[[], Awaitable[None]]) -> None:
    tries = 0
    while True:
        try:
            return await work()
        except BUSY as error:
            tries += 1
            if tries == TRIES:
                raise DatabaseError(
                    f"migration {watch.name} was tried {TRIES} times and not done, as others held"
                    f" what it needs: {watch.waits_for}; end them or let them end, then repeat it"
                ) from error
            pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE) * random.uniform(0.7, 1)
            log.warning(
                "migration lets others go first",
                migration=watch.name,
                tries=tries,
                of=TRIES,
                waited_for=watch.waits_for,
                again_in=round(pause, 1),
            )
            await asyncio.sleep(pause)


def _time_for(statement: str) -> float:
    return LOCK_TIMEOUT if concurrent_index(statement) is None else PATIENCE


def _limit(seconds: float, scope: str = "") -> str:
    return f"set {scope} lock_timeout = '{round(seconds * 1000)}ms'".replace("  ", " ")
