"""What follows from all that was made: boards, ranks, and numbers to go on from."""

from server.persistence.school import vocabulary
from server.persistence.seeding.plan import Plan, Step, once, ranged

# That of all time is there from the beginning.
BOARDS = """
insert into leaderboard_periods (id, kind, course_id, starts_at, ends_at)
overriding system value
select row_number() over (order by kind, course_id, starts_at) + newest, board.*
from (select max(id) as newest from leaderboard_periods) as there
cross join (
    select 'COURSE' as kind, course as course_id, timestamptz '-infinity' as starts_at,
        timestamptz 'infinity' as ends_at
    from generate_series(1, seeding.courses()) as course
    union all
    select 'WEEK', null, week, week + interval '168 hours'
    from generate_series(
        date_trunc('week', seeding.since(), 'UTC'), seeding.until(), interval '168 hours'
    ) as week
    union all
    select 'MONTH', null, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC'
    from generate_series(
        seeding.since() at time zone 'UTC', seeding.until() at time zone 'UTC', interval '1 month'
    ) as month
) as board
"""
# The connection's time zone is UTC, which is quicker than to name it in each call.
SCORES = """
insert into leaderboard_scores (period_id, user_id, xp, ranked)
select period.id, user_id, sum(amount), users.status = 'ACTIVE'
from (
    select user_id, amount, kind,
        case kind
            when 'WEEK' then date_trunc('week', at)
            when 'MONTH' then date_trunc('month', at)
            else '-infinity'
        end as starts_at,
        case kind when 'COURSE' then course_id else 0 end as course_id
    from xp_events
    cross join (values ('ALL'), ('WEEK'), ('MONTH'), ('COURSE')) as kinds (kind)
    where user_id between $1 and $2
) as earned
join leaderboard_periods as period
    on period.kind = earned.kind and period.starts_at = earned.starts_at
    and coalesce(period.course_id, 0) = earned.course_id
join users on users.id = user_id
group by period.id, user_id, users.status
"""
# Triggers, where they are not left out, spread it over shards.
HISTOGRAM = (
    "delete from xp_histogram",
    """
    insert into xp_histogram (period_id, width, bucket, shard, people)
    select period_id, width, xp / width, 0, count(*)
    from leaderboard_scores
    cross join (values (1), (1000)) as widths (width)
    where ranked and xp > 0
    group by period_id, width, xp / width
    """,
)
LEADERBOARD = "refresh materialized view mv_user_leaderboard"
VOCABULARY = (
    *(query.sql for query in vocabulary.ANEW),
    "update search_vocabulary set updated_at = seeding.until()",
)

# Ids that were made by hand; the next are given by sequences.
SEQUENCES = """
do $$
declare
    numbered record;
    newest bigint;
begin
    for numbered in
        select attrelid::regclass as name, attname,
            pg_get_serial_sequence(attrelid::regclass::text, attname) as sequence
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        where attidentity <> '' and relkind in ('r', 'p') and not relispartition
            and relnamespace = 'public'::regnamespace
    loop
        execute format('select max(%I) from %s', numbered.attname, numbered.name) into newest;
        if newest is not null then
            perform setval(numbered.sequence, newest);
        end if;
    end loop;
end
$$
"""


def steps(plan: Plan) -> list[Step]:
    """The last steps."""
    return [
        once("boards", BOARDS),
        # One long batch, beside all of the other's.
        once("vocabulary", *VOCABULARY, cost=plan.posts * 100.0, stage="scores"),
        ranged("scores", plan.users, SCORES, rows=11, cost=100, stage="scores"),
        once("histogram", *HISTOGRAM, cost=plan.users * 10.0),
        once("leaderboard", LEADERBOARD, cost=plan.users * 4.0),
        once("sequences", SEQUENCES, cost=plan.users * 1.0),
    ]
