"""Enrolling and going through lessons: whatever somebody does, however often, in any order."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.school.deeds import Deed
from server.errors import BadRequest, Conflict, NotFound, TooLong
from server.persistence.access import Access
from server.persistence.school import enrolment, lessons
from server.persistence.types import Connection
from tests.school.make import AUTUMN, CATALOGUE, Course, Lesson, course, person
from tests.school.model import standing
from tests.support.logins import connected
from tests.support.people import WAITS
from tests.support.waiting import eventually

ZONE = "America/New_York"  # sets its clock back on 3 November 2024
PROGRESS = """
select lesson_id, status, percent, seconds from user_progress where user_id = $1
"""
ENROLLED = "select course_id, status from enrollments where user_id = $1"
COUNTS = """
select lessons_completed, courses_completed, seconds from user_stats where user_id = $1
"""
EVENTS = """
select event_type, count(distinct event_id) from learning_analytics
where user_id = $1 and event_type ~ '^(course|lesson)' and event_type <> 'lesson.advanced'
group by 1
"""
TOLD = """
select coalesce(sum((data ->> 'seconds')::int), 0) as seconds,
    coalesce(sum((data ->> 'xp')::int), 0) as xp
from learning_analytics
where user_id = $1
"""
EARNED = """
select xp, streak, array(
    select slug from user_achievements join achievements on id = achievement_id where user_id = $1
) as achievements
from users where id = $1
"""


class Learner:
    """What one person should have, kept in plain dictionaries while things are done."""

    def __init__(self, first: Course, second: Course) -> None:
        self.first, self.second = first, second
        self.enrolled: dict[int, str] = {}
        self.done: set[int] = set()
        self.percent: dict[int, int] = {}
        self.seconds: dict[int, int] = {}
        self.deeds: list[Deed] = []
        self.events: dict[str, int] = {}

    def do(self, deed: str, taken: Course, lesson: Lesson, much: int, at: datetime) -> bool:
        """Whether it is allowed."""
        match deed:
            case "enrol":
                return self.enrol(taken)
            case "leave":
                return self.leave(taken)
            case "start":
                return self.start(taken, lesson)
            case "advance":
                return self.advance(lesson, much, 3 * much)
        return self.complete(taken, lesson, at)

    def tell(self, event: str) -> None:
        self.events[event] = self.events.get(event, 0) + 1

    def enrol(self, course: Course) -> bool:
        was = self.enrolled.get(course.id)
        is_missing = self.enrolled.get(self.first.id) != "COMPLETED"
        if course is self.second and was is None and is_missing:
            return False
        if was in (None, "DROPPED"):
            self.enrolled[course.id] = "ACTIVE"
            self.tell("course.enrolled")
        return True

    def leave(self, course: Course) -> bool:
        if self.enrolled.get(course.id) == "ACTIVE":
            self.enrolled[course.id] = "DROPPED"
            self.tell("course.dropped")
        return course.id in self.enrolled

    def takes(self, course: Course) -> bool:
        return self.enrolled.get(course.id) in ("ACTIVE", "COMPLETED")

    def start(self, course: Course, lesson: Lesson) -> bool:
        if self.takes(course) and lesson.id not in self.percent:
            self.percent[lesson.id] = self.seconds[lesson.id] = 0
            self.tell("lesson.started")
        return self.takes(course)

    def advance(self, lesson: Lesson, percent: int, seconds: int) -> bool:
        if lesson.id not in self.percent:
            return False
        self.percent[lesson.id] = max(percent, self.percent[lesson.id])
        self.seconds[lesson.id] = max(seconds, self.seconds[lesson.id])
        return True

    def complete(self, course: Course, lesson: Lesson, at: datetime) -> bool:
        if not self.start(course, lesson):
            return False
        if lesson.id not in self.done:
            self.done.add(lesson.id)
            self.percent[lesson.id] = 100
            counts = {"lessons_completed": 1}
            if self.done >= {other.id for other in course.lessons}:
                self.enrolled[course.id] = "COMPLETED"
                counts["courses_completed"] = 1
                self.tell("course.completed")
            self.deeds.append(Deed(f"lesson:{lesson.id}", "LESSON", 20, at, counts=counts))
            self.tell("lesson.completed")
        return True


async def do(
    server: Connection, user: int, deed: str, taken: Course, lesson: Lesson, much: int, at: datetime
) -> None:
    """The same in the database."""
    match deed:
        case "enrol":
            await enrolment.enrol(server, user, taken.public_id, at)
        case "leave":
            await enrolment.leave(server, user, taken.public_id, at)
        case "start":
            await lessons.start(server, user, lesson.public_id, at)
        case "advance":
            await lessons.advance(server, user, lesson.public_id, much, 3 * much, at)
        case "complete":
            await lessons.complete(server, user, lesson.public_id, at)


steps = st.lists(
    st.tuples(
        st.sampled_from(["enrol", "enrol", "leave", "start", "advance", "complete", "complete"]),
        st.integers(0, 4),
        st.integers(0, 100),
        st.integers(0, 9 * 24),
    ),
    max_size=25,
)


@settings(max_examples=20, deadline=None)
@given(history=steps)
async def test_any_history(
    superuser: Connection, server: Connection, history: list[tuple[str, int, int, int]]
) -> None:
    """Progress, enrolments, counters, events and what is earned are as a plain model has them."""
    first, second = await course(superuser, 2), await course(superuser, 3)
    await superuser.execute("insert into course_prerequisites values ($1, $2)", second.id, first.id)
    user = await person(superuser, ZONE)
    learner = Learner(first, second)
    of_lesson = [(c, lesson) for c in (first, second) for lesson in c.lessons]

    for deed, number, much, hours in history:
        at = AUTUMN + timedelta(hours=hours, minutes=much)
        taken, lesson = of_lesson[number]
        try:
            await do(server, user, deed, taken, lesson, much, at)
            allowed = True
        except (NotFound, Conflict):
            allowed = False
        assert allowed == learner.do(deed, taken, lesson, much, at)
    await check(superuser, user, learner)


async def check(db: Connection, user: int, learner: Learner) -> None:
    """The database has what the model has."""
    assert dict(await db.fetch(ENROLLED, user)) == learner.enrolled
    found = {row[0]: tuple(row[1:]) for row in await db.fetch(PROGRESS, user)}
    assert found == {
        id: ("COMPLETED" if id in learner.done else "STARTED", percent, learner.seconds[id])
        for id, percent in learner.percent.items()
    }
    expected = standing(learner.deeds, ZONE, CATALOGUE)
    counted = await db.fetchrow(COUNTS, user) or (0, 0, 0)
    assert tuple(counted) == (
        len(learner.done),
        list(learner.enrolled.values()).count("COMPLETED"),
        sum(learner.seconds.values()),
    )
    assert dict(await db.fetch(EVENTS, user)) == learner.events
    earned = await db.fetchrow(EARNED, user)
    assert (earned["xp"], earned["streak"]) == (expected.xp, expected.current)
    assert set(earned["achievements"]) == expected.achievements
    assert tuple(await db.fetchrow(TOLD, user)) == (sum(learner.seconds.values()), expected.xp)


async def test_prerequisites_are_named(superuser: Connection, server: Connection) -> None:
    """Who lacks some is refused and told which; what nobody may see yet is not there."""
    wanted, needed = await course(superuser), await course(superuser)
    await superuser.execute(
        "insert into course_prerequisites values ($1, $2)", wanted.id, needed.id
    )
    user = await person(superuser)
    with pytest.raises(Conflict, match=f"needs others first: {needed.slug}"):
        await enrolment.enrol(server, user, wanted.public_id, AUTUMN)
    draft = await course(superuser, status="DRAFT", version=0, published_at=None)
    for nothing in (draft.public_id, uuid4()):
        with pytest.raises(NotFound, match="no such course"):
            await enrolment.enrol(server, user, nothing, AUTUMN)
        with pytest.raises(NotFound, match="no such course"):
            await enrolment.leave(server, user, nothing, AUTUMN)


async def test_coming_back(superuser: Connection, server: Connection) -> None:
    """To an archived course, too, and to what was done; a completed one can't be left."""
    taken = await course(superuser, 2)
    user = await person(superuser)
    one, two = (lesson.public_id for lesson in taken.lessons)
    assert (await enrolment.enrol(server, user, taken.public_id, AUTUMN)).changed
    assert not (await enrolment.enrol(server, user, taken.public_id, AUTUMN)).changed
    await lessons.complete(server, user, one, AUTUMN)
    left = await enrolment.leave(server, user, taken.public_id, AUTUMN)
    assert (left.status, left.changed) == ("DROPPED", True)
    assert not (await enrolment.leave(server, user, taken.public_id, AUTUMN)).changed
    for lesson in (one, two):
        with pytest.raises(Conflict, match="does not take"):
            await lessons.complete(server, user, lesson, AUTUMN)
    await superuser.execute("update courses set status = 'ARCHIVED' where id = $1", taken.id)
    back = await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    assert (back.status, back.changed) == ("ACTIVE", True)
    assert (await lessons.complete(server, user, two, AUTUMN)).course_completed
    for still in (
        await enrolment.leave(server, user, taken.public_id, AUTUMN),
        await enrolment.enrol(server, user, taken.public_id, AUTUMN),
    ):
        assert (still.course_id, still.status, still.changed) == (taken.id, "COMPLETED", False)


async def test_what_a_lesson_brings(superuser: Connection, server: Connection) -> None:
    """Its points and what comes with them, once; who tries again is told that it was done."""
    taken = await course(superuser, 2, xp=70)
    user = await person(superuser)
    lesson = taken.lessons[0]
    await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    done = await lessons.complete(server, user, lesson.public_id, AUTUMN)
    assert (done.newly, done.course_completed) == (True, False)
    assert done.earned is not None
    assert (done.earned.points, done.earned.achievements) == (75, ("begun",))
    again = await lessons.complete(server, user, lesson.public_id, AUTUMN)
    assert (again.newly, again.course_completed, again.earned) == (False, False, None)
    found = await lessons.start(server, user, lesson.public_id, AUTUMN)
    assert (found.lesson_id, found.status, found.percent) == (lesson.id, "COMPLETED", 100)
    ledger = await superuser.fetch(
        "select reason, course_id from xp_events where user_id = $1 order by amount desc", user
    )
    assert [tuple(row) for row in ledger] == [("LESSON", taken.id), ("ACHIEVEMENT", None)]


async def test_where_somebody_was(
    superuser: Connection, server: Connection, access: Access
) -> None:
    """The person keeps it, the lesson begins with it, and nobody else's is touched."""
    taken = await course(superuser)
    lesson = taken.lessons[0].public_id
    ann, bob = await person(superuser), await person(superuser)
    for user in (ann, bob):
        await enrolment.enrol(server, user, taken.public_id, AUTUMN)
        assert (await lessons.start(server, user, lesson, AUTUMN)).state is None
    async with access.as_user(ann) as connection:
        with pytest.raises(TooLong, match="at most 100,000"):
            await lessons.keep(connection, ann, lesson, "x" * 100_000)
        await lessons.keep(connection, ann, lesson, {"page": [3, "é\0"]})
        for user, what in ((bob, lesson), (ann, uuid4())):
            with pytest.raises(NotFound, match="this person began"):
                await lessons.keep(connection, user, what, {"page": 1})
    assert (await lessons.start(server, ann, lesson, AUTUMN)).state == {"page": [3, "é\ufffd"]}
    assert (await lessons.start(server, bob, lesson, AUTUMN)).state is None


async def test_what_can_not_be_learned(superuser: Connection, server: Connection) -> None:
    """What is no lesson, is not published, or comes when its month takes nothing any more."""
    taken = await course(superuser)
    user = await person(superuser)
    lesson, draft, _ = taken.lessons
    await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    await superuser.execute("update lessons set status = 'DRAFT' where id = $1", draft.id)
    for deed in (lessons.start, lessons.complete):
        for nothing in (draft.public_id, uuid4()):
            with pytest.raises(NotFound, match="no such lesson"):
                await deed(server, user, nothing, AUTUMN)
        with pytest.raises(BadRequest, match="1999-12 is a month that takes nothing"):
            await deed(server, user, lesson.public_id, datetime(1999, 12, 1, tzinfo=UTC))
        with pytest.raises(BadRequest, match="yet to come"):
            await deed(server, user, lesson.public_id, datetime.now(UTC) + timedelta(days=2))
    with pytest.raises(NotFound, match="this person began"):
        await lessons.advance(server, user, lesson.public_id, 1, 1, AUTUMN)


async def test_the_last_two_lessons_at_once(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """Whoever comes second waits, and sees that the course is complete."""
    taken = await course(superuser, 2)
    user = await person(superuser)
    await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    one, two = (lesson.public_id for lesson in taken.lessons)
    async with connected(server_url) as other:
        transaction = server.transaction()
        await transaction.start()
        first = await lessons.complete(server, user, one, AUTUMN)
        second = asyncio.create_task(lessons.complete(other, user, two, AUTUMN))
        await eventually(lambda: superuser.fetchval(WAITS))
        await transaction.commit()
        assert [first.course_completed, (await second).course_completed] == [False, True]
    row = await superuser.fetchrow(COUNTS, user)
    assert tuple(row) == (2, 1, 0)


async def test_told_twice_at_once(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """Whoever comes second adds only what is more than the first one told."""
    taken = await course(superuser, 2)
    user = await person(superuser)
    lesson = taken.lessons[0].public_id
    async with connected(server_url) as other:
        transaction = server.transaction()
        await transaction.start()
        await enrolment.enrol(server, user, taken.public_id, AUTUMN)
        second = asyncio.create_task(enrolment.enrol(other, user, taken.public_id, AUTUMN))
        await eventually(lambda: superuser.fetchval(WAITS))
        await transaction.commit()
        assert not (await second).changed
        await lessons.start(server, user, lesson, AUTUMN)
        transaction = server.transaction()
        await transaction.start()
        await lessons.advance(server, user, lesson, 70, 50, AUTUMN)
        later = asyncio.create_task(lessons.advance(other, user, lesson, 30, 80, AUTUMN))
        await eventually(lambda: superuser.fetchval(WAITS))
        await transaction.commit()
        done = await later
        assert (done.percent, done.seconds) == (70, 80)
    assert tuple(await superuser.fetchrow(COUNTS, user)) == (0, 0, 80)
    assert tuple(await superuser.fetchrow(TOLD, user)) == (80, 0)
    assert dict(await superuser.fetch(EVENTS, user)) == {"course.enrolled": 1, "lesson.started": 1}
