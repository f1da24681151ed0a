"""What waits to be written: in order, changes merged, bounded."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from server import telemetry
from server.ids import SessionName
from server.webhooks.payloads import MOST_NAMED, Changed, Closed, Event, Person
from server.webhooks.queue import EventQueue


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


def changed(session: str, second: int, *people: int) -> Event:
    named = tuple(Person(UUID(int=number), f"user {number}", None) for number in people)
    data = Changed(SessionName(session), at(second), at(second + 1), named)
    return Event("session.changed", at(second + 1), data, (1,))


def closed(session: str) -> Event:
    return Event("session.closed", at(0), Closed(SessionName(session)), (1,))


def sessions(queue: EventQueue) -> list[str]:
    return [f"{event.type} {event.data.session}" for event in queue.take(1000)]


def dropped(type: str) -> float:
    return telemetry.webhook_events_dropped.labels(type)._value.get()


def test_what_waits_longest_goes_first() -> None:
    """A few at a time, if more is too much."""
    queue = EventQueue(10_000)
    for name in "abc":
        queue.put(closed(name))
    assert [event.data.session for event in queue.take(2)] == ["a", "b"]
    assert sessions(queue) == ["session.closed c"]
    assert len(queue) == 0


def test_changes_of_one_session_become_one() -> None:
    """From the first to the last, with all people; it waits where the last one would."""
    queue = EventQueue(10_000)
    queue.put(changed("a", 1, 1, 2))
    queue.put(changed("b", 2))
    queue.put(changed("a", 5, 2, 3))
    one, other = queue.take(10)
    assert one.data.session == "b"
    assert isinstance(other.data, Changed)
    assert (other.data.since, other.data.until) == (at(1), at(6))
    assert [person.id.int for person in other.data.participants] == [1, 2, 3]
    queue.put(changed("a", 7))
    assert sessions(queue) == ["session.changed a"]


def test_an_event_names_a_bounded_number_of_people() -> None:
    """Merged as well."""
    queue = EventQueue(10**6)
    queue.put(changed("a", 1, *range(MOST_NAMED)))
    queue.put(changed("a", 2, *range(MOST_NAMED, 2 * MOST_NAMED)))
    (event,) = queue.take(1)
    assert isinstance(event.data, Changed)
    assert len(event.data.participants) == MOST_NAMED


def test_when_it_is_full_changes_go_first() -> None:
    """The oldest of them, then the oldest of all; each is counted."""
    before = dropped("session.changed"), dropped("session.closed")
    queue = EventQueue(4 * closed("a").size)
    queue.put(closed("a"))
    queue.put(changed("b", 1, 1))
    queue.put(changed("c", 2, 1))
    queue.put(closed("d"))
    queue.put(closed("e"))  # for b
    queue.put(closed("f"))  # for c
    queue.put(closed("g"))  # for a
    assert sessions(queue) == [f"session.closed {name}" for name in "defg"]
    after = dropped("session.changed"), dropped("session.closed")
    assert after == (before[0] + 2, before[1] + 1)


@pytest.mark.parametrize("count", [1, 50])
def test_the_size_comes_back_to_nothing(count: int) -> None:
    """Whatever went through, an empty queue has room for all its bytes."""
    queue = EventQueue(count * closed("x").size)
    for number in range(3 * count):
        queue.put(changed(str(number % 7), number % 50, number))
        queue.put(closed(str(number)))
    queue.take(1000)
    for number in range(count):
        queue.put(closed(str(number)))
    assert len(queue) == count
