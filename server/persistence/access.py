"""The database as one person sees it: connections that are only lent for a transaction of somebody.

Row-level security decides what each may read and change; docs/database-access.md has the rules.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.config import DEFAULT_POOLING, Pooling
from server.errors import DatabaseError
from server.persistence.connections import wait_until_up
from server.persistence.pools import NamedPool
from server.persistence.queries import Kind
from server.persistence.types import Connection

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

    def __init__(self, pool: NamedPool) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls, url: str, any_login: bool = False, pooling: Pooling = DEFAULT_POOLING
    ) -> "Access":
        """Connect as a login whose only role is lyceum_app.

        any_login: take one that may do more, such as the embedded database's; then a statement
        that somebody smuggles in is no longer held by row-level security. Raises DatabaseError.
        """
        await wait_until_up(url)
        pool = await NamedPool.open("app", url, pooling, role=ROLE)
        try:
            async with pool.acquire() as connection:
                await _check(connection, any_login)
        except BaseException:
            pool.close()
            raise
        return cls(pool)

    async def close(self) -> None:
        """Close all connections, whatever they do."""
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
            await connection.execute(ACT, str(user_id), request_id, kind.milliseconds)
            yield connection


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
