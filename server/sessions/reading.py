"""Reads sessions from the database for those who wait for them.

When everybody comes back at once, hundreds wait. A few connections read them all, each kept until
nothing is left to read: taking one from the pool costs as much as a read, making one far more, and
others need the pool too.
"""

import asyncio
from collections import deque

from server.ids import SessionName
from server.persistence import opening
from server.persistence.database import Database
from server.persistence.opening import Opening

READERS = 4  # connections at once


class Reader:
    """See the module. creates: whether a session is made that does not exist."""

    def __init__(self, database: Database, creates: bool) -> None:
        self._database = database
        self._creates = creates
        self._wanted: deque[tuple[SessionName, asyncio.Future[Opening]]] = deque()
        self._readers: set[asyncio.Task[None]] = set()

    async def read(self, name: SessionName) -> Opening:
        """A session; raises as `opening.open_for_join` does, and PASSING errors."""
        found: asyncio.Future[Opening] = asyncio.get_running_loop().create_future()
        self._wanted.append((name, found))
        self._start_reader()
        return await found

    def _start_reader(self) -> None:
        if len(self._readers) < READERS:
            reader = asyncio.create_task(self._read_all())
            self._readers.add(reader)
            reader.add_done_callback(self._ended)

    def _ended(self, reader: "asyncio.Task[None]") -> None:
        self._readers.discard(reader)
        if reader.cancelled():
            return  # so is whoever waits: the server ends
        error = reader.exception()
        while error is not None and self._wanted:  # there is no connection; they may try again
            _, found = self._wanted.popleft()
            if not found.done():
                found.set_exception(error)
        if self._wanted:
            self._start_reader()

    async def _read_all(self) -> None:
        async with self._database.acquire() as connection:
            while self._wanted:
                name, found = self._wanted.popleft()
                if found.done():
                    continue  # whoever waited is gone
                try:
                    opened = await opening.open_for_join(connection, name, self._creates)
                except Exception as error:
                    if not found.done():
                        found.set_exception(error)
                    return  # the connection may be broken
                if not found.done():
                    found.set_result(opened)
