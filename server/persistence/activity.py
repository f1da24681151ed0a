"""What participants did in sessions: written in batches, exactly once, and read by interval.

A batch is fenced as those of the journal are (see persistence/journal.py): it has a number, and the
transaction that writes it raises its writer's `last_batch` from the number before. One whose
outcome is unknown is sent again under the same number and never counts twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from server.ids import DocumentId
from server.persistence import queries
from server.persistence.journal import FORGET_OLD_WRITERS, LAST_BATCH, WriterUnknown
from server.persistence.partitions import ACTIVITY
from server.persistence.types import Connection

Kind = Literal["join", "leave", "edit", "chat", "role", "run"]


class Row(NamedTuple):
    """Something that happened. The table's comments say what each column means.

    data: JSON.
    """

    at: datetime
    session_id: DocumentId
    participant: UUID
    user_id: str | None
    kind: Kind
    seconds: float | None = None
    updates: int | None = None
    inserted: int | None = None
    deleted: int | None = None
    data: str | None = None


class Seen(NamedTuple):
    """When a user was in a session; name: what others saw, empty if it is not known."""

    session_id: DocumentId
    user_id: str
    name: str
    first_at: datetime
    last_at: datetime


REGISTER = "insert into journal_writers (id, writes) values ($1, 'activity')"


async def register(connection: Connection, writer: UUID) -> None:
    """Make a writer of activity known, whose first batch has the number 1."""
    await connection.execute(REGISTER, writer)
    await connection.execute(FORGET_OLD_WRITERS)


FENCE = """
update journal_writers
set last_batch = $2::bigint, last_commit_at = now()
where id = $1 and last_batch = $2::bigint - 1
returning id
"""

# Locked in the order of their ids, as nobody who waits for one may hold what another waits for.
SEE = """
with living as materialized (
    select id
    from collaboration_sessions
    where id = any($1::bigint[])
    order by id
    for key share
)
insert into session_participants (session_id, user_id, name, first_seen_at, last_seen_at)
select session_id, user_id, name, first_at, last_at
from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    as seen (session_id, user_id, name, first_at, last_at)
join living on living.id = session_id
order by session_id, user_id
on conflict on constraint session_participants_pkey do update
set name = coalesce(nullif(excluded.name, ''), session_participants.name),
    first_seen_at = least(session_participants.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(session_participants.last_seen_at, excluded.last_seen_at)
"""


async def write(
    connection: Connection, writer: UUID, number: int, rows: Sequence[Row], seen: Sequence[Seen]
) -> bool:
    """Commit a batch, unless that has happened already; returns whether it was written now.

    seen: each user of a session once. Sessions that were deleted are passed over. Raises
    WriterUnknown.
    """
    async with connection.transaction():
        if await connection.fetchval(FENCE, writer, number) is None:
            if await connection.fetchval(LAST_BATCH, writer) != number:
                raise WriterUnknown
            return False
        if rows:
            await connection.copy_records_to_table(ACTIVITY, records=rows, columns=Row._fields)
        if seen:
            await connection.execute(SEE, *map(list, zip(*seen, strict=True)))
    return True


class Interval(NamedTuple):
    """What happened in one stretch of time. Edits count in the interval in which they began.

    roles: that were given.
    """

    start: datetime
    joins: int
    leaves: int
    updates: int
    inserted: int
    deleted: int
    messages: int
    runs_passed: int
    runs_failed: int
    runs_error: int
    roles: int


# Shared by two statements, which is why these are put together (S608); nothing is from outside.
COUNTS = """
    count(*) filter (where kind = 'join') as joins,
    count(*) filter (where kind = 'leave') as leaves,
    coalesce(sum(updates), 0)::bigint as updates,
    coalesce(sum(inserted), 0)::bigint as inserted,
    coalesce(sum(deleted), 0)::bigint as deleted,
    count(*) filter (where kind = 'chat') as messages,
    count(*) filter (where kind = 'run' and data ->> 'outcome' = 'passed') as runs_passed,
    count(*) filter (where kind = 'run' and data ->> 'outcome' = 'failed') as runs_failed,
    count(*) filter (where kind = 'run' and data ->> 'outcome' = 'error') as runs_error
"""

BY_INTERVAL = queries.Query(
    "activity.by_interval",
    queries.Kind.REPORT,
    f"""
select date_bin(make_interval(secs => $4), at, $2) as start, {COUNTS},
    count(*) filter (where kind = 'role') as roles
from session_activity
where session_id = $1 and at >= $2 and at < $3 and ($5::text is null or user_id = $5)
group by 1
order by 1
""",  # noqa: S608
)


async def by_interval(
    connection: Connection,
    session: DocumentId,
    start: datetime,
    end: datetime,
    seconds: float,
    user: str | None = None,
) -> list[Interval]:
    """What happened in a session from `start` until before `end`, by intervals of so many seconds.

    The first one begins at `start`; those in which nothing happened are left out. user: only what
    this one did.
    """
    return [
        Interval(*row)
        for row in await queries.fetch(
            connection, BY_INTERVAL, session, start, end, float(seconds), user
        )
    ]


class ParticipantActivity(NamedTuple):
    """What one user did, over all stays; or a guest, in one stay.

    participant: the guest's, None for users. name: a user's, as last seen.
    """

    user: str | None
    participant: UUID | None
    name: str
    first_at: datetime
    last_at: datetime
    joins: int
    leaves: int
    updates: int
    inserted: int
    deleted: int
    messages: int
    runs_passed: int
    runs_failed: int
    runs_error: int


SUMMARY = queries.Query(
    "activity.summary",
    queries.Kind.REPORT,
    f"""
select acted.user_id, acted.participant, coalesce(name, ''), first_at, last_at,
    joins, leaves, updates, inserted, deleted, messages, runs_passed, runs_failed, runs_error
from (
    select user_id, case when user_id is null then participant end as participant,
        min(at) as first_at, max(at + make_interval(secs => coalesce(seconds, 0))) as last_at,
        {COUNTS}
    from session_activity
    where session_id = $1 and at >= $2 and at < $3 and kind <> 'role'
    group by 1, 2
    order by updates desc, first_at, 1, 2
    limit $4
) acted
left join session_participants
    on session_id = $1 and session_participants.user_id = acted.user_id
order by updates desc, first_at, 1, 2
""",  # noqa: S608
)


async def summary(
    connection: Connection, session: DocumentId, start: datetime, end: datetime, limit: int = 1000
) -> list[ParticipantActivity]:
    """What each did in a session from `start` until before `end`; who wrote most comes first."""
    return [
        ParticipantActivity(*row)
        for row in await queries.fetch(connection, SUMMARY, session, start, end, limit)
    ]
