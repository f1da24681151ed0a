"""Takes due deliveries from the database, makes them, and writes down how that went.

Any number of servers share the work; see persistence/deliveries.py for how.
"""

import asyncio
import random
import time

import structlog

from server import telemetry
from server.persistence import deliveries
from server.persistence.database import PASSING, Database, describe
from server.persistence.deliveries import Claimed, Result
from server.webhooks import signing
from server.webhooks.attempts import Answer, Calls
from server.webhooks.guard import TIMEOUT
from server.webhooks.schedule import pause_after

log = structlog.get_logger()

POLL_EVERY = 1.0  # seconds between looks for what is due
PRUNE_EVERY = 600.0  # seconds
AT_ONCE = 8  # deliveries under way
AT_ONCE_TO_ONE = 4  # of these to one webhook, so that a slow one leaves room
LEASE = TIMEOUT + 10.0  # seconds after which a delivery counts as abandoned
GONE = 410
DRAIN_SECONDS = 3.0


class Worker:
    """Makes deliveries.

    lease: seconds that a delivery stays ours.
    """

    def __init__(self, database: Database, sender: Calls, lease: float = LEASE) -> None:
        self._database = database
        self._sender = sender
        self._lease = lease
        self._flying: dict[asyncio.Task[None], int] = {}  # and the webhook of each
        self._wanted = asyncio.Event()
        self._prune_at = time.monotonic()
        self._draining = False

    def wake(self) -> None:
        """Something may be due."""
        self._wanted.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._wanted.clear()
                await self._turn()
                try:
                    async with asyncio.timeout(POLL_EVERY):
                        await self._wanted.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._flying:
                task.cancel()

    async def _turn(self) -> None:
        """Start as much as is due and there is room for."""
        try:
            if time.monotonic() >= self._prune_at:
                await self._prune()
            if not self._draining and len(self._flying) < AT_ONCE:
                for claimed in await self._claim():
                    self._start(claimed)
        except PASSING as error:
            log.debug("can't look for webhooks' deliveries", why=describe(error))

    async def _prune(self) -> None:
        async with self._database.acquire() as connection:
            while await deliveries.prune(connection) == deliveries.PRUNED_AT_ONCE:
                pass
        self._prune_at = time.monotonic() + PRUNE_EVERY

    async def _claim(self) -> list[Claimed]:
        under_way = list(self._flying.values())
        busy = [hook for hook in set(under_way) if under_way.count(hook) >= AT_ONCE_TO_ONE]
        async with self._database.acquire() as connection:
            return await deliveries.claim(
                connection, busy, AT_ONCE_TO_ONE, AT_ONCE - len(under_way), self._lease
            )

    def _start(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._deliver(claimed))
        self._flying[task] = claimed.webhook_id
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._flying[task]
        self._wanted.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("a delivery broke off", exc_info=task.exception())

    async def _deliver(self, claimed: Claimed) -> None:
        body = claimed.payload.encode()
        headers = signing.headers(claimed.secret, str(claimed.event_id), int(time.time()), body)
        with telemetry.webhook_delivery_seconds.time():
            answer = await self._sender.send(claimed.url, headers, body)
        result = judged(answer, claimed, random.random())
        try:
            async with self._database.acquire() as connection:
                paused = await deliveries.settle(connection, claimed, result)
        except PASSING as error:  # it is made again when the lease is over
            log.warning("can't note how a delivery went", why=describe(error))
            return
        telemetry.webhook_deliveries.labels(_outcome(result)).inc()
        if paused:
            log.warning("webhook paused", webhook=claimed.webhook_id, why=result.error)

    async def drain(self) -> None:
        """Take nothing more, and wait a little for what is under way."""
        self._draining = True
        if self._flying:
            await asyncio.wait(self._flying, timeout=DRAIN_SECONDS)


def judged(answer: Answer, claimed: Claimed, chance: float) -> Result:
    """What an answer means for a delivery. chance: at random from 0 to 1."""
    if not answer.error:
        return Result(True, answer.status)
    error = answer.error.replace(claimed.secret, "…")
    if answer.status == GONE:
        return Result(False, answer.status, error, gone=True)
    return Result(False, answer.status, error, pause_after(claimed.attempts, chance))


def _outcome(result: Result) -> str:
    if result.delivered:
        return "delivered"
    if result.gone:
        return "gone"
    return "failed" if result.pause is None else "retried"
