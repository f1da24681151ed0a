"""The database as one person sees it: connections that are only lent for a transaction of somebody.

Row-level security decides what each may read and change; docs/database-access.md has the rules.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from server.errors import DatabaseError
from server.persistence.database import (
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    POOL_SIZE,
    SETTINGS,
    wait_until_up,
)
from server.persistence.types import Connection, Pool

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

# One round trip, and all of it ends with the transaction.
ACT = """
select set_config('role', 'lyceum_app', true),
    set_config('app.current_user_id', $1, true),
    set_config('app.request_id', $2, true)
"""


class Access:
    """A pool with one way in: `as_user`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str, any_login: bool = False) -> "Access":
        """Connect as a login whose only role is lyceum_app.

        any_login: take one that may do more, such as the embedded database's; then a statement
        that somebody smuggles in is no longer held by row-level security. Raises DatabaseError.
        """
        await wait_until_up(url)
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings=SETTINGS,
        )
        try:
            await _check(pool, any_login)
        except BaseException:
            pool.terminate()
            raise
        return cls(pool)

    async def close(self) -> None:
        """Close all connections, whatever they do."""
        self._pool.terminate()

    @asynccontextmanager
    async def as_user(self, user_id: int, request_id: str = "") -> AsyncIterator[Connection]:
        """A transaction of one person; it commits at the end, and is undone by an error.

        user_id: of users. request_id: told to the audit. Raises TimeoutError if no connection is
        free for long.
        """
        async with (
            self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection,
            connection.transaction(),
        ):
            await connection.execute(ACT, str(user_id), request_id)
            yield connection


async def _check(pool: Pool, any_login: bool) -> None:
    if not await pool.fetchval(MAY_ACT):
        raise DatabaseError(
            "this login is no member of lyceum_app; an administrator makes it one with"
            " `grant lyceum_app to …`"
        )
    more = await pool.fetchval(COULD_BE)
    if more is not None and not any_login:
        raise DatabaseError(
            f"this login could act as {more} too; what acts for people needs one whose only role is"
            " lyceum_app: `create role … login in role lyceum_app`"
        )
