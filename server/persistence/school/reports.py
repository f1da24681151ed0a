"""Questions about learning, answered from rollups: by course, lesson, type, day and result.

lyceum_server, lyceum_staff and lyceum_analyst may ask all of them. Days are those of UTC and begin
with `since`; `until` is the first that is left out. What came in the last minute may be missing.
"""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from server.persistence.queries import Kind, Query, fetch
from server.persistence.types import Connection

FUNNEL = Query(
    "reports.funnel",
    Kind.REPORT,
    """
select lessons.public_id, lessons.title, started, completed, seconds
from (
    select lesson_id, sum(started)::bigint as started, sum(completed)::bigint as completed,
        sum(seconds)::bigint as seconds
    from analytics_lesson_daily
    where course_id = $1 and day >= $2 and day < $3
    group by lesson_id
) as counted
join lessons on lessons.id = lesson_id
join modules on modules.id = module_id
order by modules.position, lessons.position, lessons.id
""",
)


class LessonFunnel(Struct, frozen=True):
    """How many began a lesson and completed it, and the time that took, in seconds."""

    lesson: UUID
    title: str
    started: int
    completed: int
    seconds: int

    @property
    def drop_off(self) -> float:
        """The share of those who began and did not complete, from 0 to 1."""
        return max(0.0, 1 - self.completed / self.started) if self.started else 0.0


async def funnel(
    connection: Connection, course_id: int, since: date, until: date
) -> list[LessonFunnel]:
    """How far people come in a course, lesson by lesson in its order."""
    return [LessonFunnel(*row) for row in await fetch(connection, FUNNEL, course_id, since, until)]


COURSE_DAYS = Query(
    "reports.course_days",
    Kind.REPORT,
    """
select day, events, people, enrolled, lessons_started, lessons_completed, quizzes_passed,
    submissions, submissions_passed, completed, seconds
from analytics_course_daily
where course_id = $1 and day >= $2 and day < $3
order by day
""",
)


class CourseDay(Struct, frozen=True):
    """What people did in a course on a day. seconds: time on task, of all of them."""

    day: date
    events: int
    people: int
    enrolled: int
    lessons_started: int
    lessons_completed: int
    quizzes_passed: int
    submissions: int
    submissions_passed: int
    completed: int
    seconds: int


async def course_days(
    connection: Connection, course_id: int, since: date, until: date
) -> list[CourseDay]:
    """What was done in a course by day, without days on which nothing was."""
    rows = await fetch(connection, COURSE_DAYS, course_id, since, until)
    return [CourseDay(*row) for row in rows]


# The change of each day since the first adds up to how many there are.
ACTIVE = Query(
    "reports.active",
    Kind.REPORT,
    """
select days.day::date, coalesce(changed.people, 0),
    (before.week + sum(coalesce(week_change, 0)) over (order by days.day))::bigint,
    (before.month + sum(coalesce(month_change, 0)) over (order by days.day))::bigint
from generate_series($1::date, $2::date - 1, interval '1 day') as days (day)
cross join (
    select coalesce(sum(week_change), 0) as week, coalesce(sum(month_change), 0) as month
    from analytics_active_daily
    where day < $1
) as before
left join analytics_active_daily as changed on changed.day = days.day::date
order by 1
""",
)


class Active(Struct, frozen=True):
    """How many people did something on a day, and in the 7 and 30 days that end with it."""

    day: date
    people: int
    week: int
    month: int


async def active(connection: Connection, since: date, until: date) -> list[Active]:
    """How many people are active, day by day."""
    return [Active(*row) for row in await fetch(connection, ACTIVE, since, until)]


SUBMISSIONS = Query(
    "reports.submissions",
    Kind.REPORT,
    """
select result, sum(submissions)::bigint
from analytics_submissions_daily
where course_id = $1 and day >= $2 and day < $3
group by result
""",
)


async def submissions(
    connection: Connection, course_id: int, since: date, until: date
) -> dict[str, int]:
    """How many submissions in a course were judged, by result: PASSED, FAILED, ERROR, …"""
    rows = await fetch(connection, SUBMISSIONS, course_id, since, until)
    return dict(rows)  # type: ignore[arg-type]  # pairs


TYPES = Query(
    "reports.types",
    Kind.REPORT,
    """
select event_type, sum(events)::bigint
from analytics_type_hourly
where hour >= $1 and hour < $2
group by event_type
order by 2 desc, 1
""",
)


async def types(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """How many events of each type there were, the most frequent first; by whole hours."""
    rows = await fetch(connection, TYPES, since, until)
    return dict(rows)  # type: ignore[arg-type]  # pairs


COLLABORATION = Query(
    "reports.collaboration",
    Kind.REPORT,
    """
select (hour at time zone 'UTC')::date, max(sessions), max(participants),
    (sum(seconds) / 60)::double precision, sum(messages)::bigint, sum(runs)::bigint
from analytics_collaboration_hourly
where hour >= $1::date::timestamp at time zone 'UTC'
    and hour < $2::date::timestamp at time zone 'UTC'
group by 1
order by 1
""",
)


class CollaborationDay(Struct, frozen=True):
    """What was done in live sessions on a day.

    sessions, participants: in the busiest hour. minutes: for which people edited, in sum.
    """

    day: date
    sessions: int
    participants: int
    minutes: float
    messages: int
    runs: int


async def collaboration(connection: Connection, since: date, until: date) -> list[CollaborationDay]:
    """What was done in live sessions by day, without days on which nothing was."""
    return [CollaborationDay(*row) for row in await fetch(connection, COLLABORATION, since, until)]


PERSON_DAYS = Query(
    "reports.person_days",
    Kind.REPORT,
    """
select day, events, lessons_completed, submissions, xp, seconds
from analytics_user_daily
where user_id = $1 and day >= $2 and day < $3
order by day
""",
)


class PersonDay(Struct, frozen=True):
    """What somebody did on a day. seconds: time on task."""

    day: date
    events: int
    lessons_completed: int
    submissions: int
    xp: int
    seconds: int


async def person_days(
    connection: Connection, user_id: int, since: date, until: date
) -> list[PersonDay]:
    """What somebody did by day, without days on which they did nothing.

    People may ask about themselves too, as lyceum_app; of others they see nothing.
    """
    rows = await fetch(connection, PERSON_DAYS, user_id, since, until)
    return [PersonDay(*row) for row in rows]


FRESHNESS = Query(
    "reports.freshness",
    Kind.REPORT,
    "select rollup, received_until, events, updated_at from analytics_watermarks order by rollup",
)


class Freshness(Struct, frozen=True):
    """How far a rollup has come.

    received_until: when the newest event came that is in it. events: how many were counted as
    they came.
    """

    rollup: str
    received_until: datetime
    events: int
    updated_at: datetime


async def freshness(connection: Connection) -> list[Freshness]:
    """How far each rollup has come."""
    return [Freshness(*row) for row in await fetch(connection, FRESHNESS)]
