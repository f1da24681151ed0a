"""A pool of connections with a name: how long one waits for it, and how full it is, are metrics."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from server import telemetry
from server.config import DEFAULT_POOLING, Pooling
from server.errors import PoolExhausted
from server.persistence.connections import (
    CONNECT_TIMEOUT,
    OwnConnection,
    connect,
    options,
)
from server.persistence.slow_queries import SlowQueries
from server.persistence.types import Connection, Pool


class NamedPool:
    """See the module. slow: is told of the statements of its connections that took long."""

    def __init__(self, name: str, pool: Pool, slow: SlowQueries) -> None:
        self.name = name
        self.slow = slow
        self._pool = pool
        self._waiting = 0
        telemetry.pool_limit.ask(self, name, pool.get_max_size)
        telemetry.pool_size.ask(self, name, pool.get_size)
        telemetry.pool_in_use.ask(self, name, lambda: pool.get_size() - pool.get_idle_size())
        telemetry.pool_waiting.ask(self, name, lambda: self._waiting)

    @classmethod
    async def open(
        cls,
        name: str,
        url: str,
        pooling: Pooling = DEFAULT_POOLING,
        *,
        pooled: bool = False,
        role: str | None = None,
        keeps: bool = False,
        least: int = 1,
    ) -> "NamedPool":
        """Make `least` connections. name: what metrics call the pool; a word, not one a person.

        pooled: see `options`. role: as whom plans of slow statements are asked for. keeps: a
        connection that is given back stays as it is, but for a transaction that was left open:
        nothing else can be left behind by statements of ours, and the library's own reset costs a
        round trip each time. A pooler's connections always stay: it would reset another's.
        Raises what asyncpg does.
        """
        slow = SlowQueries(lambda: connect(url, pooled), pooling.slow_seconds, role)

        async def tell(connection: OwnConnection) -> None:
            connection.slow = slow

        pool = await asyncpg.create_pool(  # type: ignore[call-overload]  # init gets our class
            url,
            min_size=least,
            max_size=pooling.size,
            init=tell,
            reset=_keep if keeps or pooled else None,
            **options(pooled),
        )
        return cls(name, pool, slow)

    def close(self) -> None:
        """Close all connections, whatever they do."""
        for metric in (
            telemetry.pool_limit,
            telemetry.pool_size,
            telemetry.pool_in_use,
            telemetry.pool_waiting,
        ):
            metric.forget(self)
        self.slow.close()
        self._pool.terminate()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection, given back at the end.

        Raises PoolExhausted if none is free for long, TimeoutError if none could be made.
        """
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._give_back(connection)

    async def _take(self) -> Connection:
        started = time.perf_counter()
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=CONNECT_TIMEOUT)
        except TimeoutError:
            if self._pool.get_idle_size() or self._pool.get_size() < self._pool.get_max_size():
                raise
            telemetry.pool_exhausted.labels(self.name).inc()
            most = self._pool.get_max_size()
            raise PoolExhausted(
                f"all {most} connections of the pool «{self.name}» were in use"
                f" for {CONNECT_TIMEOUT:g} s"
            ) from None
        finally:
            self._waiting -= 1
            telemetry.pool_wait_seconds.observe(self.name, time.perf_counter() - started)

    async def _give_back(self, connection: Connection) -> None:
        try:
            await self._pool.release(connection)  # type: ignore[arg-type]  # one of its own
        except TimeoutError:
            # Giving back a connection that takes nothing more turns a cancellation into this.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None
            raise


async def _keep(_connection: Connection) -> None:
    """See `NamedPool.open`."""
