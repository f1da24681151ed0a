"""One transaction for what belongs together, whoever began it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.persistence.types import Connection


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
