"""The database as the server sees it: a pool for short statements, and connections of one's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from server import telemetry
from server.config import DEFAULT_POOLING, Pooling, without_password
from server.errors import DatabaseError
from server.ids import Lsn
from server.persistence.connections import (
    LASTING,
    PASSING,
    connect,
    describe,
    up,
    wait_until_up,
)
from server.persistence.pools import NamedPool
from server.persistence.reads import Answer, Reads, Work
from server.persistence.replicas import Replicas
from server.persistence.types import Connection

__all__ = [
    "LASTING",
    "PASSING",
    "Database",
    "connect",
    "describe",
    "unfiltered",
    "wait_until_up",
]

log = structlog.get_logger()
T = TypeVar("T")

ACT_FOR = """
select set_config(
        'app.current_user_id', coalesce((select id::text from users where subject = $1), ''), true
    ),
    set_config('app.request_id', $2, true)
"""


class Database:
    """A pool for short statements, and connections for those that want one of their own."""

    def __init__(self, url: str, pool: NamedPool, replicas: Replicas) -> None:
        self._url = url
        self._pool = pool
        self._replicas = replicas
        self._reads = Reads(pool, replicas)
        replicas.start()

    @classmethod
    async def open(cls, url: str, pooling: Pooling = DEFAULT_POOLING) -> "Database":
        """Connect; waits while the database starts up.

        Raises DatabaseError, in one line, if it can't be reached or does not let us in.
        """
        await wait_until_up(url)
        if pooling.pooler_url is None:
            pool = await NamedPool.open("server", url, pooling, keeps=True)
        else:
            pool = await _by_pooler(url, pooling.pooler_url, pooling)
        return cls(url, pool, Replicas("server", lambda: connect(url), pooling))

    async def close(self) -> None:
        """Close all connections but those of one's own, whatever they do."""
        self._replicas.close()
        self._pool.close()

    async def connect(self) -> Connection:
        """A connection of one's own, to the database itself."""
        connection = await connect(self._url)
        connection.slow = self._pool.slow
        return connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection of the pool; raises PoolExhausted, TimeoutError if there is none."""
        async with self._pool.acquire() as connection:
            yield connection

    async def read(self, work: Work[T], after: Lsn | None = None) -> Answer[T]:
        """What `work` finds, on a replica if one may be read, in a transaction that can't write.

        It may be run twice: a replica that fails meanwhile gives way to the primary. after: what a
        write was followed by (`position`), and the read must find. Raises as `acquire` does.
        """
        return await self._reads.read(work, _nothing, after)

    async def position(self) -> Lsn:
        """What a read has to be `after` to find what was committed until now."""
        return await self._reads.position()

    @asynccontextmanager
    async def acting_for(self, subject: str | None) -> AsyncIterator[Connection]:
        """A transaction for somebody: the audit log names them for what is changed in it.

        It also names the request to the API that this is done for, if it is for one.
        subject: what tokens call the person; the log can only name who is one of `users`. Raises
        TimeoutError as `acquire` does.
        """
        async with self.acquire() as connection, connection.transaction():
            await connection.execute(ACT_FOR, subject, telemetry.request_id.get())
            yield connection


async def _nothing(_connection: Connection) -> None:
    """A transaction of the server's begins with nothing."""


SAME = "select current_database(), system_identifier from pg_control_system()"
UNBOUNDED = "select current_setting('statement_timeout') = '0'"


async def _by_pooler(url: str, pooler_url: str, pooling: Pooling) -> NamedPool:
    pooled = await up(pooler_url, "LYCEUM_POOLER_URL")
    pool = await NamedPool.open("server", pooler_url, pooling, pooled=pooled, keeps=True)
    direct = await connect(url)
    try:
        async with pool.acquire() as connection:
            if await connection.fetchrow(SAME) != await direct.fetchrow(SAME):
                raise DatabaseError(
                    f"LYCEUM_POOLER_URL, {without_password(pooler_url)}, leads to another database"
                    " than LYCEUM_DATABASE_URL"
                )
            if await connection.fetchval(UNBOUNDED):
                log.warning(
                    "statements by way of the pooler may run for ever: its connections have no"
                    " statement_timeout; deploy/pgbouncer.ini shows how to set it"
                )
    except BaseException:
        pool.close()
        raise
    finally:
        direct.terminate()
    return pool


SEE_ALL = "set local row_security = off"


@asynccontextmanager
async def unfiltered(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which a statement fails from which row-level security would hide rows.

    For what must know everything: who misses some would take it for done.
    """
    async with connection.transaction():
        await connection.execute(SEE_ALL)
        yield
