"""Whether the server can do its work, and why not."""

import asyncio
from collections.abc import Callable

from server import telemetry
from server.persistence.database import PASSING, Database, describe

PROBE_EVERY = 2.0  # seconds
PROBE_TIMEOUT = 3.0  # seconds


class Health:
    """Knows whether the server is ready.

    failing: why the last try to save failed, None if it did not.
    """

    def __init__(self, database: Database, failing: Callable[[], str | None]) -> None:
        self._database = database
        self._failing = failing
        self._unreachable: str | None = "the database was not asked yet"
        self.draining = False

    def reason(self) -> str | None:
        """Why the server is not ready; None if it is."""
        if self.draining:
            return "the server is draining"
        failing = self._failing() or self._unreachable
        return f"the database does not save: {failing}" if failing else None

    async def run(self) -> None:
        """Ask the database now and then, until cancelled."""
        while True:
            await self._probe()
            telemetry.ready.set(self.reason() is None)
            await asyncio.sleep(PROBE_EVERY)

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT), self._database.acquire() as connection:
                await connection.execute("select 1")
        except PASSING as error:
            self._unreachable = describe(error)
        else:
            self._unreachable = None
