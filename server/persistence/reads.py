"""Reads that a standby may answer: where they run, and that they are right wherever they do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from server import telemetry
from server.errors import QueryTimeout
from server.ids import Lsn
from server.persistence.connections import LASTING, PASSING
from server.persistence.pools import NamedPool
from server.persistence.replicas import STANDING, Replica, Replicas
from server.persistence.types import Connection

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]

PRIMARY = "primary"
PATIENCE = 1.0  # seconds for a standby to let us in and to say how far it is
CATCH_UP_SECONDS = 0.02  # that it may take to come as far as is asked for
LOOK_AGAIN = 0.002  # seconds

# After a COMMIT that is known: its record ends before this.
POSITION = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"


class Answer(NamedTuple, Generic[T]):
    """What a read found. source: `primary`, or which replica."""

    value: T
    source: str


class Reads:
    """Reads on a primary's standbys, if there are any that may be read."""

    def __init__(self, primary: NamedPool, replicas: Replicas) -> None:
        self._primary = primary
        self._replicas = replicas

    async def position(self) -> Lsn:
        """How far the primary's log is: a read after it finds what was committed until now."""
        async with self._primary.acquire() as connection:
            return Lsn(await connection.fetchval(POSITION))

    async def read(self, work: Work[T], enter: Work[None], after: Lsn | None) -> Answer[T]:
        """What `work` returns in a transaction that can't write; it may be run twice.

        enter: runs before it in the same transaction. after: what a standby must have come to.
        """
        if self._replicas.all:
            answer = await self._on_replica(work, enter, after)
            if answer is not None:
                return answer
        async with (
            self._primary.acquire() as connection,
            connection.transaction(readonly=True),
        ):
            await enter(connection)
            value = await work(connection)
        telemetry.reads.labels(PRIMARY).inc()
        return Answer(value, PRIMARY)

    async def _on_replica(
        self, work: Work[T], enter: Work[None], after: Lsn | None
    ) -> Answer[T] | None:
        """None if the primary has to answer."""
        why = "none"
        replica = self._replicas.choose(after)
        if replica is not None and replica.pool is not None:
            try:
                answer = await self._try(replica, replica.pool, work, enter, after)
                if answer is not None:
                    telemetry.reads.labels(replica.source).inc()
                    return answer
                why = "behind"
            except LASTING:
                raise
            except PASSING as error:
                if isinstance(error, QueryTimeout) and replica.up:
                    raise  # it is the statement that takes so long
                replica.doubt()
                why = "failed"
        telemetry.reads_sent_back.labels(why).inc()
        return None

    async def _try(
        self, replica: Replica, pool: NamedPool, work: Work[T], enter: Work[None], after: Lsn | None
    ) -> Answer[T] | None:
        """None if it is not far enough."""
        async with (
            asyncio.timeout(PATIENCE) as patience,
            pool.acquire() as connection,
            connection.transaction(readonly=True),
        ):
            if not await self._is_there(connection, replica, after):
                return None
            await enter(connection)
            patience.reschedule(None)
            return Answer(await work(connection), replica.source)

    async def _is_there(self, connection: Connection, replica: Replica, after: Lsn | None) -> bool:
        until = time.monotonic() + CATCH_UP_SECONDS
        while True:
            row = await connection.fetchrow(STANDING)
            assert row is not None
            if not row["standby"]:
                replica.doubt()  # promoted, and maybe written to by now
                return False
            self._replicas.reached(replica, row["lsn"])
            if after is None or row["lsn"] >= after:
                return self._replicas.is_fresh(replica)
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(LOOK_AGAIN)
