"""Fifty at work at once, who try again, and whose connections are killed: each deed counts once."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest_asyncio
from msgspec import Struct, field

from server.domain.school.boards import ALL_TIME
from server.domain.school.deeds import Deed
from server.ids import UserId
from server.persistence.integrity import check_all
from server.persistence.school import (
    badges,
    comments,
    earning,
    enrolment,
    lessons,
    quizzes,
    ranks,
    submissions,
    votes,
)
from server.persistence.school.comments import NewComment
from server.persistence.school.leaderboard import refresh_leaderboard
from server.persistence.school.rollups import roll_up
from server.persistence.school.submissions import NewSubmission, Verdict
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.campus import Campus, new_comment
from tests.school.crowd import Crowd, Do, School, open_to_all
from tests.school.make import ACHIEVEMENTS, AUTUMN, BY_MONTH, CATALOGUE, MONTHS, Course, course
from tests.school.model import Standing, standing
from tests.school.test_earning import has

WORKERS, PEOPLE, LESSONS = 50, 12, 4
ZONE = "Europe/Berlin"
STATS = """
select lessons_completed, courses_completed, quizzes_passed, submissions, submissions_passed,
    comments, seconds
from user_stats where user_id = $1
"""
COUNTED = """
select sum(lessons_completed), sum(submissions), sum(xp), sum(seconds)
from analytics_user_daily where user_id = $1
"""
BADGES = "select array_agg(slug) from user_badges join badges on id = badge_id where user_id = $1"
VOTES = """
select user_id, things.public_id, value
from votes
join (
    select public_id, id as post_id, null::bigint as comment_id from posts
    union all
    select public_id, null, id from comments
) as things on things.post_id = votes.post_id or things.comment_id = votes.comment_id
"""
SCORES = "select public_id, score from posts union all select public_id, score from comments"


class Learner(Struct):
    """Somebody, and what is to be there in the end of what they do; a vote of 0 is none."""

    id: UserId
    lived: list[Deed] = []
    said: dict[UUID, str] = field(default_factory=dict)
    cast: dict[UUID, votes.Value] = field(default_factory=dict)
    completed: int = 0
    passed_quiz: bool = False
    passed_code: bool = False

    @property
    def standing(self) -> Standing:
        """Points, streaks and achievements."""
        return standing(self.lived, ZONE, CATALOGUE)

    @property
    def stats(self) -> tuple[int, ...]:
        """What is counted, as STATS has it: of seconds in a lesson only the most are."""
        shown = sum(status == "VISIBLE" for status in self.said.values())
        learned = (self.completed, self.completed == LESSONS, self.passed_quiz)
        return (*learned, 2, self.passed_code, shown, sum(range(10, 10 + LESSONS)))


@pytest_asyncio.fixture
async def school(campus: Campus) -> AsyncIterator[School]:
    """A school with achievements and months of its own."""
    await campus.superuser.execute(ACHIEVEMENTS)
    for table in BY_MONTH:
        await campus.superuser.execute(MONTHS.format(table=table))
    async with open_to_all(campus) as school:
        yield school


async def learning(school: School, who: Learner, number: int, taken: Course) -> list[Do]:
    """Lessons that are gone through and completed, each from several places at once."""
    db = school.campus.superuser
    await enrolment.enrol(db, who.id, taken.public_id, AUTUMN)
    who.completed = 1 + number % LESSONS
    deeds: list[Do] = []
    for place, lesson in enumerate(taken.lessons):
        at = AUTUMN + timedelta(days=place)
        which = {"user_id": who.id, "lesson": lesson.public_id, "at": at}
        for seconds in (10 + place, place):

            async def advance(seconds: int = seconds, which: dict[str, object] = which) -> None:
                await school.as_server(partial(lessons.start, **which))
                more = partial(lessons.advance, percent=50, seconds=seconds, **which)
                await school.as_server(more)

            deeds.append(advance)
        if place < who.completed:
            deeds += 3 * [partial(school.as_server, partial(lessons.complete, **which))]
            counts = {"lessons_completed": 1}
            who.lived.append(Deed(f"lesson:{lesson.id}", "LESSON", 20, at, counts=counts))
    return deeds


async def exams(
    school: School, who: Learner, number: int, taken: Course, quiz: asyncpg.Record
) -> list[Do]:
    """A quiz that is handed in, and code that is handed in and judged, each more than once."""
    db, lesson = school.campus.superuser, taken.lessons[0]
    who.passed_quiz, who.passed_code = bool(number % 2), bool(number % 3)
    attempt = await quizzes.start(db, who.id, quiz["public_id"])
    (question,) = await quizzes.questions(db, quiz["public_id"])
    answer = "because" if who.passed_quiz else "why not"
    await quizzes.save(db, who.id, attempt.id, {str(question.id): answer})
    hand_in = partial(quizzes.submit, user_id=who.id, attempt=attempt.id, at=AUTUMN)
    deeds: list[Do] = 2 * [partial(school.as_server, hand_in)]
    if who.passed_quiz:
        who.lived.append(Deed(f"quiz:{quiz['id']}", "QUIZ", 30, AUTUMN))
    verdict = Verdict("PASSED", 1, 1) if who.passed_code else Verdict("FAILED", 0, 1)
    for hours in range(2):
        new = NewSubmission(uuid4(), AUTUMN + timedelta(hours=hours), "solidity", "code")

        async def judged(new: NewSubmission = new) -> None:
            submit = partial(submissions.submit, user_id=who.id, lesson=lesson.public_id, new=new)
            await school.as_person(who.id, submit)
            which = {"id": new.id, "submitted_at": new.at, "verdict": verdict}
            await school.as_server(partial(submissions.judge, at=AUTUMN, **which))

        deeds += 2 * [judged]
    if who.passed_code:
        who.lived.append(Deed(f"submission:{lesson.id}", "SUBMISSION", 10, AUTUMN))
    return deeds


async def talking(school: School, who: Learner, chance: random.Random) -> list[Do]:
    """Votes, on what all others vote on, some of them changed or taken back; and two comments."""
    deeds: list[Do] = []
    for is_post, thing in school.things:
        if chance.random() < 0.6:
            await school.vote(who.id, is_post, thing, chance.choice((-1, 1)))()
        who.cast[thing] = chance.choice((-1, 0, 1))
        deeds += 2 * [school.vote(who.id, is_post, thing, who.cast[thing])]
    for status in ("VISIBLE", "DELETED"):
        new = new_comment(school.things[0][1])
        who.said[new.id] = status

        async def say(new: NewComment = new, status: str = status) -> None:
            write = partial(comments.write, author=who.id, new=new)
            await school.as_person(who.id, write)
            if status == "DELETED":
                take_back = partial(comments.delete, author=who.id, id=new.id)
                await school.as_person(who.id, take_back)

        deeds += 2 * [say]
    return deeds


def awards(school: School, who: Learner, teacher: UserId) -> list[Do]:
    """Points and a badge, given more than once."""
    praise = {"user_id": who.id, "amount": 7, "reason": "COMMUNITY", "course_id": None}
    points = partial(earning.award, key="post:1", at=AUTUMN, **praise)
    badge = partial(badges.award, who=teacher, user_id=who.id, slug="helper")
    who.lived.append(Deed("post:1", "COMMUNITY", 7, AUTUMN))
    return 2 * [partial(school.as_server, points), partial(school.as_staff, badge)]


async def test_whatever_was_acknowledged_counts_once(school: School) -> None:
    """Of lessons, quizzes, code, votes, comments, points and badges, whoever was killed when."""
    db = school.campus.superuser
    taken = await course(db, LESSONS)
    await db.execute("update lessons set exercise = '{}'")
    quiz = await insert(db, "quizzes", lesson_id=taken.lessons[0].id, xp=30)
    await insert(db, "quiz_questions", quiz_id=quiz["id"])
    teacher = await school.campus.person("INSTRUCTOR")
    await badges.make(school.campus.staff, teacher, badges.NewBadge("helper", "Helper"))
    await school.discuss()
    people = [Learner(await school.campus.person()) for _ in range(PEOPLE)]
    chance = random.Random(7)
    deeds: list[Do] = 6 * [partial(school.as_server, roll_up)]
    for number, who in enumerate(people):
        await insert(db, "user_profiles", user_id=who.id, time_zone=ZONE)
        deeds += await learning(school, who, number, taken)
        deeds += await exams(school, who, number, taken, quiz)
        deeds += await talking(school, who, chance)
        deeds += awards(school, who, teacher)
    chance.shuffle(deeds)
    crowd = Crowd(db)
    await crowd.do(deeds, WORKERS)
    assert crowd.done == len(deeds)
    assert crowd.killed > 0
    assert crowd.lost > 0
    await roll_up(school.campus.server)
    await refresh_leaderboard(school.campus.server)
    for who in people:
        await learned(db, who)
    await said(db, people)
    await ranked(school.campus.server, people)
    assert [result.wrong async for result in check_all(db) if result.found] == []


async def learned(db: Connection, who: Learner) -> None:
    """See that somebody has what their deeds are worth, in each place where that is counted."""
    found, expected = await has(db, who.id), who.standing
    assert (found.xp, found.level, found.current, found.longest, found.achievements) == (
        expected.xp,
        expected.level,
        expected.current,
        expected.longest,
        expected.achievements,
    )
    assert found.ledger == {key: amount for key, amount in expected.ledger.items() if amount}
    assert tuple(await db.fetchrow(STATS, who.id)) == who.stats
    lessons_completed, *_others, seconds = who.stats
    counted = (lessons_completed, 2, expected.xp, seconds)
    assert tuple(await db.fetchrow(COUNTED, who.id)) == counted
    assert set(await db.fetchval(BADGES, who.id)) == {"helper", "beginner"}


async def said(db: Connection, people: Sequence[Learner]) -> None:
    """See that each comment and vote is there once, and that scores are what they come to."""
    written = dict(await db.fetch("select public_id, status from comments"))
    for who in people:
        assert {id: written[id] for id in who.said} == who.said
    cast = {(who.id, thing): value for who in people for thing, value in who.cast.items() if value}
    assert {(row[0], row[1]): row[2] for row in await db.fetch(VOTES)} == cast
    sums: Counter[UUID] = Counter()
    for (_, thing), value in cast.items():
        sums[thing] += value
    assert {id: score for id, score in await db.fetch(SCORES) if score} == {
        id: score for id, score in sums.items() if score
    }


async def ranked(db: Connection, people: Sequence[Learner]) -> None:
    """See that everybody has the rank that follows from all their points."""
    points = {who.id: who.standing.xp for who in people}
    on_board = {place.user_id: (place.rank, place.xp) for place in await ranks.everybody(db)}
    for who, xp in points.items():
        rank = 1 + sum(other > xp for other in points.values())
        assert (await ranks.standing(db, ALL_TIME, who)).rank == rank
        assert on_board[who] == (rank, xp)
