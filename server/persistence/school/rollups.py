"""What events come to by course, lesson, type, person and day: counted as they come, each once.

An event's transaction has a row in analytics_batches. One statement takes some of them, adds
what their events come to, and removes them: all in one snapshot, so that whatever runs beside it
is either counted now or later. What may have been counted before is looked up by person and day,
however late an event comes; docs/analytics.md tells why that and not another way.

Statements here run as lyceum_server.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta

from server.persistence.jobs import progress
from server.persistence.locks import advisory_lock
from server.persistence.partitions import partitions
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.school.rollup_tables import (
    ACTIVE_ADDITION,
    CHAINED,
    EVENTS,
    LOCK_KEY,
    ROLLUPS,
    all_chained,
)
from server.persistence.types import Connection

EVENTS_TABLE = "learning_analytics"
FEWEST, MOST = 200, 20_000  # batches in one step
MOST_DAYS = 8  # in one step of counting anew
QUICK, SLOW = 0.5, 5.0  # seconds: a step takes about that long

# However little is known of a new month's rows, or how much has come: what came and what is around
# it is looked up row by row.
BY_INDEX = Query(
    "rollups.by_index",
    Kind.UPKEEP,
    """
select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('work_mem', '64MB', true)
""",
)
ADDITIONS = ",\n".join(f"{each.table}_added as ({each.addition}\n)" for each in ROLLUPS)
COLUMNS = "at, event_id, user_id, course_id, lesson_id, event_type, data, batch"

ADVANCE = Query(
    "rollups.advance",
    Kind.UPKEEP,
    f"""
with taken as materialized (
    select id from analytics_batches order by id limit $1
),
gone as (
    delete from analytics_batches where id in (select id from taken)
),
arrived as materialized (
    select each.*
    from taken
    cross join lateral (
        select user_id, at, received_at
        from learning_analytics
        where batch = taken.id
        offset 0
    ) as each
),
around as (
    select near.*
    from (
        select distinct user_id, (at at time zone 'UTC')::date as day
        from arrived
        where user_id is not null
    ) as days
    cross join lateral (
        select {COLUMNS}
        from learning_analytics as events
        where events.user_id = days.user_id
            and events.at >= days.day::timestamp at time zone 'UTC'
            and events.at < (days.day + 1)::timestamp at time zone 'UTC'
        offset 0
    ) as near
    union all
    select near.*
    from (select distinct at from arrived where user_id is null) as moments
    cross join lateral (
        select {COLUMNS}
        from learning_analytics as events
        where events.user_id is null and events.at = moments.at
        offset 0
    ) as near
),
settled as (
    select *, batch in (select id from taken) as fresh
    from around
    where batch not in (select id from analytics_batches where id not in (select id from taken))
),
events as materialized ({EVENTS}
),
{CHAINED},
{ADDITIONS},
analytics_active_daily_added as ({ACTIVE_ADDITION}
),
marked as (
    insert into analytics_watermarks as kept (rollup, received_until, events)
    select replace(name, 'analytics_', ''), (select max(received_at) from arrived), fresh
    from unnest($2::text[]) as name
    cross join (select count(*) filter (where fresh) from events) as counted (fresh)
    where exists (select from arrived)
    on conflict on constraint analytics_watermarks_pkey do update
    set received_until = greatest(kept.received_until, excluded.received_until),
        events = kept.events + excluded.events, updated_at = now()
)
select (select count(*) from taken), (select count(*) from arrived)
""",  # noqa: S608
)
WAITING = Query("rollups.waiting", Kind.UPKEEP, "select count(*) from analytics_batches")

TAKE_HOURS = Query(
    "rollups.take_hours",
    Kind.UPKEEP,
    """
with gone as (
    delete from analytics_activity_hours
    where id in (select id from analytics_activity_hours order by id limit $1)
    returning hour
)
select array_agg(distinct hour order by hour) from gone
""",
)
# A later statement than the one that takes hours, so it sees all that was noted.
COUNT_HOURS = Query(
    "rollups.count_hours",
    Kind.UPKEEP,
    """
insert into analytics_collaboration_hourly as kept (
    hour, sessions, participants, seconds, updates, messages, runs
)
select hours.hour, counted.sessions, participants, seconds, updates, messages, runs
from unnest($1::timestamptz[]) as hours (hour)
cross join lateral (
    select count(*) as rows, count(distinct session_id) as sessions,
        count(distinct participant) as participants,
        coalesce(round(sum(seconds::numeric), 3), 0) as seconds,
        coalesce(sum(updates), 0) as updates,
        count(*) filter (where kind = 'chat') as messages,
        count(*) filter (where kind = 'run') as runs
    from session_activity
    where at >= hours.hour and at < hours.hour + interval '1 hour'
) as counted
where counted.rows > 0
on conflict on constraint analytics_collaboration_hourly_pkey do update
set sessions = excluded.sessions, participants = excluded.participants,
    seconds = excluded.seconds, updates = excluded.updates, messages = excluded.messages,
    runs = excluded.runs
""",
)


async def roll_up(connection: Connection) -> Mapping[str, object]:
    """Count all that has come: the background job; returns how many events and hours it counted."""
    days = await _rebuild_days(connection)
    events = await _count_events(connection)
    hours = await _count_hours(connection)
    did = {"days": days, "events": events, "hours": hours}
    return {kind: count for kind, count in did.items() if count}


def _alone(connection: Connection) -> AbstractAsyncContextManager[None]:
    """For one step at a time, so that nobody who needs the rollups as well waits for long."""
    return advisory_lock(connection, LOCK_KEY, "another's counting of events")


async def advance(connection: Connection, batches: int) -> tuple[int, int]:
    """Count the events of so many batches; returns how many batches and rows those were."""
    tables = [rollup.table for rollup in ROLLUPS]
    async with _alone(connection), connection.transaction():
        await execute(connection, BY_INDEX)
        row = await fetchrow(connection, ADVANCE, batches, tables)
    assert row is not None
    return row[0], row[1]


async def _count_events(connection: Connection) -> int:
    waiting = left = await fetchval(connection, WAITING)
    step, counted = FEWEST, 0
    while left > 0:
        started = time.monotonic()
        batches, rows = await advance(connection, step)
        counted += rows
        left -= max(batches, 1)
        progress(1 - max(left, 0) / waiting)
        step = next_step(step, time.monotonic() - started)
    return counted


def next_step(step: int, seconds: float) -> int:
    """How many batches to take after a step of so many took so long."""
    if seconds < QUICK:
        return min(step * 2, MOST)
    return max(step // 2, FEWEST) if seconds > SLOW else step


async def _count_hours(connection: Connection) -> int:
    counted = 0
    while True:
        async with _alone(connection), connection.transaction():
            hours = await fetchval(connection, TAKE_HOURS, MOST)
            if hours is None:
                return counted
            await execute(connection, COUNT_HOURS, hours)
        counted += len(hours)


# Counting anew.

FORGET = Query("rollups.forget", Kind.UPKEEP, "delete from analytics_batches")
ASK = Query(
    "rollups.ask",
    Kind.UPKEEP,
    """
insert into analytics_rebuilds (day)
select day::date
from generate_series($1::date, $2::date - 1, interval '1 day') as day
on conflict on constraint analytics_rebuilds_pkey do nothing
""",
)
ASK_HOURS = Query(
    "rollups.ask_hours",
    Kind.UPKEEP,
    """
insert into analytics_activity_hours (hour)
select distinct date_trunc('hour', at, 'UTC') from session_activity
""",
)
TO_REBUILD = Query(
    "rollups.to_rebuild", Kind.UPKEEP, "select day from analytics_rebuilds order by day"
)
REBUILT = Query(
    "rollups.rebuilt", Kind.UPKEEP, "delete from analytics_rebuilds where day >= $1 and day < $2"
)
MIDNIGHT = "${}::date::timestamp at time zone 'UTC'"
DAYS = "day >= $1 and day < $2"
HOURS = f"hour >= {MIDNIGHT.format(1)} and hour < {MIDNIGHT.format(2)}"
CLEAR = tuple(
    Query(
        f"rollups.clear_{rollup.table}",
        Kind.UPKEEP,
        f"delete from {rollup.table} where {DAYS if 'day' in rollup.keys else HOURS}",  # noqa: S608
    )
    for rollup in ROLLUPS
)
COUNT_DAYS = Query(
    "rollups.count_days",
    Kind.UPKEEP,
    f"""
with settled as (
    select {COLUMNS}, true as fresh
    from learning_analytics
    where at >= {MIDNIGHT.format(1)} and at < {MIDNIGHT.format(2)}
        and batch not in (select id from analytics_batches)
),
events as materialized ({EVENTS}
),
{ADDITIONS}
select count(*) from events
""",  # noqa: S608
)
CLEAR_ACTIVE = Query("rollups.clear_active", Kind.UPKEEP, "delete from analytics_active_daily")
COUNT_ACTIVE = Query("rollups.count_active", Kind.UPKEEP, f"with {all_chained()}{ACTIVE_ADDITION}")


async def ask_rebuild(connection: Connection) -> None:
    """Have everything counted anew from the events that are there; the next `roll_up` does it.

    What was counted of events that have been dropped since stays as it is.
    """
    async with _alone(connection), connection.transaction():
        await execute(connection, FORGET)
        for part in await partitions(connection, EVENTS_TABLE):
            await execute(connection, ASK, part.start.date(), part.end.date())
        await execute(connection, ASK_HOURS)


async def _rebuild_days(connection: Connection) -> int:
    days = [row[0] for row in await fetch(connection, TO_REBUILD)]
    done, step = 0, 1
    while done < len(days):
        started = time.monotonic()
        run = next_run(days[done:], step)
        done += run
        await rebuild(connection, days[done - run], days[done - 1], last=done == len(days))
        progress(done / len(days))
        quick = time.monotonic() - started < QUICK
        step = min(step * 2, MOST_DAYS) if quick else 1
    return len(days)


def next_run(days: Sequence[date], most: int) -> int:
    """How many of the first days follow each other, up to so many."""
    gaps = (n for n in range(1, len(days)) if days[n] - days[n - 1] != timedelta(days=1))
    return min(next(gaps, len(days)), most)


async def rebuild(connection: Connection, first: date, until: date, last: bool) -> None:
    """Count days anew, `until` among them. last: none is left; then who is active is counted.

    All in one snapshot: what was counted of a day stays once the partition of it has gone.
    """
    after = until + timedelta(days=1)
    async with _alone(connection), connection.transaction(isolation="repeatable_read"):
        there = await partitions(connection, EVENTS_TABLE)
        kept = max(first, min((part.start.date() for part in there), default=after))
        for clear in CLEAR:
            await execute(connection, clear, kept, after)
        await execute(connection, COUNT_DAYS, kept, after)
        await execute(connection, REBUILT, first, after)
        if last:
            await execute(connection, CLEAR_ACTIVE)
            await execute(connection, COUNT_ACTIVE)
