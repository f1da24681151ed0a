"""Seals the audit log every few seconds, and exports the seals; one among many servers at a time.

A row is sealed once its transaction has committed, whatever ran beside it: a seal names the ids of
its rows, and the next one takes those that none has named. Whenever this ends, a seal is there
whole or not at all, and what was not exported is exported by the next round.
"""

import asyncio
import time
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server import telemetry
from server.config import Config
from server.domain.audit import make_seal
from server.persistence import audit
from server.persistence.audit import Mark
from server.persistence.audit_keys import own_keys
from server.persistence.audit_roots import export, newest_exported
from server.persistence.database import PASSING, Database, describe
from server.persistence.types import Connection

log = structlog.get_logger()

MOST_ROWS = 500  # in a seal: to hash them holds the event loop for some milliseconds
MOST_COUNTED = 100_000
LAST_SECONDS = 5.0  # for the last round, when the server stops


def sealing_key(config: Config) -> Ed25519PrivateKey | None:
    """The key that the configuration names; an embedded database gets its own here.

    Raises AuditError if it can't be used.
    """
    keys = own_keys(config, make=True)
    return None if keys is None else keys.signing


class Sealer:
    """See the module. Without a key it only counts what is not sealed."""

    def __init__(
        self, database: Database, key: Ed25519PrivateKey | None, roots: Path | None, every: float
    ) -> None:
        self._database = database
        self._key = key
        self._roots = roots
        self._every = every
        self._mark: Mark | None = None
        self._exported: int | None = None
        self._failing = False

    async def run(self) -> None:
        """Seal and export until cancelled."""
        if self._key is None:
            log.warning("the audit log is not sealed: LYCEUM_AUDIT_KEY_FILE names no private key")
        while True:
            await asyncio.sleep(self._every)
            await self.once()

    async def drain(self) -> None:
        """Seal what is left; gives up soon if the database is away."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self.once()
        except TimeoutError:
            log.warning("the newest rows of the audit log are not sealed; the next start does it")

    async def once(self) -> bool:
        """Seal and export all that can be; whether that worked."""
        try:
            async with self._database.acquire() as connection:
                waiting = await self._seal(connection)
                await self._export(connection)
        except PASSING as error:
            self._mark = None  # its numbers may mean nothing to the database that comes back
            telemetry.audit_failures.inc()
            if not self._failing:
                log.warning("sealing the audit log failed; it is tried again", why=describe(error))
            self._failing = True
            return False
        self._failing = False
        if not waiting:
            telemetry.audit_last_success.set_to_current_time()
        return True

    async def _seal(self, connection: Connection) -> int:
        """How many rows are left."""
        newest = await audit.newest_seal(connection)
        floor = newest.floor if newest else 0
        waiting = await audit.count_unsealed(connection, floor, MOST_COUNTED)
        while waiting and self._key is not None:
            sealed = await self._one_seal(connection, self._key)
            waiting = max(0, waiting - sealed)
            telemetry.audit_sealed.inc(sealed)
            if sealed < MOST_ROWS:
                break
        telemetry.audit_waiting.set(waiting)
        return waiting

    async def _one_seal(self, connection: Connection, key: Ed25519PrivateKey) -> int:
        """Seal at most MOST_ROWS rows; 0 if there are none, or another server is at it."""
        async with connection.transaction():
            if not await audit.try_lock(connection):
                return 0
            newest = await audit.newest_seal(connection)
            floor = newest.floor if newest else 0
            mark = await audit.mark(connection)
            oldest = await audit.oldest_running(connection)
            rows = await audit.unsealed(connection, floor, MOST_ROWS)
            if not rows:
                return 0
            reached = self._reached(mark, oldest)
            if len(rows) == MOST_ROWS:
                reached = min(reached, rows[-1].id)
            with telemetry.holding("seal", rows=len(rows)):
                leaves = [(row.id, row.leaf) for row in rows]
                seal = make_seal(leaves, max(floor, reached), newest, time.time_ns() // 1000, key)
            await audit.add_seal(connection, seal, [leaf for _, leaf in leaves])
        return len(rows)

    def _reached(self, mark: Mark, oldest: int) -> int:
        """Up to which id all rows are there that ever will be.

        The mark of an earlier round helps where transactions always overlap.
        """
        reached = max(
            (m.id for m in (self._mark, mark) if m and m.transaction <= oldest), default=0
        )
        if self._mark is None or self._mark.transaction <= oldest:
            self._mark = mark
        return reached

    async def _export(self, connection: Connection) -> None:
        if self._roots is None:
            return
        if self._exported is None:
            self._exported = await self._last_export(connection, self._roots)
        while seals := await audit.seals_after(connection, self._exported, MOST_ROWS):
            self._exported = await asyncio.to_thread(export, self._roots, seals)

    async def _last_export(self, connection: Connection, roots: Path) -> int:
        newest = await asyncio.to_thread(newest_exported, roots)
        if newest is None:
            return 0
        if await audit.seals_after(connection, newest.number - 1, 1) != [newest]:
            log.error(
                "the newest exported seal is not in the database; docs/audit.md tells what to do"
                " after one was restored",
                file=str(roots),
                seal=newest.number,
            )
        return newest.number
