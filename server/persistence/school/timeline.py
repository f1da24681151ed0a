"""What one person did, event by event, newest first: from the events themselves."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from server.persistence.queries import Kind, Query, fetch
from server.persistence.types import Connection

# An event that came twice stands once; an index gives both in order.
OF_PERSON = Query(
    "timeline.of_person",
    Kind.READ,
    """
select distinct on (at, event_id)
    at, event_id, session_id, course_id, lesson_id, event_type, data
from learning_analytics
where user_id = $1 and at <= $2 and (at, event_id) < ($2, $3)
order by at desc, event_id desc, batch
limit $4
""",
)
OWN = Query("timeline.own", Kind.READ, "select * from own_events($1, $2, $3)")

FIRST_ID = UUID(int=0)
MOST = 200


class Entry(Struct, frozen=True):
    """An event of a timeline; its `at` and `event_id` are where the next page goes on."""

    at: datetime
    event_id: UUID
    session_id: UUID | None
    course_id: int | None
    lesson_id: int | None
    event_type: str
    data: dict[str, Any] | None


async def of_person(
    connection: Connection,
    user_id: int,
    before: datetime,
    before_id: UUID = FIRST_ID,
    limit: int = MOST,
) -> list[Entry]:
    """Anybody's events before a moment, or before the last one of a page; for server and staff."""
    rows = await fetch(connection, OF_PERSON, user_id, before, before_id, min(limit, MOST))
    return [_entry(dict(row)) for row in rows]


async def own(
    connection: Connection, before: datetime, before_id: UUID = FIRST_ID, limit: int = MOST
) -> list[Entry]:
    """The same of the person who asks, as lyceum_app; nobody else's can be seen."""
    rows = await fetch(connection, OWN, before, before_id, min(limit, MOST))
    return [_entry(dict(row)) for row in rows]


def _entry(row: dict[str, Any]) -> Entry:
    data = row.pop("data")
    return Entry(**row, data=None if data is None else msgspec.json.decode(data))
