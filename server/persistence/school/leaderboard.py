"""Makes leaderboards anew: the materialized one regularly, all others when they were lost.

The regular one is done by lyceum_server, the other by who owns the schema.
"""

from collections.abc import Mapping

from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.school.integrity import EARNED
from server.persistence.types import Connection

NO_TIMEOUT = Query("leaderboard.no_timeout", Kind.UPKEEP, "set local statement_timeout = 0")
REFRESH = Query("leaderboard.refresh", Kind.UPKEEP, "select refresh_leaderboard()")


async def refresh_leaderboard(connection: Connection) -> Mapping[str, object]:
    """Make mv_user_leaderboard anew, which its readers don't notice; how many are on it, if any.

    Raises LockNotAvailableError if one reader held it for half a minute.
    """
    async with connection.transaction():
        await queries.execute(connection, NO_TIMEOUT)
        people = await queries.fetchval(connection, REFRESH)
    return {"people": people} if people else {}


# Whoever gives points waits.
EMPTY = Query("leaderboard.empty", Kind.UPKEEP, "truncate leaderboard_scores, xp_histogram")
MAKE_BOARDS = Query(
    "leaderboard.make_boards",
    Kind.UPKEEP,
    """
    insert into leaderboard_periods (kind, course_id, starts_at, ends_at)
    select 'WEEK', null::bigint, week,
        (week at time zone 'UTC' + interval '7 days') at time zone 'UTC'
    from (select distinct date_trunc('week', at, 'UTC') as week from xp_events) as weeks
    union all
    select 'MONTH', null, month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC'
    from (select distinct date_trunc('month', at, 'UTC') as month from xp_events) as months
    union all
    select distinct 'COURSE', course_id, timestamptz '-infinity', timestamptz 'infinity'
    from xp_events
    where course_id is not null
    on conflict do nothing
    """,
)
COUNT = Query(
    "leaderboard.count",
    Kind.UPKEEP,
    f"""
    insert into leaderboard_scores (period_id, user_id, xp, ranked)
    select period_id, user_id, earned, status = 'ACTIVE'
    from ({EARNED}) as earned
    join users on users.id = user_id
    """,  # noqa: S608  # of a constant
)


async def recount(connection: Connection) -> None:
    """Make all boards and their histograms anew from the ledger."""
    async with connection.transaction():
        await queries.execute(connection, NO_TIMEOUT)
        await queries.execute(connection, EMPTY)
        await queries.execute(connection, MAKE_BOARDS)
        await queries.execute(connection, COUNT)
