"""One connection to Postgres: its settings, and its errors, in one line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog

from server.config import without_password
from server.errors import DatabaseError

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


class OwnConnection(Plain):
    """A connection that knows who is told of its slow statements."""

    slow: "SlowQueries | None" = None


async def connect(url: str) -> OwnConnection:
    """One connection, made as all of ours are."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings=SETTINGS,
        connection_class=OwnConnection,
    )


async def wait_until_up(url: str) -> None:
    """Return when the database takes connections; one that is starting up may take its time.

    Raises DatabaseError if it can't be reached or does not let us in.
    """

    async def try_it() -> None:
        await (await connect(url)).close()

    await patiently(url, try_it)


async def patiently(url: str, connecting: Callable[[], Awaitable[T]]) -> T:
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
