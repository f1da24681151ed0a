"""Events that wait in memory to be written to the database: bounded, changes merged."""

from itertools import count

from server import telemetry
from server.ids import SessionName
from server.webhooks.payloads import Changed, Event


class EventQueue:
    """What waits, in order.

    While the database is away only one `session.changed` a session waits: later ones are merged
    into it. Past `bytes` the oldest of these goes first, since the session's next one says about
    the same; then the oldest of all.
    """

    def __init__(self, bytes: int) -> None:
        self._bound = bytes
        self._bytes = 0
        self._numbers = count()
        self._events: dict[int, Event] = {}
        self._changes: dict[SessionName, int] = {}  # numbers of those that are `session.changed`

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Have an event wait behind all others."""
        if isinstance(event.data, Changed):
            waiting = self._changes.pop(event.data.session, None)
            if waiting is not None:
                earlier = self._remove(waiting)
                assert isinstance(earlier.data, Changed)
                event.data = earlier.data.joined(event.data)
        number = next(self._numbers)
        self._events[number] = event
        self._bytes += event.size
        if isinstance(event.data, Changed):
            self._changes[event.data.session] = number
        while self._bytes > self._bound:
            self._drop()
        telemetry.webhook_events_queued.set(len(self._events))

    def take(self, most: int) -> list[Event]:
        """Some of those that wait longest; they wait no more."""
        taken = [self._remove(number) for number in list(self._events)[:most]]
        telemetry.webhook_events_queued.set(len(self._events))
        return taken

    def _drop(self) -> None:
        oldest = next(iter(self._changes.values()), None)
        dropped = self._remove(next(iter(self._events)) if oldest is None else oldest)
        telemetry.webhook_events_dropped.labels(dropped.type).inc()

    def _remove(self, number: int) -> Event:
        event = self._events.pop(number)
        self._bytes -= event.size
        if self._changes.get(event.data.session) == number:
            del self._changes[event.data.session]
        return event
