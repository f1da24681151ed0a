"""Ends streaks: those of people who let a day of their own go by. A job, as lyceum_server."""

from server.persistence.queries import Kind, Query, fetchval
from server.persistence.types import Connection

BATCH = 500

# The person's row is locked before the streak's, as by whoever earns, and nobody is waited for.
# Who learned just before that lock is passed over by the second look at the day.
END = Query(
    "lapsing.end",
    Kind.UPKEEP,
    """
with over as (
    select users.id, (now() at time zone coalesce(time_zone, 'UTC'))::date - 1 as yesterday
    from streaks
    join users on users.id = streaks.user_id
    left join user_profiles on user_profiles.user_id = users.id
    where current > 0 and last_day < (now() at time zone 'UTC')::date
        and last_day < (now() at time zone coalesce(time_zone, 'UTC'))::date - 1
    limit $1
    for no key update of users skip locked
),
ended as (
    update streaks
    set current = 0, updated_at = now()
    from over
    where streaks.user_id = over.id and current > 0 and last_day < yesterday
    returning streaks.user_id
),
shown as (
    update users
    set streak = 0, updated_at = now()
    from ended
    where users.id = ended.user_id
)
select count(*) from ended
""",
)


async def end_streaks(connection: Connection, batch: int = BATCH) -> dict[str, object]:
    """Show no streak any more of who has none, batch by batch; the days stay known."""
    ended = 0
    while done := await fetchval(connection, END, batch):
        ended += done
    return {"streaks": ended} if ended else {}
