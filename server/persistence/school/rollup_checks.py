"""Statements that compare rollups with what they count; see server/persistence/integrity.py.

Left out is what is not counted yet, what is to be counted anew, and what was counted of events
that have been dropped since.
"""

from server.persistence.school.rollup_tables import ACTIVE, EVENTS, ROLLUPS, Rollup, all_chained

# What is compared: from the first day of which events are kept, to the end of the last month that
# takes any.
SPAN = r"""
span as (
    select min(first::timestamptz at time zone 'UTC')::date as first,
        max(until::timestamptz at time zone 'UTC')::date as until
    from pg_inherits
    join pg_class on pg_class.oid = inhrelid
    cross join lateral regexp_match(
        pg_get_expr(relpartbound, inhrelid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)'
    ) as matched (bounds)
    cross join lateral (select bounds[1], bounds[2]) as bound (first, until)
    where inhparent = 'learning_analytics'::regclass
)"""


def events_agree(rollup: Rollup) -> str:
    """Rows of a rollup that say something else than the events.

    Day by day, so that what is sorted of a hundred million events takes no more room than a day's.
    """
    keys = ", ".join(rollup.keys)
    values = ", ".join(name for name in rollup.columns if name not in rollup.keys)
    day = "day" if "day" in rollup.keys else "(hour at time zone 'UTC')::date"
    stored = "day = each" if "day" in rollup.keys else "hour >= midnight and hour < next_midnight"
    return f"""
with {SPAN},
days as (
    select day::date as each, day at time zone 'UTC' as midnight,
        (day + interval '1 day') at time zone 'UTC' as next_midnight
    from span
    cross join lateral generate_series(
        first::timestamp, greatest(until, (select max({day}) from {rollup.table}))::timestamp,
        interval '1 day'
    ) as day
    where day::date not in (select rebuilt.day from analytics_rebuilds as rebuilt)
)
select wrong
from days
cross join lateral (
    with settled as (
        select *, true as fresh
        from learning_analytics
        where at >= midnight and at < next_midnight
            and batch not in (select id from analytics_batches)
    ),
    events as materialized ({EVENTS}
    )
    select format('%s: kept %s, events say %s', concat_ws(', ', {keys}), told, counted) as wrong
    from (
        select {keys}, row({values})::text as told from {rollup.table} where {stored}
    ) as stored
    full join (
        select {keys}, row({values})::text as counted from ({rollup.counts}
        ) as counts
    ) as counted using ({keys})
    where told is distinct from counted
    order by {keys}
) as found
"""  # noqa: S608


BY_EVENTS = {rollup.table: events_agree(rollup) for rollup in ROLLUPS}

ACTIVE_DAYS = f"""
with {all_chained()}
select format('%s: kept %s, days of people say %s', day, told, counted) as wrong
from (
    select day, row(people, week_change, month_change)::text as told
    from analytics_active_daily
    where (people, week_change, month_change) <> (0, 0, 0)
        and not exists (select from analytics_rebuilds)
) as stored
full join (
    select day, row(people, week_change, month_change)::text as counted
    from ({ACTIVE}
    ) as each
    where not exists (select from analytics_rebuilds)
) as counted using (day)
where told is distinct from counted
order by day
"""  # noqa: S608

COLLABORATION = """
select format('%s: kept %s, activity says %s', hour, told, counted) as wrong
from (
    select hour, row(sessions, participants, seconds, updates, messages, runs)::text as told
    from analytics_collaboration_hourly
    where hour >= (select min(at) from session_activity) - interval '1 hour'
        and hour not in (select hour from analytics_activity_hours)
) as stored
full join (
    select date_trunc('hour', at, 'UTC') as hour,
        row(
            count(distinct session_id), count(distinct participant),
            coalesce(round(sum(seconds::numeric), 3), 0), coalesce(sum(updates), 0),
            count(*) filter (where kind = 'chat'), count(*) filter (where kind = 'run')
        )::text as counted
    from session_activity
    where date_trunc('hour', at, 'UTC') not in (select hour from analytics_activity_hours)
    group by 1
) as counted using (hour)
where told is distinct from counted
order by hour
"""
