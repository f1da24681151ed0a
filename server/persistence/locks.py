"""Advisory locks of Postgres, through which servers that share a database take turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from server.persistence.types import Connection

log = structlog.get_logger()

TRY_LOCK = "select pg_try_advisory_lock($1)"
UNLOCK = "select pg_advisory_unlock($1)"


@asynccontextmanager
async def advisory_lock(
    connection: Connection, key: int, waiting_for: str, poll: float = 0.1
) -> AsyncIterator[None]:
    """Hold a lock of the whole database; whoever waits for it says for what every 2 s.

    It is polled, since one that blocks deadlocks beside CREATE INDEX or DETACH … CONCURRENTLY.
    """
    seconds = 0.0
    while not await connection.fetchval(TRY_LOCK, key):
        if seconds and seconds % 2 < poll:
            log.info(f"waiting for {waiting_for} to end", seconds=round(seconds))
        await asyncio.sleep(poll)
        seconds += poll
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(UNLOCK, key)
