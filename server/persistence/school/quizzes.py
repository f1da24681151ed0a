"""Attempts at quizzes: begun and answered by the person, graded by the server.

What is right is told only once an attempt was handed in; until then nobody who acts for a person
can read it. `submit` and `review` run as lyceum_server, all others as the person.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from asyncpg import Record
from msgspec import Struct, json

from server.domain.school import events, grading
from server.domain.school.deeds import Deed
from server.domain.school.grading import Grade
from server.errors import Conflict, NotFound
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow
from server.persistence.school import earning
from server.persistence.school.allowed import kept
from server.persistence.school.earning import Earned
from server.persistence.school.whole import in_time, whole
from server.persistence.types import Connection


class Question(Struct, frozen=True):
    """A question as it is asked; id: what answers name."""

    id: UUID
    position: int
    kind: Literal["SINGLE", "MULTIPLE", "TEXT"]
    prompt: str
    choices: list[Any]
    points: int


class Attempt(Struct, frozen=True):
    """A try at a quiz. number: 1, 2, 3, … ends_at: None without a time limit.

    points, max_points, passed: None until it is handed in.
    """

    id: UUID
    number: int
    answers: dict[str, Any]
    started_at: datetime
    ends_at: datetime | None
    submitted_at: datetime | None
    points: int | None
    max_points: int | None
    passed: bool | None


class Graded(Struct, frozen=True):
    """What a handed in attempt came to. earned: None unless the quiz was passed just now."""

    points: int
    max_points: int
    passed: bool
    earned: Earned | None


class Reviewed(Struct, frozen=True):
    """A question of an attempt that was handed in, with what is right and why."""

    id: UUID
    right: bool
    given: Any
    answer: Any
    explanation: str


QUESTIONS = Query(
    "quizzes.questions",
    Kind.READ,
    """
select quiz_questions.public_id, quiz_questions.position, quiz_questions.kind, prompt, choices,
    points
from quizzes
join lessons on lessons.id = lesson_id and lessons.status = 'PUBLISHED'
join quiz_questions on quiz_id = quizzes.id
where quizzes.public_id = $1
order by position
""",
)


async def questions(connection: Connection, quiz: UUID) -> list[Question]:
    """The questions of a quiz, without what is right; none if there is no such quiz."""
    return [
        Question(id, position, kind, prompt, json.decode(choices), points)
        for id, position, kind, prompt, choices, points in await fetch(connection, QUESTIONS, quiz)
    ]


LOOK = Query(
    "quizzes.look",
    Kind.READ,
    """
select quizzes.id as quiz_id, lessons.status as published, enrollments.status as enrolled,
    max_attempts, attempts.public_id, number, answers, attempts.started_at,
    attempts.started_at + time_limit as ends_at, submitted_at, points, max_points, passed
from quizzes
join lessons on lessons.id = lesson_id
left join enrollments
    on enrollments.user_id = $1 and enrollments.course_id = lessons.course_id
left join quiz_attempts as attempts
    on attempts.user_id = $1 and attempts.quiz_id = quizzes.id and submitted_at is null
where quizzes.public_id = $2
""",
)
START = Query(
    "quizzes.start",
    Kind.WRITE,
    """
insert into quiz_attempts (user_id, quiz_id, number)
select $1, $2, count(*) + 1
from quiz_attempts
where user_id = $1 and quiz_id = $2
having count(*) < $3 or $3 is null
on conflict do nothing
""",
)


async def start(connection: Connection, user_id: int, quiz: UUID) -> Attempt:
    """Begin an attempt, or go on with the one that is not handed in yet.

    Raises NotFound, and Conflict for who is not in the course or has no attempt left.
    """
    row = _open(await fetchrow(connection, LOOK, user_id, quiz))
    if row["public_id"] is None:
        await execute(connection, START, user_id, row["quiz_id"], row["max_attempts"])
        row = _open(await fetchrow(connection, LOOK, user_id, quiz))
    if row["public_id"] is None:
        raise Conflict(f"There are only {row['max_attempts']} attempts at this quiz.")
    return _attempt(row)


def _open(row: Record | None) -> Record:
    if row is None or row["published"] != "PUBLISHED":
        raise NotFound("There is no such quiz.")
    if row["enrolled"] not in ("ACTIVE", "COMPLETED"):
        raise Conflict("This quiz is of a course that the person does not take.")
    return row


def _attempt(row: Record) -> Attempt:
    return Attempt(
        row["public_id"],
        row["number"],
        json.decode(row["answers"]),
        row["started_at"],
        row["ends_at"],
        row["submitted_at"],
        row["points"],
        row["max_points"],
        row["passed"],
    )


# A little later than the page's own clock says.
SAVE = Query(
    "quizzes.save",
    Kind.WRITE,
    """
with attempt as (
    select attempts.id, quiz_id,
        now() > attempts.started_at + time_limit + interval '15 seconds' as is_over
    from quiz_attempts as attempts
    join quizzes on quizzes.id = quiz_id
    where user_id = $1 and attempts.public_id = $2
),
saved as (
    update quiz_attempts
    set answers = answers || (
        select coalesce(jsonb_object_agg(question, answer), '{}')
        from jsonb_each($3) as given (question, answer)
        where question in (
            select public_id::text from quiz_questions where quiz_id = attempt.quiz_id
        )
    )
    from attempt
    where quiz_attempts.id = attempt.id and quiz_attempts.submitted_at is null
        and is_over is not true
    returning quiz_attempts.id
)
select is_over, exists (select from saved) as is_saved
from attempt
""",
)


async def save(
    connection: Connection, user_id: int, attempt: UUID, answers: Mapping[str, Any]
) -> None:
    """Keep answers, by the questions' ids, beside those that were kept before.

    What answers no question of the quiz is left out. Raises NotFound, TooLong, and Conflict once it
    is handed in or its time is over.
    """
    row = await fetchrow(connection, SAVE, user_id, attempt, kept("Answers take", answers))
    if row is None:
        raise NotFound("There is no such attempt.")
    if not row["is_saved"]:
        raise Conflict("The time is over." if row["is_over"] else "This was handed in already.")


ATTEMPTS = Query(
    "quizzes.attempts",
    Kind.READ,
    """
select attempts.public_id, number, answers, attempts.started_at,
    attempts.started_at + time_limit as ends_at, submitted_at, points, max_points, passed
from quizzes
join quiz_attempts as attempts on attempts.quiz_id = quizzes.id and attempts.user_id = $1
where quizzes.public_id = $2
order by number desc
limit 100
""",
)


async def attempts(connection: Connection, user_id: int, quiz: UUID) -> list[Attempt]:
    """The person's attempts at a quiz, the newest hundred."""
    return [_attempt(row) for row in await fetch(connection, ATTEMPTS, user_id, quiz)]


# Locked, so that no answer comes between grading and what is kept of it.
HANDED_IN = Query(
    "quizzes.handed_in",
    Kind.READ,
    """
select attempts.id, quiz_id, lesson_id, lessons.course_id, pass_percent, quizzes.xp, answers,
    submitted_at, points, max_points, passed
from quiz_attempts as attempts
join quizzes on quizzes.id = quiz_id
join lessons on lessons.id = lesson_id
where user_id = $1 and attempts.public_id = $2
for no key update of attempts
""",
)
KEY = Query(
    "quizzes.key",
    Kind.READ,
    """
select public_id, kind, answer, points, explanation
from quiz_questions
where quiz_id = $1
order by position
""",
)
GRADE = Query(
    "quizzes.grade",
    Kind.WRITE,
    """
with graded as (
    update quiz_attempts
    set points = $2, max_points = $3, passed = $4, submitted_at = greatest(started_at, $5)
    where id = $1
    returning user_id
)
insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type, data)
select $5, $6, user_id, $7, $8, 'quiz.submitted',
    jsonb_build_object('points', $2::integer, 'max_points', $3::integer, 'passed', $4::boolean)
from graded
""",
)


async def submit(connection: Connection, user_id: int, attempt: UUID, at: datetime) -> Graded:
    """Hand an attempt in: grade what was saved, and give its points for the first that passes.

    One transaction; who hands in again is told what it came to. Raises NotFound.
    """
    async with whole(connection):
        await earning.lock(connection, user_id)
        row = await _handed_in(connection, user_id, attempt)
        if row["submitted_at"] is not None:
            return Graded(row["points"], row["max_points"], row["passed"], None)
        grade = _grade(row, await fetch(connection, KEY, row["quiz_id"]))
        event = events.event_id(user_id, events.QUIZ_SUBMITTED, attempt)
        result = (grade.points, grade.max_points, grade.passed)
        with in_time(at):
            where = (row["course_id"], row["lesson_id"])
            await execute(connection, GRADE, row["id"], *result, at, event, *where)
        if not grade.passed:
            return Graded(*result, None)
        key, counts = f"quiz:{row['quiz_id']}", {"quizzes_passed": 1}
        deed = Deed(key, "QUIZ", row["xp"], at, row["course_id"], row["lesson_id"], counts)
        earned = await earning.earn_locked(connection, user_id, deed)
        return Graded(*result, earned if earned.given else None)


async def _handed_in(connection: Connection, user_id: int, attempt: UUID) -> Record:
    row = await fetchrow(connection, HANDED_IN, user_id, attempt)
    if row is None:
        raise NotFound("There is no such attempt.")
    return row


def _grade(row: Record, key: list[Record]) -> Grade:
    asked = [
        grading.Question(str(id), kind, json.decode(answer), points)
        for id, kind, answer, points, _ in key
    ]
    return grading.grade(asked, json.decode(row["answers"]), row["pass_percent"])


async def review(connection: Connection, user_id: int, attempt: UUID) -> list[Reviewed]:
    """What was right in an attempt, and why; raises NotFound, Conflict before it is handed in."""
    async with whole(connection):
        row = await _handed_in(connection, user_id, attempt)
    if row["submitted_at"] is None:
        raise Conflict("This was not handed in yet.")
    key = await fetch(connection, KEY, row["quiz_id"])
    right, given = _grade(row, key).right, json.decode(row["answers"])
    return [
        Reviewed(id, str(id) in right, given.get(str(id)), json.decode(answer), explanation)
        for id, _, answer, _, explanation in key
    ]
