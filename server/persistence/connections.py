"""One connection to Postgres: its settings, and its errors, in one line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog

from server.config import without_password
from server.errors import DatabaseError
from server.persistence.types import Connection

if TYPE_CHECKING:
    from server.persistence.slow_queries import SlowQueries

    Plain = asyncpg.Connection[Any]
else:
    Plain = asyncpg.Connection

log = structlog.get_logger()
T = TypeVar("T")

CONNECT_TIMEOUT = 5.0  # seconds; as long may giving back one take
COMMAND_TIMEOUT = 30.0  # seconds
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

NAME = {"application_name": "lyceum"}
SETTINGS = {
    **NAME,
    "statement_timeout": "20s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
PID = "select pg_backend_pid()"


def describe(error: BaseException) -> str:
    """A database error in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


class OwnConnection(Plain):
    """A connection that knows who is told of its slow statements."""

    slow: "SlowQueries | None" = None


def options(pooled: bool) -> dict[str, Any]:
    """How all connections of ours are made.

    pooled: by way of a pooler such as PgBouncer, which lends a connection to the database for one
    transaction. Statements must not stay prepared there, and it has the settings (see
    deploy/pgbouncer.ini): those of a connection it would have to know.
    """
    own: dict[str, Any] = (
        {"server_settings": NAME, "statement_cache_size": 0}
        if pooled
        else {"server_settings": SETTINGS}
    )
    return {
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
        "connection_class": OwnConnection,
        **own,
    }


async def connect(url: str, pooled: bool = False) -> OwnConnection:
    """One connection. pooled: see `options`."""
    connection: OwnConnection = await asyncpg.connect(url, **options(pooled))
    return connection


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler is in between: then the process that answers is not the one that let us in.

    Takes a connection that was made for one.
    """
    return bool(await connection.fetchval(PID) != connection.get_server_pid())


async def wait_until_up(url: str) -> None:
    """Return when the database takes connections; one that is starting up may take its time.

    Raises DatabaseError if it can't be reached, does not let us in, or is behind a pooler.
    """
    if await up(url):
        raise DatabaseError(
            f"{without_password(url)} leads to a pooler such as PgBouncer; LYCEUM_DATABASE_URL has"
            " to name the database itself, and LYCEUM_POOLER_URL the pooler"
        )


async def up(url: str, setting: str = "LYCEUM_DATABASE_URL") -> bool:
    """The same, but a pooler may be in between; returns whether one is. setting: has the URL."""

    async def try_it() -> bool:
        connection = await connect(url, pooled=True)
        try:
            return await is_pooled(connection)
        finally:
            await connection.close()

    return await _patiently(url, setting, try_it)


async def _patiently(url: str, setting: str, connecting: Callable[[], Awaitable[T]]) -> T:
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
                    f" is it running, and is {setting} right?"
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
