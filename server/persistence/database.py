"""The database as the server sees it: a pool for short statements, and connections of one's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.config import DEFAULT_POOLING, Pooling
from server.persistence.connections import (
    LASTING,
    PASSING,
    connect,
    describe,
    wait_until_up,
)
from server.persistence.pools import NamedPool
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

ACT_FOR = """
select set_config(
    'app.current_user_id', coalesce((select id::text from users where subject = $1), ''), true
)
"""


class Database:
    """A pool for short statements, and connections for those that want one of their own."""

    def __init__(self, url: str, pool: NamedPool) -> None:
        self._url = url
        self._pool = pool

    @classmethod
    async def open(cls, url: str, pooling: Pooling = DEFAULT_POOLING) -> "Database":
        """Connect; waits while the database starts up.

        Raises DatabaseError, in one line, if it can't be reached or does not let us in.
        """
        await wait_until_up(url)
        return cls(url, await NamedPool.open("server", url, pooling, keeps=True))

    async def close(self) -> None:
        """Close all connections of the pool, whatever they do."""
        self._pool.close()

    async def connect(self) -> Connection:
        """A connection of one's own."""
        connection = await connect(self._url)
        connection.slow = self._pool.slow
        return connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection of the pool; raises PoolExhausted, TimeoutError if there is none."""
        async with self._pool.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def acting_for(self, subject: str | None) -> AsyncIterator[Connection]:
        """A transaction for somebody: the audit log names them for what is changed in it.

        subject: what tokens call the person; the log can only name who is one of `users`. Raises
        TimeoutError as `acquire` does.
        """
        async with self.acquire() as connection, connection.transaction():
            await connection.execute(ACT_FOR, subject)
            yield connection


SEE_ALL = "set local row_security = off"


@asynccontextmanager
async def unfiltered(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which a statement fails from which row-level security would hide rows.

    For what must know everything: who misses some would take it for done.
    """
    async with connection.transaction():
        await connection.execute(SEE_ALL)
        yield
