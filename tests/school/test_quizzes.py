"""Quizzes: attempts are numbered, graded by the server, and worth something once."""

import asyncio
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.errors import Conflict, NotFound, TooLong
from server.persistence.access import Access
from server.persistence.school import enrolment, lessons, quizzes
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import AUTUMN, course, person

QUESTIONS: list[tuple[str, str, str, int]] = [
    ("SINGLE", '["a", "b"]', "1", 1),
    ("MULTIPLE", '["a", "b", "c"]', "[0, 2]", 2),
    ("TEXT", "[]", '["wei"]', 3),
]
RIGHT: list[Any] = [1, [2, 0], "Wei"]


class Quiz(NamedTuple):
    """A quiz of three questions that somebody may take."""

    id: int
    public_id: UUID
    user: int
    access: Access
    server: Connection

    async def start(self) -> quizzes.Attempt:
        async with self.access.as_user(self.user) as connection:
            return await quizzes.start(connection, self.user, self.public_id)

    async def save(self, attempt: UUID, answers: dict[str, Any]) -> None:
        async with self.access.as_user(self.user) as connection:
            await quizzes.save(connection, self.user, attempt, answers)

    async def questions(self) -> list[quizzes.Question]:
        async with self.access.as_user(self.user) as connection:
            return await quizzes.questions(connection, self.public_id)

    async def attempts(self) -> list[quizzes.Attempt]:
        async with self.access.as_user(self.user) as connection:
            return await quizzes.attempts(connection, self.user, self.public_id)

    async def take(self, right: int) -> quizzes.Graded:
        """A whole attempt in which the first questions are answered rightly."""
        attempt = await self.start()
        asked = await self.questions()
        for number, question in enumerate(asked):
            given = RIGHT[number] if number < right else "nonsense"
            await self.save(attempt.id, {str(question.id): given})
        return await quizzes.submit(self.server, self.user, attempt.id, AUTUMN)


async def make(
    superuser: Connection, access: Access, server: Connection, **columns: object
) -> Quiz:
    taken = await course(superuser)
    user = await person(superuser)
    columns = {"lesson_id": taken.lessons[0].id, "xp": 30, "pass_percent": 50, **columns}
    quiz = await insert(superuser, "quizzes", **columns)
    for number, (kind, choices, answer, points) in enumerate(QUESTIONS, 1):
        await insert(
            superuser,
            "quiz_questions",
            quiz_id=quiz["id"],
            position=number,
            kind=kind,
            choices=choices,
            answer=answer,
            points=points,
            explanation=f"because {number}",
        )
    await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    return Quiz(quiz["id"], quiz["public_id"], user, access, server)


async def test_attempts(superuser: Connection, access: Access, server: Connection) -> None:
    """They are numbered, graded when they are handed in; the first that passes brings points."""
    quiz = await make(superuser, access, server)
    first = await quiz.take(2)
    assert (first.points, first.max_points, first.passed) == (3, 6, True)
    assert first.earned is not None
    assert first.earned.points == 30
    again = await quiz.take(3)
    assert (again.points, again.passed, again.earned) == (6, True, None)
    worse = await quiz.take(1)
    assert (worse.points, worse.passed, worse.earned) == (1, False, None)
    found = await quiz.attempts()
    assert [(one.number, one.points, one.passed) for one in found] == [
        (3, 1, False),
        (2, 6, True),
        (1, 3, True),
    ]
    assert found[0].answers.keys() == {str(question.id) for question in await quiz.questions()}
    told = await superuser.fetch(
        "select event_type, data from learning_analytics"
        " where user_id = $1 and event_type like 'quiz.%' order by 1, 2",
        quiz.user,
    )
    assert [row[0] for row in told] == ["quiz.passed"] + 3 * ["quiz.submitted"]
    assert told[1][1] == '{"passed": false, "points": 1, "max_points": 6}'
    count = "select quizzes_passed from user_stats where user_id = $1"
    assert await superuser.fetchval(count, quiz.user) == 1


async def test_one_attempt_is_open_at_a_time(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """However often it is begun; it is handed in once, and there are only so many."""
    quiz = await make(superuser, access, server, max_attempts=2)
    begun = await asyncio.gather(*(quiz.start() for _ in range(5)))
    assert len({attempt.id for attempt in begun}) == 1
    assert begun[0].number == 1
    first = await quizzes.submit(server, quiz.user, begun[0].id, AUTUMN)
    assert first == await quizzes.submit(server, quiz.user, begun[0].id, AUTUMN)
    with pytest.raises(Conflict, match="handed in already"):
        await quiz.save(begun[0].id, {"x": 1})
    assert (await quiz.take(0)).points == 0
    with pytest.raises(Conflict, match="only 2 attempts"):
        await quiz.start()


async def test_time_runs_out(superuser: Connection, access: Access, server: Connection) -> None:
    """What was saved in time is graded; later nothing is taken."""
    quiz = await make(superuser, access, server, time_limit=timedelta(minutes=10))
    attempt = await quiz.start()
    assert attempt.ends_at == attempt.started_at + timedelta(minutes=10)
    first, second, _ = await quiz.questions()
    await quiz.save(attempt.id, {str(first.id): 1, str(uuid4()): "of no question"})
    (kept,) = await quiz.attempts()
    assert kept.answers == {str(first.id): 1}
    with pytest.raises(TooLong, match="at most 100,000"):
        await quiz.save(attempt.id, {str(second.id): "x" * 100_000})
    await superuser.execute(
        "update quiz_attempts set started_at = now() - interval '11 minutes' where public_id = $1",
        attempt.id,
    )
    with pytest.raises(Conflict, match="time is over"):
        await quiz.save(attempt.id, {str(second.id): [0, 2]})
    assert (await quizzes.submit(server, quiz.user, attempt.id, AUTUMN)).points == 1


async def test_what_is_right_is_told_afterwards(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Not before an attempt was handed in, by no way that a person has."""
    quiz = await make(superuser, access, server)
    attempt = await quiz.start()
    asked = await quiz.questions()
    assert [(question.kind, question.choices) for question in asked] == [
        ("SINGLE", ["a", "b"]),
        ("MULTIPLE", ["a", "b", "c"]),
        ("TEXT", []),
    ]
    await quiz.save(attempt.id, {str(asked[1].id): [0]})
    with pytest.raises(Conflict, match="not handed in yet"):
        await quizzes.review(server, quiz.user, attempt.id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with access.as_user(quiz.user) as connection:
            await connection.fetch("select answer from quiz_questions")
    await quizzes.submit(server, quiz.user, attempt.id, AUTUMN)
    seen = await quizzes.review(server, quiz.user, attempt.id)
    assert [(one.right, one.given, one.answer, one.explanation) for one in seen] == [
        (False, None, 1, "because 1"),
        (False, [0], [0, 2], "because 2"),
        (False, None, ["wei"], "because 3"),
    ]


async def test_whose_quiz(superuser: Connection, access: Access, server: Connection) -> None:
    """Nobody takes one of a course that they don't take, that is not published, or of somebody."""
    quiz, other = [await make(superuser, access, server) for _ in range(2)]
    attempt = await quiz.start()
    stranger = other._replace(public_id=quiz.public_id)
    with pytest.raises(Conflict, match="does not take"):
        await stranger.start()
    with pytest.raises(NotFound, match="no such attempt"):
        await stranger.save(attempt.id, {})
    for deed in (quizzes.submit(server, other.user, attempt.id, AUTUMN),
                 quizzes.review(server, other.user, attempt.id)):  # fmt: skip
        with pytest.raises(NotFound, match="no such attempt"):
            await deed
    with pytest.raises(NotFound, match="no such quiz"):
        await quiz._replace(public_id=uuid4()).start()
    hide = (
        "update lessons set status = 'ARCHIVED'"
        " from quizzes where lesson_id = lessons.id and quizzes.id = $1"
    )
    await superuser.execute(hide, quiz.id)
    with pytest.raises(NotFound, match="no such quiz"):
        await quiz.start()
    assert await quiz.questions() == []


async def test_lesson_that_is_a_quiz(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Who passed its quiz completes it, for good; one that only has a quiz anybody does."""
    quiz = await make(superuser, access, server, title="Gas")
    other = await person(superuser)
    lesson: UUID = await superuser.fetchval(
        "update lessons set kind = 'QUIZ' from quizzes"
        " where lesson_id = lessons.id and quizzes.id = $1 returning lessons.public_id",
        quiz.id,
    )
    row = await superuser.fetchrow("select id, course_id from lessons where public_id = $1", lesson)
    await insert(superuser, "enrollments", user_id=other, course_id=row["course_id"])
    await insert(superuser, "quizzes", lesson_id=row["id"], title="To be written")
    await quiz.take(1)
    for user in (quiz.user, other):
        with pytest.raises(Conflict, match="passing its quiz «Gas» first"):
            await lessons.complete(server, user, lesson, AUTUMN)
    begun = "select count(*) from user_progress where lesson_id = $1"
    assert await superuser.fetchval(begun, row["id"]) == 0
    await quiz.take(3)
    assert (await lessons.complete(server, quiz.user, lesson, AUTUMN)).newly
    with pytest.raises(Conflict, match="passing its quiz «Gas» first"):
        await lessons.complete(server, other, lesson, AUTUMN)
    new = await insert(superuser, "quizzes", lesson_id=row["id"])
    await insert(superuser, "quiz_questions", quiz_id=new["id"])
    assert not (await lessons.complete(server, quiz.user, lesson, AUTUMN)).newly
    await superuser.execute("update lessons set kind = 'READING' where public_id = $1", lesson)
    assert (await lessons.complete(server, other, lesson, AUTUMN)).newly
