"""Connections to Postgres: one pool, errors in one line, and which of them pass by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog

from server import telemetry
from server.config import without_password
from server.errors import DatabaseError
from server.persistence.types import Connection, Pool

log = structlog.get_logger()
T = TypeVar("T")

CONNECT_TIMEOUT = 5.0  # seconds; as long may giving back one take
COMMAND_TIMEOUT = 30.0  # seconds
POOL_SIZE = 10
FIRST_TRY_SECONDS = 3.0  # how long a database that can't be reached is tried when we start

# These say that a statement is wrong; all others pass when the database is well again.
LASTING = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
# asyncpg's internal error is what a connection raises that died between two steps of a statement.
PASSING = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

SETTINGS = {
    "application_name": "lyceum",
    "statement_timeout": "20s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}


def describe(error: BaseException) -> str:
    """A database error in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


ACT_FOR = """
select set_config(
    'app.current_user_id', coalesce((select id::text from users where subject = $1), ''), true
)
"""


class Database:
    """A pool for short statements, and connections for those that want one of their own."""

    def __init__(self, url: str, pool: Pool) -> None:
        self._url = url
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Connect; waits while the database starts up.

        Raises DatabaseError, in one line, if it can't be reached or does not let us in.
        """

        async def make() -> Pool:
            return await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT,
                command_timeout=COMMAND_TIMEOUT,
                server_settings=SETTINGS,
                reset=_keep,
            )

        return cls(url, await _patiently(url, make))

    async def close(self) -> None:
        """Close all connections, whatever they do."""
        self._pool.terminate()

    async def connect(self) -> Connection:
        """A connection of one's own."""
        return await connect(self._url)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection of the pool; raises TimeoutError if none is free for long."""
        started = time.perf_counter()
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                telemetry.pool_wait_seconds.observe(time.perf_counter() - started)
                yield connection
        except TimeoutError:
            # Giving back a connection that takes nothing more turns a cancellation into this.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None
            raise

    @asynccontextmanager
    async def acting_for(self, subject: str | None) -> AsyncIterator[Connection]:
        """A transaction for somebody: the audit log names them for what is changed in it.

        subject: what tokens call the person; the log can only name who is one of `users`. Raises
        TimeoutError as `acquire` does.
        """
        async with self.acquire() as connection, connection.transaction():
            await connection.execute(ACT_FOR, subject)
            yield connection


async def _keep(_connection: Connection) -> None:
    """Before a connection goes back to the pool, which has ended a transaction that was left open.

    That is all that our statements can leave behind; the library's own reset of everything else
    costs a round trip each time.
    """


async def connect(url: str) -> Connection:
    """One connection, made as all of ours are."""
    return await asyncpg.connect(
        url, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings=SETTINGS
    )


SEE_ALL = "set local row_security = off"


@asynccontextmanager
async def unfiltered(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which a statement fails from which row-level security would hide rows.

    For what must know everything: who misses some would take it for done.
    """
    async with connection.transaction():
        await connection.execute(SEE_ALL)
        yield


async def wait_until_up(url: str) -> None:
    """Return when the database takes connections; one that is starting up may take its time.

    Raises DatabaseError if it can't be reached or does not let us in.
    """

    async def try_it() -> None:
        await (await connect(url)).close()

    await _patiently(url, try_it)


async def _patiently(url: str, connecting: Callable[[], Awaitable[T]]) -> T:
    """What connecting gives, once it works; raises as `wait_until_up`."""
    started = told = time.monotonic()
    while True:
        try:
            return await connecting()
        except asyncpg.CannotConnectNowError as error:
            if time.monotonic() - told >= 2:
                told = time.monotonic()
                log.info("waiting for the database", seconds=round(told - started), why=str(error))
        except (OSError, TimeoutError) as error:
            if time.monotonic() - started > FIRST_TRY_SECONDS:
                raise DatabaseError(
                    f"the database {without_password(url)} can't be reached ({describe(error)});"
                    " is it running, and is LYCEUM_DATABASE_URL right?"
                ) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseError(
                f"the database {without_password(url)} refuses: {describe(error)}"
            ) from None
        except ValueError:  # its text may hold parts of the password
            raise DatabaseError(
                f"the database's URL {without_password(url)} can't be read; is every character of"
                " the password but letters and digits written as %XX?"
            ) from None
        await asyncio.sleep(0.2)
