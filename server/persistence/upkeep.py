"""Looks after partitions and what is kept for a while: at a server's start and once an hour."""

import asyncio

import structlog

from server.persistence import chat, partitions
from server.persistence.database import PASSING, Database, describe

log = structlog.get_logger()

EVERY = 3600.0  # seconds
AGAIN_AFTER = 60.0  # seconds, when it failed


class Upkeep:
    """See the module. activity_days: how long activity is kept, 0 for ever."""

    def __init__(self, database: Database, activity_days: int) -> None:
        self._database = database
        self._activity_days = activity_days

    async def once(self) -> bool:
        """Do what is due; whether that worked."""
        try:
            connection = await self._database.connect()
            try:
                await partitions.maintain(connection, self._activity_days)
                await chat.prune_keys(connection)
            finally:
                connection.terminate()
        except PASSING as error:
            log.warning("upkeep of partitions failed; it is tried again", why=describe(error))
            return False
        return True

    async def write_out(self) -> None:
        """Have what was written until now on the disk, if the database lets us.

        Postgres does that when it stops, and a new server waits for it: after a kill soon after the
        first start it waited 2 s for the files of a fresh database.
        """
        try:
            connection = await self._database.connect()
            try:
                await connection.execute("checkpoint")
            finally:
                connection.terminate()
        except PASSING as error:
            log.debug("no checkpoint was made", why=describe(error))

    async def run(self, soon: bool = False, written: bool = False) -> None:
        """Do what is due until cancelled; soon: it failed last time. written: see `write_out`."""
        if written:
            await self.write_out()
        while True:
            await asyncio.sleep(AGAIN_AFTER if soon else EVERY)
            soon = not await self.once()
