"""Keeps the revocations of all servers in memory, and acts on those that are new."""

import asyncio
from collections.abc import Callable

import structlog

from server.domain.identity import Bearer, Identity
from server.domain.revocations import Revocations
from server.persistence import revocations
from server.persistence.database import PASSING, Database, describe

log = structlog.get_logger()

POLL_EVERY = 0.5  # seconds
OVERLAP = 100  # ids that are read again: one may be committed after a greater one


class Revoked:
    """What is revoked, as the database says; while that is away, what it said last.

    changed: called when something was revoked.
    """

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed
        self._known = Revocations()
        self._newest = 0

    def covers(self, bearer: Bearer | Identity) -> bool:
        """Whether somebody's token counts no more."""
        return self._known.cover(bearer.user, bearer.token_id, bearer.issued_at)

    async def poll(self) -> None:
        """Read what is new; PASSING errors come through."""
        async with self._database.acquire() as connection:
            rows = await revocations.after(connection, max(0, self._newest - OVERLAP))
        fresh = [self._add(row) for row in rows]  # all of them are added
        if any(fresh):
            log.info("tokens revoked", revocations=sum(fresh))
            self._changed()

    def _add(self, row: revocations.Revocation) -> bool:
        self._newest = max(self._newest, row.id)
        if row.token_id is not None:
            return self._known.revoke_token(row.token_id)
        assert row.user is not None
        assert row.issued_before is not None
        return self._known.revoke_user(row.user, row.issued_before.timestamp())

    async def watch(self) -> None:
        """Look for what other servers and people revoke, for ever."""
        while True:
            await asyncio.sleep(POLL_EVERY)
            try:
                await self.poll()
            except PASSING as error:
                log.debug("can't look for revocations", why=describe(error))
