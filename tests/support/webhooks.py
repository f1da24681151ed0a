"""Webhooks in a database, made directly."""

from uuid import uuid4

from server.domain.webhooks import EVENT_TYPES
from server.persistence import deliveries, webhooks
from server.persistence.deliveries import Claimed, NewDelivery
from server.persistence.types import Connection
from server.persistence.webhooks import Hook, NewHook
from server.webhooks.signing import make_secret

URL = "https://a.example/hook"


def new_hook(url: str = URL, sessions: str = "*", owner: str = "ann") -> NewHook:
    """A webhook to be made."""
    return NewHook(owner, url, make_secret(), sessions, EVENT_TYPES)


async def make_hook(connection: Connection, url: str = URL, sessions: str = "*") -> Hook:
    """A webhook for all events."""
    return await webhooks.create(connection, new_hook(url, sessions))


async def make_deliveries(connection: Connection, hook: Hook, count: int) -> list[NewDelivery]:
    """Deliveries that are due; their payloads are numbered from 0."""
    batch = [
        NewDelivery(hook.id, uuid4(), "chat.message", "lesson", f'{{"number": {number}}}')
        for number in range(count)
    ]
    await deliveries.enqueue(connection, batch)
    return batch


async def claim(
    connection: Connection,
    busy: tuple[int, ...] = (),
    per_hook: int = 100,
    limit: int = 100,
    lease: float = 60.0,
) -> list[Claimed]:
    """Take what is due."""
    return await deliveries.claim(connection, busy, per_hook, limit, lease)
