"""The database as one person sees it: connections that are only lent for a transaction of somebody.

Row-level security decides what each may read and change; docs/database-access.md has the rules.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from server.config import DEFAULT_POOLING, Pooling
from server.errors import DatabaseError
from server.ids import Lsn
from server.persistence.connections import connect, up
from server.persistence.pools import NamedPool
from server.persistence.queries import Kind
from server.persistence.reads import Answer, Reads, Work
from server.persistence.replicas import Replicas
from server.persistence.types import Connection

T = TypeVar("T")

# What a statement could turn back into with `reset role`.
COULD_BE = """
select rolname
from pg_roles
where pg_has_role(session_user, oid, 'member') and oid <> session_user::regrole
    and rolname <> 'lyceum_app'
union all
select rolname
from pg_roles
where rolname = session_user and (rolsuper or rolbypassrls)
order by 1
limit 1
"""
MAY_ACT = "select pg_has_role(session_user, to_regrole('lyceum_app'), 'member')"

ROLE = "lyceum_app"
# One round trip, and all of it ends with the transaction.
ACT = """
select set_config('role', 'lyceum_app', true),
    set_config('app.current_user_id', $1, true),
    set_config('app.request_id', $2, true),
    set_config('statement_timeout', $3, true)
"""


class Access:
    """A pool with one way in: `as_user`."""

    def __init__(self, pool: NamedPool, replicas: Replicas) -> None:
        self._pool = pool
        self._replicas = replicas
        self._reads = Reads(pool, replicas)
        replicas.start()

    @classmethod
    async def open(
        cls, url: str, any_login: bool = False, pooling: Pooling = DEFAULT_POOLING
    ) -> "Access":
        """Connect as a login whose only role is lyceum_app; a pooler may be in between.

        any_login: take one that may do more, such as the embedded database's; then a statement
        that somebody smuggles in is no longer held by row-level security. Raises DatabaseError.
        """

        async def admit(connection: Connection) -> None:
            await _check(connection, any_login)

        pooled = await up(url)
        pool = await NamedPool.open("app", url, pooling, pooled=pooled, role=ROLE)
        try:
            async with pool.acquire() as connection:
                await admit(connection)
        except BaseException:
            pool.close()
            raise
        primary = partial(connect, url, pooled)
        return cls(pool, Replicas("app", primary, pooling, ROLE, admit))

    async def close(self) -> None:
        """Close all connections, whatever they do."""
        self._replicas.close()
        self._pool.close()

    @asynccontextmanager
    async def as_user(
        self, user_id: int, request_id: str = "", kind: Kind = Kind.REPORT
    ) -> AsyncIterator[Connection]:
        """A transaction of one person; it commits at the end, and is undone by an error.

        user_id: of users. request_id: told to the audit. kind: Postgres ends statements that take
        longer than it may. Raises PoolExhausted or TimeoutError if there is no connection for long.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await _act(connection, user_id, request_id, kind)
            yield connection

    async def read_as(
        self,
        user_id: int,
        work: Work[T],
        after: Lsn | None = None,
        request_id: str = "",
        kind: Kind = Kind.REPORT,
    ) -> Answer[T]:
        """What `work` finds for one person, on a replica if one may be read; it can't write.

        It may be run twice: a replica that fails meanwhile gives way to the primary. after: what a
        write was followed by (`position`), and the read must find. The rest is as in `as_user`.
        """

        async def enter(connection: Connection) -> None:
            await _act(connection, user_id, request_id, kind)

        return await self._reads.read(work, enter, after)

    async def position(self) -> Lsn:
        """What a read has to be `after` to find what was committed until now."""
        return await self._reads.position()


async def _act(connection: Connection, user_id: int, request_id: str, kind: Kind) -> None:
    await connection.execute(ACT, str(user_id), request_id, kind.milliseconds)


async def _check(connection: Connection, any_login: bool) -> None:
    if not await connection.fetchval(MAY_ACT):
        raise DatabaseError(
            "this login is no member of lyceum_app; an administrator makes it one with"
            " `grant lyceum_app to …`"
        )
    more = await connection.fetchval(COULD_BE)
    if more is not None and not any_login:
        raise DatabaseError(
            f"this login could act as {more} too; what acts for people needs one whose only role is"
            " lyceum_app: `create role … login in role lyceum_app`"
        )
