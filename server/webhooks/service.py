"""All that webhooks need, put together: what runs, and its two ways in."""

import asyncio

from server.persistence.database import Database
from server.webhooks.management import Webhooks
from server.webhooks.publisher import Publisher
from server.webhooks.sender import Guard, Sender, make_lookup
from server.webhooks.worker import Worker


class WebhookService:
    """Webhooks of this server.

    events: takes in what happens in sessions. management: what may be done over REST. private,
    changed_seconds: see LYCEUM_WEBHOOKS_PRIVATE and LYCEUM_WEBHOOK_CHANGED_SECONDS.
    """

    def __init__(self, database: Database, private: bool, changed_seconds: float) -> None:
        guard = Guard(private, make_lookup())
        self._sender = Sender(guard)
        self._worker = Worker(database, self._sender)
        self.events = Publisher(database, changed_seconds, self._worker.wake)
        self.management = Webhooks(database, guard, self.events, self._worker)

    async def run(self) -> None:
        """Write down and deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.events.run())
            tasks.create_task(self._worker.run())

    async def prepare(self) -> None:
        """Know what webhooks there are before the first thing happens."""
        await self.events.refresh_now()

    async def drain(self) -> None:
        """Write down what happened until now, and end what is under way."""
        await self.events.drain()
        await self._worker.drain()

    async def close(self) -> None:
        """Let go of all connections to receivers."""
        await self._sender.close()
