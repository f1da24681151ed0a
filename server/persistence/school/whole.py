"""One transaction for what belongs together, and one word for what comes too late or too early."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from server.errors import BadRequest
from server.persistence.types import Connection

EARLY = timedelta(days=1)  # a clock may be ahead by that


@asynccontextmanager
async def whole(connection: Connection) -> AsyncIterator[None]:
    """A transaction, or the caller's if there is one: a savepoint in it costs two round trips.

    Read committed, so that what waited for a lock sees what it waited for.
    """
    if connection.is_in_transaction():
        yield
    else:
        async with connection.transaction(isolation="read_committed"):
            yield


@contextmanager
def in_time(at: datetime) -> Iterator[None]:
    """Raise BadRequest for what is yet to come, or where a table has no place (any more)."""
    if at > datetime.now(UTC) + EARLY:
        raise BadRequest(f"{at:%Y-%m-%d} is yet to come.")
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name is not None:
            raise
        raise BadRequest(f"{at:%Y-%m} is a month that takes nothing (any more).") from None
