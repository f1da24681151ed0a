"""Takes in what happens in sessions, and writes it down for the webhooks that want to know.

What happens is handed over without waiting; a group commit without a timer writes it. What was
not written when the server is killed is lost; what was is delivered, by whichever server.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import structlog

from server import telemetry
from server.domain.webhooks import EVENT_TYPES, EventType, matches
from server.ids import SessionName
from server.persistence import deliveries, webhooks
from server.persistence.database import LASTING, PASSING, Database, describe
from server.persistence.deliveries import NewDelivery
from server.persistence.webhooks import Subscription
from server.protocol.messages import ChatMessage
from server.webhooks.payloads import (
    MOST_NAMED,
    Changed,
    Chat,
    Closed,
    Data,
    Event,
    Opened,
    Person,
    Someone,
)
from server.webhooks.queue import EventQueue

log = structlog.get_logger()

REFRESH_EVERY = 2.0  # seconds between looks for webhooks that others changed
QUEUE_BYTES = 16 * 2**20
BATCH_EVENTS = 500
MAX_REMEMBERED = 10_000  # sessions whose webhooks are known by name
RETRY_FIRST, RETRY_LONGEST = 0.1, 5.0  # seconds
DRAIN_SECONDS = 5.0


class _Change:
    """Edits of a session that nobody was told of yet. due: on the event loop's clock."""

    def __init__(self, due: float, now: datetime) -> None:
        self.due = due
        self.since = self.until = now
        self.people: dict[UUID, Person] = {}

    def add(self, authors: Iterable[Someone], now: datetime) -> None:
        """An edit by these people."""
        self.until = now
        if len(self.people) < MOST_NAMED:
            for author in authors:
                if author.id not in self.people:
                    self.people[author.id] = Person.of(author)


class Publisher:
    """What happens in sessions goes in, deliveries in the database come out.

    changed_seconds: for so long edits of a session are gathered into one event. written: called
    when there is something to deliver.
    """

    def __init__(
        self,
        database: Database,
        changed_seconds: float,
        written: Callable[[], None],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._database = database
        self._changed_seconds = changed_seconds
        self._written = written
        self._subscriptions: list[Subscription] = []
        self._by_session: dict[SessionName, dict[EventType, tuple[int, ...]]] = {}
        self._changing: dict[SessionName, _Change] = {}  # in the order in which they are due
        self._timer: asyncio.TimerHandle | None = None
        self._queue = EventQueue(queue_bytes)
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()

    @property
    def active(self) -> bool:
        """Whether there is any webhook that something may be owed to."""
        return bool(self._subscriptions)

    def opened(self, session: SessionName, participant: Someone) -> None:
        """Somebody came into a session that nobody was in."""
        if self._subscriptions:
            self._publish("session.opened", session, Opened(session, Person.of(participant)))

    def changed(self, session: SessionName, authors: Iterable[Someone]) -> None:
        """A session's document was edited."""
        if not self._subscriptions:
            return
        change = self._changing.get(session)
        if change is None:
            if not self._hooks("session.changed", session):
                return
            change = _Change(self._loop.time() + self._changed_seconds, datetime.now(UTC))
            self._changing[session] = change
            self._schedule()
        change.add(authors, datetime.now(UTC))

    def closed(self, session: SessionName) -> None:
        """Everybody has left a session, and it was let go."""
        if self._subscriptions:
            self._publish_change(session)
            self._publish("session.closed", session, Closed(session))

    def chat(self, session: SessionName, message: ChatMessage) -> None:
        """A chat message was committed: it is new, or was edited or deleted.

        Told again of the same revision, it is the same event.
        """
        if self._subscriptions:
            chat = Chat.of(session, message)
            self._publish("chat.message", session, chat, chat.id)

    def _hooks(self, type: EventType, session: SessionName) -> tuple[int, ...]:
        found = self._by_session.get(session)
        if found is None:
            if len(self._by_session) >= MAX_REMEMBERED:
                self._by_session.clear()
            hooks = [hook for hook in self._subscriptions if matches(hook.sessions, session)]
            found = {
                kind: tuple(hook.id for hook in hooks if kind in hook.events)
                for kind in EVENT_TYPES
            }
            self._by_session[session] = found
        return found[type]

    def _publish(
        self, type: EventType, session: SessionName, data: Data, id: UUID | None = None
    ) -> None:
        hooks = self._hooks(type, session)
        if hooks:
            self._queue.put(Event(type, datetime.now(UTC), data, hooks, id or uuid4()))
            self._idle.clear()
            self._wanted.set()

    def _publish_change(self, session: SessionName) -> None:
        change = self._changing.pop(session, None)
        if change is not None:
            people = tuple(change.people.values())[:MOST_NAMED]
            data = Changed(session, change.since, change.until, people)
            self._publish("session.changed", session, data)

    def _schedule(self) -> None:
        if self._timer is None and self._changing:
            first = next(iter(self._changing.values()))
            self._timer = self._loop.call_at(first.due, self._publish_due)

    def _publish_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._changing:
            session, change = next(iter(self._changing.items()))
            if change.due > now:
                break
            self._publish_change(session)
        self._schedule()

    async def refresh(self) -> None:
        """Read anew which webhooks there are; PASSING errors come through."""
        async with self._database.acquire() as connection:
            found = await webhooks.subscriptions(connection)
        if found != self._subscriptions:
            self._subscriptions = found
            self._by_session.clear()

    async def refresh_now(self) -> None:
        """The same, unless the database is away: it will be looked at again soon."""
        try:
            await self.refresh()
        except PASSING as error:
            log.debug("can't look for webhooks", why=describe(error))

    async def run(self) -> None:
        """Write what is published until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._write())

    async def _watch(self) -> None:
        while True:
            await self.refresh_now()
            await asyncio.sleep(REFRESH_EVERY)

    async def _write(self) -> None:
        while True:
            await self._wanted.wait()
            events = self._queue.take(BATCH_EVENTS)
            await self._enqueue(events)
            self._written()
            if not self._queue:
                self._wanted.clear()
                self._idle.set()

    async def _enqueue(self, events: Sequence[Event]) -> None:
        """Write events, however often that takes."""
        batch = [
            NewDelivery(hook, event.id, event.type, event.data.session, event.payload)
            for event in events
            for hook in event.hooks
        ]
        pause = RETRY_FIRST
        while True:
            try:
                async with self._database.acquire() as connection:
                    await deliveries.enqueue(connection, batch)
            except LASTING as error:
                await self._enqueue_apart(events, error)
            except PASSING as error:
                log.warning("webhooks' events can't be written", why=describe(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_LONGEST)
                continue
            return

    async def _enqueue_apart(self, events: Sequence[Event], error: Exception) -> None:
        """One of them is not accepted: it is dropped, the others are written."""
        if len(events) > 1:
            for event in events:
                await self._enqueue([event])
            return
        log.error("a webhooks' event can't be written", type=events[0].type, why=describe(error))
        telemetry.webhook_events_dropped.labels(events[0].type).inc()

    async def drain(self) -> None:
        """Write what is not written yet, unless that takes long."""
        for session in list(self._changing):
            self._publish_change(session)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            log.error("webhooks' events could not be written", lost=len(self._queue))
