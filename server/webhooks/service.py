"""All that webhooks need, put together: what runs, and its two ways in."""

import asyncio
from typing import TYPE_CHECKING

from server.persistence.database import Database
from server.webhooks.attempts import Answer
from server.webhooks.guard import Guard, make_lookup
from server.webhooks.management import Webhooks
from server.webhooks.publisher import Publisher
from server.webhooks.worker import Worker

if TYPE_CHECKING:
    from server.webhooks.sender import Sender


class WebhookService:
    """Webhooks of this server.

    events: takes in what happens in sessions. management: what may be done over REST. private,
    changed_seconds: see LYCEUM_WEBHOOKS_PRIVATE and LYCEUM_WEBHOOK_CHANGED_SECONDS.
    """

    def __init__(self, database: Database, private: bool, changed_seconds: float) -> None:
        guard = Guard(private, make_lookup())
        self._sender = _LateSender(guard)
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


class _LateSender:
    """A sender that is made for the first delivery.

    Importing the HTTP client takes 0.1 s, which the clients of a server that starts would wait for.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._making: asyncio.Task[Sender] | None = None

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Make one attempt."""
        if self._making is None:
            self._making = asyncio.create_task(self._make())
        sender = await asyncio.shield(self._making)  # others may wait for it as well
        return await sender.send(url, headers, body)

    async def _make(self) -> "Sender":
        make = await asyncio.to_thread(_import_sender)
        return make(self._guard)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._making is not None:
            await (await self._making).close()


def _import_sender() -> "type[Sender]":
    from server.webhooks.sender import Sender

    return Sender
