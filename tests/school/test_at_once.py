"""Many people at once, connections that are killed, and answers that never come: all is whole."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import asyncpg

from server.domain.school.deeds import Deed
from server.persistence.database import connect
from server.persistence.integrity import check_all
from server.persistence.school import earning, enrolment, lessons, quizzes, submissions
from server.persistence.school.submissions import NewSubmission, Verdict
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import (
    ACHIEVEMENTS,
    AUTUMN,
    BY_MONTH,
    CATALOGUE,
    MONTHS,
    Course,
    course,
    person,
)
from tests.school.model import standing
from tests.school.test_earning import has
from tests.support.logins import connected, login, migrated_by_owner, name_of
from tests.support.postgres import PostgresInstance

WORKERS = 20
PEOPLE = 8
LESSONS = 5
KILLED_EVERY = 7  # deeds
KILL = """
select pg_terminate_backend(pid)
from pg_stat_activity
where usename = $1 and state <> 'idle'
order by random()
limit 1
"""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
COUNTED = """
select seconds, quizzes_passed, submissions, submissions_passed from user_stats where user_id = $1
"""
Do = Callable[[Connection], Awaitable[object]]


class Workers:
    """Who do deeds, each until it is answered. lost: how often a connection was."""

    def __init__(self, superuser_url: str, url: str) -> None:
        self._superuser_url = superuser_url
        self._url = url
        self.done = self.lost = 0

    async def work(self, deeds: Iterator[Do]) -> None:
        """Do what is left of the deeds, on one connection as long as that lives."""
        connection = await connect(self._url)
        for deed in deeds:
            while True:
                try:
                    await deed(connection)
                    break
                except LOST:
                    self.lost += 1
                    connection.terminate()
                    connection = await connect(self._url)
            self.done += 1
            if self.done % KILLED_EVERY == 0:
                await self._kill()
        connection.terminate()

    async def _kill(self) -> None:
        async with connected(self._superuser_url) as superuser:
            await superuser.execute(KILL, name_of(self._url))


async def work_at(db: Connection, user: int, taken: Course, quiz: UUID) -> list[Do]:
    """A quiz that is handed in and code that is judged, more than once."""
    attempt = await quizzes.start(db, user, quiz)
    (question,) = await quizzes.questions(db, quiz)
    await quizzes.save(db, user, attempt.id, {str(question.id): "because"})
    deeds: list[Do] = [
        partial(quizzes.submit, user_id=user, attempt=attempt.id, at=AUTUMN),
        partial(quizzes.submit, user_id=user, attempt=attempt.id, at=AUTUMN),
    ]
    passed = Verdict("PASSED", 1, 1)
    for number in range(2):
        new = NewSubmission(uuid4(), AUTUMN + timedelta(hours=number), "solidity", "code")
        await submissions.submit(db, user, taken.lessons[0].public_id, new)
        judge = partial(
            submissions.judge, id=new.id, submitted_at=new.at, verdict=passed, at=AUTUMN
        )
        deeds += 2 * [judge]
    return deeds


async def test_all_that_was_done_is_there_once(postgres: PostgresInstance) -> None:
    """After any mix of retries and killed connections every sum agrees with what it counts."""
    url = await migrated_by_owner(postgres)
    async with connected(url) as superuser:
        await superuser.execute(ACHIEVEMENTS)
        for table in BY_MONTH:
            await superuser.execute(MONTHS.format(table=table))
        taken = await course(superuser, LESSONS)
        quiz = await insert(superuser, "quizzes", lesson_id=taken.lessons[0].id, xp=30)
        await insert(superuser, "quiz_questions", quiz_id=quiz["id"])
        await superuser.execute("update lessons set exercise = '{}'")
        people = [await person(superuser, "Europe/Berlin") for _ in range(PEOPLE)]
        deeds: list[Do] = []
        for user in people:
            await enrolment.enrol(superuser, user, taken.public_id, AUTUMN)
            for number, lesson in enumerate(taken.lessons):
                at = AUTUMN + timedelta(days=number)
                await lessons.start(superuser, user, lesson.public_id, at)
                arguments = {"user_id": user, "lesson": lesson.public_id, "at": at}
                deeds += 3 * [partial(lessons.complete, **arguments)]
                deeds.append(partial(lessons.advance, percent=50, seconds=number, **arguments))
            deeds += await work_at(superuser, user, taken, quiz["public_id"])
            praise = {"user_id": user, "amount": 7, "reason": "COMMUNITY", "course_id": None}
            deeds += 2 * [partial(earning.award, key="post:1", at=AUTUMN, **praise)]
        random.Random(7).shuffle(deeds)
        workers = Workers(url, await login(url, "lyceum_server"))
        left = iter(deeds)
        await asyncio.gather(*(workers.work(left) for _ in range(WORKERS)))
        assert workers.done == len(deeds)
        assert workers.lost > 0
        assert [result.wrong async for result in check_all(superuser) if result.found] == []
        counts = {"lessons_completed": 1}
        lived = [
            Deed(f"lesson:{lesson.id}", "LESSON", 20, AUTUMN + timedelta(days=n), counts=counts)
            for n, lesson in enumerate(taken.lessons)
        ]
        lived.append(Deed("post", "COMMUNITY", 7, AUTUMN))
        lived.append(Deed("quiz", "QUIZ", 30, AUTUMN))
        lived.append(Deed("submission", "SUBMISSION", 10, AUTUMN))
        expected = standing(lived, "Europe/Berlin", CATALOGUE)
        for user in people:
            found = await has(superuser, user)
            assert (found.xp, found.longest, found.achievements) == (
                expected.xp,
                expected.longest,
                expected.achievements,
            )
            counted = await superuser.fetchrow(COUNTED, user)
            assert tuple(counted) == (sum(range(LESSONS)), 1, 2, 1)
