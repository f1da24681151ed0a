"""Lessons as people go through them: started, advanced, completed.

Progress only grows, so it may be told in any order and again. What counts runs as lyceum_server;
where somebody was in a lesson, the person keeps (`keep`).
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from asyncpg import Record
from msgspec import Struct, json

from server.domain.school import events
from server.domain.school.deeds import Deed
from server.errors import Conflict, NotFound
from server.persistence.queries import Kind, Query, execute, fetchrow, fetchval
from server.persistence.school import earning
from server.persistence.school.allowed import allowed, kept
from server.persistence.school.earning import Earned
from server.persistence.school.whole import in_time, whole
from server.persistence.types import Connection


class Progress(Struct, frozen=True):
    """How far somebody is in a lesson. seconds: time on task. state: as the page keeps it."""

    lesson_id: int
    course_id: int
    status: Literal["STARTED", "COMPLETED"]
    percent: int
    seconds: int
    state: Any
    started_at: datetime
    completed_at: datetime | None


class Completed(Struct, frozen=True):
    """A lesson that somebody has completed.

    newly: just now. course_completed: with it, the whole course. earned: None unless newly.
    """

    newly: bool
    course_completed: bool
    earned: Earned | None


LOOK = Query(
    "lessons.look",
    Kind.READ,
    """
select lessons.id, lessons.course_id, lessons.status as published, enrollments.status as enrolled,
    progress.status, percent, seconds, state, started_at, progress.completed_at
from lessons
left join enrollments
    on enrollments.user_id = $1 and enrollments.course_id = lessons.course_id
left join user_progress as progress
    on progress.user_id = $1 and progress.course_id = lessons.course_id
    and progress.lesson_id = lessons.id
where lessons.public_id = $2
""",
)
START = Query(
    "lessons.start",
    Kind.WRITE,
    """
with begun as (
    insert into user_progress (user_id, course_id, lesson_id, started_at, updated_at)
    values ($1, $2, $3, $4, $4)
    on conflict (user_id, course_id, lesson_id) do nothing
    returning lesson_id
)
insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type)
select $4, $5, $1, $2, lesson_id, 'lesson.started'
from begun
""",
)


async def start(connection: Connection, user_id: int, lesson: UUID, at: datetime) -> Progress:
    """Begin a lesson, or find where one was in it.

    Raises NotFound, and Conflict for who is not in its course.
    """
    row = _open(await fetchrow(connection, LOOK, user_id, lesson))
    if row["started_at"] is None:
        arguments = (user_id, row["course_id"], row["id"], at, _started(user_id, lesson))
        with in_time(at):
            await execute(connection, START, *arguments)
        row = _open(await fetchrow(connection, LOOK, user_id, lesson))
    return _progress(row)


def _open(row: Record | None) -> Record:
    """A lesson that the person may do; raises NotFound and Conflict."""
    if row is None or row["published"] != "PUBLISHED":
        raise NotFound("There is no such lesson.")
    if row["enrolled"] not in ("ACTIVE", "COMPLETED"):
        raise Conflict("This lesson is of a course that the person does not take.")
    return row


def _started(user_id: int, lesson: UUID) -> UUID:
    """One event, should a lesson be begun and completed at the same moment."""
    return events.event_id(user_id, events.LESSON_STARTED, lesson)


def _progress(row: Record) -> Progress:
    return Progress(
        row["id"],
        row["course_id"],
        row["status"],
        row["percent"],
        row["seconds"],
        None if row["state"] is None else json.decode(row["state"]),
        row["started_at"],
        row["completed_at"],
    )


KEEP = Query(
    "lessons.keep",
    Kind.WRITE,
    """
update user_progress
set state = $3, updated_at = greatest(user_progress.updated_at, now())
from lessons
where user_progress.user_id = $1 and lessons.public_id = $2
    and user_progress.course_id = lessons.course_id and user_progress.lesson_id = lessons.id
returning true
""",
)


async def keep(connection: Connection, user_id: int, lesson: UUID, state: object) -> None:
    """Keep where the page is in a lesson. The person's own.

    Raises NotFound if it wasn't begun, and TooLong.
    """
    if not await fetchval(connection, KEEP, user_id, lesson, kept("A state takes", state)):
        raise NotFound("There is no such lesson that this person began.")


# The row is locked first, so that what it had before is what the change begins with.
ADVANCE = Query(
    "lessons.advance",
    Kind.WRITE,
    """
with before as (
    select progress.course_id, lesson_id, percent, seconds
    from lessons
    join user_progress as progress
        on progress.course_id = lessons.course_id and lesson_id = lessons.id
    where public_id = $2 and progress.user_id = $1
    for no key update of progress
),
grown as (
    update user_progress as progress
    set percent = greatest(progress.percent, $3),
        seconds = greatest(progress.seconds, $4),
        updated_at = greatest(progress.updated_at, $5)
    from before
    where progress.user_id = $1 and progress.course_id = before.course_id
        and progress.lesson_id = before.lesson_id
        and (before.percent < $3 or before.seconds < $4)
    returning progress.course_id, progress.lesson_id, progress.percent,
        progress.seconds - before.seconds as more
),
counted as (
    insert into user_stats as stats (user_id, seconds)
    select $1, more
    from grown
    where more > 0
    on conflict on constraint user_stats_pkey do update
    set seconds = stats.seconds + excluded.seconds, updated_at = now()
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type, data)
    select $5, gen_random_uuid(), $1, course_id, lesson_id, 'lesson.advanced',
        jsonb_build_object('percent', percent, 'seconds', more)
    from grown
)
select greatest(percent, $3) as percent, greatest(seconds, $4) as seconds
from before
""",
)


class Advanced(Struct, frozen=True):
    """How far somebody is now; see `Progress`."""

    percent: int
    seconds: int


async def advance(
    connection: Connection, user_id: int, lesson: UUID, percent: int, seconds: int, at: datetime
) -> Advanced:
    """Tell how far somebody is in a lesson, and the time that it took until now.

    Both only grow: less than is known changes nothing. percent: 0 to 100, which alone does not
    complete it. Raises NotFound if it was not begun, BadRequest.
    """
    with in_time(at), allowed():
        row = await fetchrow(connection, ADVANCE, user_id, lesson, percent, seconds, at)
    if row is None:
        raise NotFound("There is no such lesson that this person began.")
    return Advanced(row["percent"], row["seconds"])


# Runs behind the lock of the person, so it sees all that the person did before.
COMPLETE = Query(
    "lessons.complete",
    Kind.WRITE,
    """
with lesson as (
    select lessons.id, lessons.course_id, xp, lessons.status as published,
        enrollments.status as enrolled, progress.status as was,
        (
            select title
            from quizzes
            where lessons.kind = 'QUIZ' and lesson_id = lessons.id
                and progress.status is distinct from 'COMPLETED'
                and exists (select from quiz_questions where quiz_id = quizzes.id)
                and not exists (
                    select from quiz_attempts
                    where user_id = $1 and quiz_id = quizzes.id and passed
                )
            order by quizzes.id
            limit 1
        ) as unpassed
    from lessons
    left join enrollments
        on enrollments.user_id = $1 and enrollments.course_id = lessons.course_id
    left join user_progress as progress
        on progress.user_id = $1 and progress.course_id = lessons.course_id
        and progress.lesson_id = lessons.id
    where lessons.public_id = $2
),
done as (
    insert into user_progress as progress (
        user_id, course_id, lesson_id, status, percent, started_at, updated_at, completed_at
    )
    select $1, course_id, id, 'COMPLETED', 100, $3, $3, $3
    from lesson
    where published = 'PUBLISHED' and enrolled in ('ACTIVE', 'COMPLETED')
        and was is distinct from 'COMPLETED' and unpassed is null
    on conflict (user_id, course_id, lesson_id) do update
    set status = 'COMPLETED', percent = 100, updated_at = greatest(progress.updated_at, $3),
        completed_at = greatest(progress.started_at, $3)
    returning course_id, lesson_id
),
begun as (
    insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type)
    select $3, $4, $1, course_id, lesson_id, 'lesson.started'
    from done
    where (select was from lesson) is null
),
finished as (
    update enrollments
    set status = 'COMPLETED', completed_at = greatest(enrolled_at, $3)
    from done
    where user_id = $1 and enrollments.course_id = done.course_id and status = 'ACTIVE'
        and not exists (
            select from lessons as other
            where other.course_id = done.course_id and other.id <> done.lesson_id
                and other.status = 'PUBLISHED'
                and not exists (
                    select from user_progress as progress
                    where progress.user_id = $1 and progress.course_id = other.course_id
                        and progress.lesson_id = other.id and progress.status = 'COMPLETED'
                )
        )
    returning enrollments.course_id
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, event_type)
    select $3, gen_random_uuid(), $1, course_id, 'course.completed'
    from finished
)
select id, course_id, xp, published, enrolled, unpassed, exists (select from done) as newly,
    exists (select from finished) as course_completed
from lesson
""",
)


async def complete(connection: Connection, user_id: int, lesson: UUID, at: datetime) -> Completed:
    """Complete a lesson, with the course if it was the last, and all that is earned by it.

    One transaction, which may be repeated: who completed it before earns nothing. Raises NotFound,
    and Conflict for who is not in its course, or has not passed the quiz of a lesson that is one.
    """
    async with whole(connection):
        await earning.lock(connection, user_id)
        started = _started(user_id, lesson)
        with in_time(at):
            row = _open(await fetchrow(connection, COMPLETE, user_id, lesson, at, started))
        if row["unpassed"] is not None:
            raise Conflict(f"This lesson takes passing its quiz «{row['unpassed']}» first.")
        if not row["newly"]:
            return Completed(False, False, None)
        counts = {"lessons_completed": 1, "courses_completed": int(row["course_completed"])}
        key, course_id = f"lesson:{row['id']}", row["course_id"]
        deed = Deed(key, "LESSON", row["xp"], at, course_id, row["id"], counts)
        earned = await earning.earn_locked(connection, user_id, deed)
        return Completed(True, row["course_completed"], earned)
