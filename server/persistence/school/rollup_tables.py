"""How events are counted: each rollup's keys and measures, once, for all that adds to or checks it.

Every statement here reads a CTE `events`: each event once, however often it came, and with it all
others of the same person on the same day. `fresh` are those that are not counted yet. So what a
day adds can be told from it alone: somebody is new to a count if they are in it with fresh events
and without them are not.
"""

from typing import NamedTuple

LOCK_KEY = 7_523_094_288_207_667_811  # held by whoever changes rollups


def number(name: str, least: str, most: str) -> str:
    """A whole number that an event's data holds; 0 where there is none, which is quick to tell."""
    value = f"floor((data ->> '{name}')::numeric)"
    return f"""case
        when jsonb_typeof(data -> '{name}') = 'number'
            then greatest({least}, least({most}, {value}))::bigint
        else 0
    end"""


# What an event holds; a value of another kind than its sender should have given is left out.
SECONDS = number("seconds", "0", "86400")
XP = number("xp", "-1e9", "1e9")
RESULT = """case
        when event_type <> 'submission.judged' then null
        when data ->> 'status' in ('PASSED', 'FAILED', 'ERROR', 'TIMEOUT') then data ->> 'status'
        else 'OTHER'
    end"""

# One row an event of `settled`: the one that was counted, or came first.
EVENTS = f"""
    select distinct on (user_id, at, event_id)
        user_id, at, (at at time zone 'UTC')::date as day, date_trunc('hour', at, 'UTC') as hour,
        course_id, lesson_id, event_type, {SECONDS} as seconds, {XP} as xp, {RESULT} as result,
        fresh
    from settled
    order by user_id, at, event_id, fresh, batch"""  # noqa: S608


def counted(condition: str = "true") -> str:
    """How many fresh events meet a condition."""
    return f"count(*) filter (where fresh and {condition})"


def summed(expression: str) -> str:
    """The sum over fresh events."""
    return f"coalesce(sum({expression}) filter (where fresh), 0)::bigint"


def of(event_type: str) -> str:
    """How many fresh events are of a type."""
    return counted(f"event_type = '{event_type}'")


PEOPLE = "count(distinct user_id) - count(distinct user_id) filter (where not fresh)"


class Rollup(NamedTuple):
    """A table of counts. of: the events that it counts; sums: its measures, which add up.

    least: columns that the keys settle, or nearly: the smallest that ever came.
    """

    table: str
    keys: tuple[str, ...]
    of: str
    sums: dict[str, str]
    least: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in one order."""
        return (*self.keys, *self.least, *self.sums)

    @property
    def counts(self) -> str:
        """What the events add."""
        least = (f"min({name}) filter (where fresh) as {name}" for name in self.least)
        sums = (f"{what} as {name}" for name, what in self.sums.items())
        return f"""
    select {", ".join((*self.keys, *least, *sums))}
    from events
    where {self.of}
    group by {", ".join(self.keys)}
    having bool_or(fresh)"""  # noqa: S608

    @property
    def addition(self) -> str:
        """Adds it."""
        sums = [f"{name} = kept.{name} + excluded.{name}" for name in self.sums]
        least = [f"{name} = least(kept.{name}, excluded.{name})" for name in self.least]
        return f"""
    insert into {self.table} as kept ({", ".join(self.columns)}){self.counts}
    on conflict on constraint {self.table}_pkey do update
    set {", ".join(least + sums)}"""  # noqa: S608


COURSES = Rollup(
    "analytics_course_daily",
    ("course_id", "day"),
    "course_id is not null",
    {
        "events": counted(),
        "people": PEOPLE,
        "enrolled": of("course.enrolled"),
        "lessons_started": of("lesson.started"),
        "lessons_completed": of("lesson.completed"),
        "quizzes_passed": of("quiz.passed"),
        "submissions": of("submission.judged"),
        "submissions_passed": counted("result = 'PASSED'"),
        "completed": of("course.completed"),
        "seconds": summed("seconds"),
    },
)
LESSONS = Rollup(
    "analytics_lesson_daily",
    ("lesson_id", "day"),
    "lesson_id is not null and course_id is not null",
    {
        "events": counted(),
        "people": PEOPLE,
        "started": of("lesson.started"),
        "completed": of("lesson.completed"),
        "seconds": summed("seconds"),
    },
    ("course_id",),
)
TYPES = Rollup(
    "analytics_type_hourly",
    ("event_type", "hour"),
    "true",
    {"events": counted(), "people": PEOPLE},
)
USERS = Rollup(
    "analytics_user_daily",
    ("user_id", "day"),
    "user_id is not null",
    {
        "events": counted(),
        "lessons_completed": of("lesson.completed"),
        "submissions": of("submission.judged"),
        "xp": summed("xp"),
        "seconds": summed("seconds"),
    },
)
SUBMISSIONS = Rollup(
    "analytics_submissions_daily",
    ("course_id", "day", "result"),
    "course_id is not null and result is not null",
    {"submissions": counted()},
)
ROLLUPS = (COURSES, LESSONS, TYPES, USERS, SUBMISSIONS)

# Who is active in the 7 or 30 days up to a day is counted by the last of their days up to it: from
# that day on, until they have another one or so many days have passed. In order, so that two who
# add at once wait for each other and don't lock each other out.
ACTIVE = """
    select day, sum(people) as people, sum(week) as week_change, sum(month) as month_change
    from (
        select day, 1 as people, 1 as week, 1 as month from chained where is_new
        union all
        select least(day + 7, next_after), 0, -1, 0 from chained
        union all
        select least(day + 30, next_after), 0, 0, -1 from chained
        union all
        select least(day + 7, next_before), 0, 1, 0 from chained where not is_new
        union all
        select least(day + 30, next_before), 0, 0, 1 from chained where not is_new
    ) as changes
    group by day
    having (sum(people), sum(week), sum(month)) <> (0, 0, 0)
    order by day"""
ACTIVE_ADDITION = f"""
    insert into analytics_active_daily as kept (day, people, week_change, month_change){ACTIVE}
    on conflict on constraint analytics_active_daily_pkey do update
    set people = kept.people + excluded.people,
        week_change = kept.week_change + excluded.week_change,
        month_change = kept.month_change + excluded.month_change"""  # noqa: S608

# Days of people that were not in analytics_user_daily, among those around them which were. All days
# of a person are looked through: with days in a form that an index serves, planners that know
# nothing of the newest days yet take the index by day, and go through everybody's.
CHAINED = """
new_days as materialized (
    select distinct user_id, day
    from events
    where fresh and user_id is not null and not exists (
        select from analytics_user_daily as known
        where known.user_id = events.user_id and known.day = events.day
    )
),
chained as materialized (
    select day, is_new,
        lead(day) over (partition by user_id order by day) as next_after,
        min(day) filter (where not is_new) over (
            partition by user_id order by day rows between 1 following and unbounded following
        ) as next_before
    from (
        select user_id, day, true as is_new from new_days
        union all
        select near.user_id, near.day, false
        from (
            select user_id, min(day) as first, max(day) as last from new_days group by user_id
        ) as people
        cross join lateral (
            select user_id, day
            from analytics_user_daily as known
            where known.user_id = people.user_id and known.day + 0 between first - 30 and last + 30
            offset 0
        ) as near
    ) as days
)"""


def all_chained(which: str = "true") -> str:
    """`chained` of all days that meet a condition, as though they were new."""
    return f"""
chained as materialized (
    select day, true as is_new, lead(day) over (partition by user_id order by day) as next_after,
        null::date as next_before
    from analytics_user_daily
    where {which}
)"""  # noqa: S608
