"""Watches a connection that changes the schema: how long it takes, and who is in its way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from server.persistence.database import PASSING
from server.persistence.types import Connection

log = structlog.get_logger()

LOOK_EVERY = 0.2  # seconds; a lock is waited for ten times as long
TELL_EVERY = 2.0  # seconds
UNSEEN = "sessions that nobody could look at"

# No text of theirs: a statement may hold what people wrote.
BLOCKERS = """
select format('pid %s (%s, %s, %s%s)', pid, coalesce(usename, backend_type),
    coalesce(nullif(application_name, ''), 'no name'), coalesce(state, 'state not shown'),
    ' for ' || extract(epoch from now() - xact_start)::int || ' s')
from pg_stat_activity
where pid = any (pg_blocking_pids($1))
order by xact_start
"""
BUILDING = """
select format('%s, %s %%', phase, 100 * blocks_done / greatest(blocks_total, 1))
from pg_stat_progress_create_index
where pid = $1
"""


# Opens another connection, through which the first is looked at.
Observe = Callable[[], Awaitable[Connection]]


class Watch:
    """What is known of the work. statement: "3 of 17"; waits_for: who was in the way last."""

    def __init__(self, name: str, pid: int, observe: Observe | None) -> None:
        self.name = name
        self.statement = ""
        self.waits_for = UNSEEN
        self._pid = pid
        self._observe = observe
        self._observer: Connection | None = None  # once there is something to look at

    async def run(self) -> None:
        """Look, and tell of work that takes long, until cancelled."""
        began = told = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            waits_for, building = await self._look()
            self.waits_for = waits_for or self.waits_for
            now = time.monotonic()
            if now - told >= TELL_EVERY:
                told = now
                log.info(
                    "migrating",
                    migration=self.name,
                    statement=self.statement,
                    seconds=round(now - began),
                    **({"waits_for": waits_for} if waits_for else {}),
                    **({"building": building} if building else {}),
                )

    async def _look(self) -> tuple[str, str]:
        if self._observe is not None:
            with suppress(*PASSING):  # the work goes on, seen or not
                if self._observer is None:
                    self._observer = await self._observe()
                rows = await self._observer.fetch(BLOCKERS, self._pid)
                building = await self._observer.fetchval(BUILDING, self._pid)
                return ", ".join(row[0] for row in rows), building or ""
        return "", ""

    def close(self) -> None:
        """End the connection that was looked through."""
        if self._observer is not None:
            self._observer.terminate()


@asynccontextmanager
async def watching(
    connection: Connection, observe: Observe | None, name: str
) -> AsyncIterator[Watch]:
    """Watch a connection's work; short work needs no second connection."""
    watch = Watch(name, connection.get_server_pid(), observe)
    looking = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        watch.close()
