"""Takes learning events in, by COPY: late, twice, from whomever, as fast as they come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from server.persistence.partitions import partitions
from server.persistence.queries import Kind, Query, fetchval
from server.persistence.school.allowed import jsonb
from server.persistence.school.whole import EARLY
from server.persistence.types import Connection

TABLE = "learning_analytics"
COLUMNS = (
    "at", "event_id", "event_type", "user_id", "session_id", "course_id", "lesson_id", "data",
)  # fmt: skip


class Event(Struct, frozen=True):
    """What somebody did. event_type: as server/domain/school/events.py names it.

    event_id, at: the same when it is sent again. user_id: of users; None for a visitor.
    session_id: a visit.
    """

    at: datetime
    event_id: UUID
    event_type: str
    user_id: int | None = None
    session_id: UUID | None = None
    course_id: int | None = None
    lesson_id: int | None = None
    data: dict[str, Any] | None = None


class Taken(Struct, frozen=True):
    """What became of a batch. refused: the ids of events of a time that is not kept, or to come."""

    taken: int
    refused: tuple[UUID, ...]


NOW = Query("events.now", Kind.READ, "select now()")


async def take(connection: Connection, events: Sequence[Event]) -> Taken:
    """Keep events, as lyceum_server: all of them or, if it raises, none.

    Repeating it does no harm: what came twice is counted once. Some thousand at a time are fastest.
    """
    now: datetime = await fetchval(connection, NOW)
    kept = [(part.start, part.end) for part in await partitions(connection, TABLE)]
    rows, refused = [], []
    for event in events:
        if event.at <= now + EARLY and any(start <= event.at < end for start, end in kept):
            rows.append(_row(event))
        else:
            refused.append(event.event_id)
    if rows:
        await connection.copy_records_to_table(TABLE, records=rows, columns=COLUMNS)
    return Taken(len(rows), tuple(refused))


def _row(event: Event) -> tuple[object, ...]:
    data = None if event.data is None else jsonb(event.data)
    return (
        event.at,
        event.event_id,
        event.event_type,
        event.user_id,
        event.session_id,
        event.course_id,
        event.lesson_id,
        data,
    )
