"""What may be done about webhooks from outside: made, looked at, changed, tried, deleted.

Whoever shows a token that says teacher for all sessions of a webhook may do all of it.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from msgspec import UNSET

from server.domain.identity import Bearer
from server.domain.webhooks import EVENT_TYPES, TEST, EventType
from server.errors import BadRequest, Conflict, Forbidden
from server.persistence import deliveries, webhooks
from server.persistence.database import Database
from server.persistence.deliveries import Delivery, DeliveryStatus, NewDelivery
from server.persistence.webhooks import Hook, HookChanges, NewHook
from server.webhooks import signing
from server.webhooks.guard import Guard
from server.webhooks.payloads import make_test
from server.webhooks.publisher import Publisher
from server.webhooks.worker import Worker

MAX_PATTERN = 256
LAST_KEY = 2**63 - 1
SCAN = 200  # webhooks that are read at once to find those that somebody may see


class Webhooks:
    """The operations; the database's PASSING errors come through all of them."""

    def __init__(
        self, database: Database, guard: Guard, publisher: Publisher, worker: Worker
    ) -> None:
        self._database = database
        self._guard = guard
        self._publisher = publisher
        self._worker = worker

    async def create(
        self, who: Bearer, url: str, sessions: str, events: list[EventType]
    ) -> tuple[Hook, str]:
        """Make a webhook; also returns its secret, which nobody is told again.

        Raises Forbidden, BadRequest, Conflict.
        """
        _check_sessions(who, sessions)
        chosen = _checked_events(events)
        await self._guard.check(url)
        new = NewHook(who.user, url, signing.make_secret(), sessions, chosen)
        async with self._database.acting_for(who.user) as connection:
            hook = await webhooks.create(connection, new)
        await self._publisher.refresh_now()
        return hook, new.secret

    async def read(self, who: Bearer, id: UUID) -> Hook:
        """One webhook; raises NoHook, Forbidden."""
        async with self._database.acquire() as connection:
            hook = await webhooks.read(connection, id)
        _check_sessions(who, hook.sessions)
        return hook

    async def hooks(self, who: Bearer, before: int, limit: int) -> list[Hook]:
        """Those that somebody may see, newest first, with ids below `before`."""
        found: list[Hook] = []
        before = _key(before)
        async with self._database.acquire() as connection:
            while len(found) < limit:
                page = await webhooks.hooks(connection, before, SCAN)
                found += [hook for hook in page if who.teaches(hook.sessions)]
                if len(page) < SCAN:
                    break
                before = page[-1].id
        return found[:limit]

    async def change(
        self, who: Bearer, id: UUID, changes: HookChanges, version: int | None = None
    ) -> Hook:
        """Change a webhook; raises NoHook, Forbidden, BadRequest, VersionMismatch."""
        await self.read(who, id)
        if changes.sessions is not UNSET:
            _check_sessions(who, changes.sessions)
        if changes.events is not UNSET:
            _checked_events(changes.events)
        if changes.url is not UNSET:
            await self._guard.check(changes.url)
        async with self._database.acting_for(who.user) as connection:
            hook = await webhooks.change(connection, id, changes, version)
        await self._publisher.refresh_now()
        self._worker.wake()
        return hook

    async def delete(self, who: Bearer, id: UUID) -> None:
        """Delete a webhook; raises NoHook, Forbidden."""
        await self.read(who, id)
        async with self._database.acting_for(who.user) as connection:
            await webhooks.delete(connection, id)
        await self._publisher.refresh_now()

    async def deliveries(
        self,
        who: Bearer,
        id: UUID,
        status: DeliveryStatus | None,
        before: int,
        limit: int,
    ) -> list[Delivery]:
        """Deliveries to a webhook, newest first; raises NoHook, Forbidden."""
        hook = await self.read(who, id)
        async with self._database.acquire() as connection:
            return await deliveries.deliveries(connection, hook.id, _key(before), status, limit)

    async def redeliver(self, who: Bearer, id: UUID, event_id: UUID) -> Delivery:
        """Have an event delivered again; raises NoHook, NoDelivery, Forbidden, Conflict."""
        hook = await self._active(who, id)
        async with self._database.acquire() as connection:
            delivery = await deliveries.redeliver(connection, hook.id, event_id)
        self._worker.wake()
        return delivery

    async def test(self, who: Bearer, id: UUID) -> Delivery:
        """Have a webhook sent a test; raises NoHook, Forbidden, Conflict."""
        hook = await self._active(who, id)
        payload = make_test(hook.public_id, datetime.now(UTC))
        new = NewDelivery(hook.id, uuid4(), TEST, "", payload)
        async with self._database.acquire() as connection:
            await deliveries.enqueue(connection, [new])
            delivery = await deliveries.read(connection, hook.id, new.event_id)
        self._worker.wake()
        return delivery

    async def _active(self, who: Bearer, id: UUID) -> Hook:
        hook = await self.read(who, id)
        if hook.status != "ACTIVE":
            raise Conflict("This webhook is paused; set its status to ACTIVE first.")
        return hook


def _key(before: int) -> int:
    """A key from a cursor as one that the database can look for."""
    return min(max(before, 0), LAST_KEY)


def _check_sessions(who: Bearer, pattern: str) -> None:
    if not 0 < len(pattern) <= MAX_PATTERN or not pattern.isprintable():
        raise BadRequest("A webhook's sessions are a session's name, or prefix*.")
    if not who.teaches(pattern):
        raise Forbidden(f"Your token does not say teacher for all of {pattern!r}.")


def _checked_events(events: list[EventType]) -> list[EventType]:
    unknown = [event for event in events if event not in EVENT_TYPES]
    if unknown or not events:
        raise BadRequest(f"A webhook's events are some of {', '.join(EVENT_TYPES)}.")
    return list(dict.fromkeys(events))
