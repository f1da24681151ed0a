"""Made-up learning events: visits of people who open lessons, month by month.

Each month is filled as a table of its own without indexes, which are made when all are filled, and
then attached to learning_analytics: sorting once is faster than keeping an index while rows come,
and the rate stays the same however many there are. A month that has its partition already is
filled in place.

One event in 2,000 comes twice, and one in 100 late, up to a day.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from server.persistence.partitions import month_after
from server.persistence.seeding.plan import HOUR, Plan, Step, once, ranged

EVENTS_A_VISIT = 8
# How much happens in each hour of a day (UTC), and on each day of a week from Monday on.
HOURS = (3, 2, 2, 2, 2, 3, 4, 6, 8, 9, 9, 9, 8, 9, 10, 10, 10, 11, 12, 13, 13, 11, 8, 5)
WEEKDAYS = (11, 11, 11, 10, 9, 7, 8)

# Which events each hour has, by number: shares of all, grown with the number of people.
CALENDAR = f"""
create table seeding.calendar as
select
    row_number() over (order by starts) as hour, starts,
    coalesce(lag(upto) over (order by starts), 0) + 1 as first,
    upto as last,
    greatest(1, ((upto - coalesce(lag(upto) over (order by starts), 0)) / {EVENTS_A_VISIT}))::bigint
        as visits,
    seeding.known(starts) as people
from (
    select starts, floor({{events}} * sum(weight) over (order by starts) / sum(weight) over ())
        ::bigint as upto
    from (
        select starts, (
            (array{list(HOURS)})[1 + date_part('hour', starts at time zone 'UTC')::integer]
            * (array{list(WEEKDAYS)})[date_part('isodow', starts at time zone 'UTC')::integer]
            * seeding.known(starts)
        )::numeric as weight
        from generate_series(
            seeding.since(), seeding.until() - interval '1 hour', interval '1 hour'
        ) as starts
    ) as weighted
) as summed
"""  # noqa: S608
CALENDAR_KEY = "alter table seeding.calendar add constraint calendar_pkey primary key (hour)"

# Events of an hour go round its visits, so each lasts about that long. Whoever came lately comes
# often: ids rise with the time of joining.
EVENTS = """
insert into {table} (
    at, received_at, event_id, user_id, session_id, course_id, lesson_id, event_type, data
)
select
    at,
    received + case when seeding.unit(sent, 'late') < 0.01
        then seeding.unit(sent, 'lateness') * interval '1 day'
        else seeding.unit(sent, 'lateness') * interval '3 seconds' end,
    seeding.uuid(number, 'event'), person, seeding.uuid(visit, 'visit'), course, lesson,
    type,
    case
        when type in ('lesson.advanced', 'lesson.completed') then
            ('{{"seconds": ' || 5 + floor(seeding.unit(number, 'seconds') * 115) || '}}')::jsonb
        when type = 'submission.judged' then case when seeding.unit(number, 'outcome') < 0.55
            then '{{"status": "PASSED"}}'::jsonb else '{{"status": "FAILED"}}'::jsonb end
    end
from (
    select
        number, sent, visit, person, course, at, received,
        (course - 1) * 32 + 1 + least(
            seeding.lessons(course) - 1,
            floor(-ln(1 - seeding.unit(visit, 'place')) * 5)::bigint + number % 2
        ) as lesson,
        ({types})[1 + floor(seeding.unit(number, 'type') * {type_count})::integer] as type
    from (
        select
            number, sent, visit, person, starts + moment as at, starts + sent_moment as received,
            seeding.course(
                person * 8 + 1 + floor(seeding.unit(visit, 'which') * 3)::bigint, 'course'
            ) as course
        from (
            select
                number, sent, first + (number - first) % visits as visit, starts,
                (number - first) / (last - first + 1)::float8 * interval '1 hour' as moment,
                (sent - first) / (last - first + 1)::float8 * interval '1 hour' as sent_moment,
                people - floor(power(
                    seeding.unit(first + (number - first) % visits, 'visitor'), 1.7
                ) * people)::bigint as person
            from (
                select starts, first, last, visits, people, sent,
                    greatest(first, sent - (seeding.unit(sent, 'again') < 0.0005)::integer)
                        as number
                from seeding.calendar
                cross join lateral generate_series(first, last) as sent
                where hour between {before} + $1 and {before} + $2
            ) as events
        ) as visited
    ) as chosen
) as event
"""
MIX = (
    ("lesson.advanced", 40),
    ("lesson.started", 22),
    ("lesson.completed", 16),
    ("submission.judged", 9),
    ("quiz.submitted", 6),
    ("quiz.passed", 3),
    ("submission.passed", 2),
    ("course.enrolled", 1),
    ("achievement.earned", 1),
)

MAKE = """
create table if not exists {table} (
    like learning_analytics including all excluding identity excluding indexes
)
"""
# Attaching would make them as well, one table after the other, as each waits for the one before.
INDEX = """
do $$
declare
    definition text;
begin
    for definition in
        select pg_get_indexdef(indexrelid)
        from pg_index
        where indrelid = 'learning_analytics'::regclass
    loop
        execute regexp_replace(
            definition, '^CREATE INDEX \\S+ ON ONLY \\S+', 'create index on {table}'
        );
    end loop;
end
$$
"""
ATTACH = """
alter table learning_analytics attach partition {table} for values from ('{start}') to ('{end}')
"""


class Month(NamedTuple):
    """A month's partition; made: it was there before. before: hours of the calendar until then."""

    table: str
    start: datetime
    end: datetime
    before: int
    hours: int


def months(plan: Plan) -> Iterator[Month]:
    """Those of a plan, the first one first."""
    start = plan.start
    while start < plan.end:
        end = month_after(start)
        yield Month(
            f"learning_analytics_{start:%Y_%m}",
            start,
            end,
            (start - plan.start) // HOUR,
            (min(end, plan.end) - start) // HOUR,
        )
        start = end


def steps(plan: Plan, there: set[str]) -> list[Step]:
    """The events, in ranges of hours. there: partitions that need not be made."""
    all_months = list(months(plan))
    new = [month for month in all_months if month.table not in there]
    rows = max(1, plan.events) / sum(month.hours for month in all_months)
    return [
        once("calendar", CALENDAR.format(events=plan.events), CALENDAR_KEY),
        once("months", *(MAKE.format(table=month.table) for month in new)),
        *(_filled(month, rows) for month in all_months),
        *(
            once(
                f"indexes {month.start:%Y-%m}",
                INDEX.format(table=month.table),
                cost=month.hours * rows * 2,
                stage="indexes",
            )
            for month in new
        ),
        once("attached", *(_attach(month) for month in new), cost=plan.events * 0.1),
    ]


def _filled(month: Month, rows: float) -> Step:
    types = [type for type, share in MIX for _ in range(share)]
    insert = EVENTS.format(
        table=month.table,
        before=month.before,
        types=f"array[{', '.join(repr(type) for type in types)}]",
        type_count=len(types),
    )
    name = f"events {month.start:%Y-%m}"
    return ranged(name, month.hours, insert, rows=rows, cost=rows * 6, stage="events")


def _attach(month: Month) -> str:
    return ATTACH.format(
        table=month.table, start=month.start.isoformat(), end=month.end.isoformat()
    )
