"""Submissions: handed in once, judged once, and worth something once a lesson."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from server.errors import BadRequest, Forbidden, NotFound
from server.ids import UserId
from server.persistence.access import Access
from server.persistence.school import enrolment, submissions
from server.persistence.school.submissions import NewSubmission, Place, Verdict
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import AUTUMN, Course, course, person

PASSED = Verdict("PASSED", 3, 3, 21_000, {"tests": ["ok\0"]})
FAILED = Verdict("FAILED", 1, 3)


class Pupil(NamedTuple):
    """Somebody in a course with exercises."""

    user: int
    course: Course
    access: Access

    async def submit(self, new: NewSubmission, lesson: int = 0) -> bool:
        async with self.access.as_user(self.user) as connection:
            where = self.course.lessons[lesson].public_id
            return await submissions.submit(connection, self.user, where, new)

    async def mine(self, after: Place | None = None, limit: int = 100) -> list[UUID]:
        async with self.access.as_user(self.user) as connection:
            lesson = self.course.lessons[0].public_id
            found = await submissions.mine(connection, self.user, lesson, after, limit)
        return [one.id for one in found]


def code(minutes: int = 0, id: UUID | None = None) -> NewSubmission:
    return NewSubmission(id or uuid4(), AUTUMN + timedelta(minutes=minutes), "solidity", "code")


async def pupil(
    db: Connection, access: Access, server: Connection, taken: Course | None = None
) -> Pupil:
    taken = taken or await course(db)
    await db.execute(
        "update lessons set exercise = case when position < 3 then '{}'::jsonb end"
        " where course_id = $1",
        taken.id,
    )
    user = await person(db)
    await enrolment.enrol(server, user, taken.public_id, AUTUMN)
    return Pupil(user, taken, access)


async def test_what_code_brings(superuser: Connection, access: Access, server: Connection) -> None:
    """The first that passes in a lesson brings points; each is counted once, by what it came to."""
    ann = await pupil(superuser, access, server)
    sent = [code(0), code(1), code(2)]
    brought = []
    for new, verdict in zip(sent, [FAILED, PASSED, PASSED], strict=True):
        assert await ann.submit(new)
        done = await submissions.judge(server, new.id, new.at, verdict, AUTUMN)
        assert (done.newly, done.status) == (True, verdict.status)
        brought.append(done.earned and done.earned.points)
    assert brought == [None, 10, None]
    again = await submissions.judge(server, sent[0].id, sent[0].at, PASSED, AUTUMN)
    assert (again.newly, again.status, again.earned) == (False, "FAILED", None)
    counts = await superuser.fetchrow(
        "select submissions, submissions_passed from user_stats where user_id = $1", ann.user
    )
    assert tuple(counts) == (3, 1)
    told = await superuser.fetch(
        "select event_type, data ->> 'status', count(*) from learning_analytics"
        " where user_id = $1 and event_type like 'submission%' group by 1, 2 order by 1, 2",
        ann.user,
    )
    assert [tuple(row) for row in told] == [
        ("submission.judged", "FAILED", 1),
        ("submission.judged", "PASSED", 2),
        ("submission.passed", None, 1),
    ]


async def test_an_exercise_may_say_what_it_is_worth(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """In whole points; what is no number of points says nothing."""
    ann = await pupil(superuser, access, server, await course(superuser, 4))
    brought = []
    for lesson, worth in enumerate(("70", '"much"', "1e30", "-5")):
        await superuser.execute(
            "update lessons set exercise = jsonb_build_object('xp', $2::jsonb) where id = $1",
            ann.course.lessons[lesson].id,
            worth,
        )
        new = code()
        await ann.submit(new, lesson)
        done = await submissions.judge(server, new.id, new.at, PASSED, AUTUMN)
        assert done.earned is not None
        brought.append(done.earned.points)
    assert brought == [70, 10, 10, 10]


async def test_handing_in(superuser: Connection, access: Access, server: Connection) -> None:
    """Once, however often it is tried, and only for an exercise of a course that one takes."""
    ann = await pupil(superuser, access, server)
    bob = await pupil(superuser, access, server)
    new = code()
    assert await ann.submit(new)
    assert not await ann.submit(new)
    assert await ann.mine() == [new.id]
    for who, what, lesson in [
        (ann, code(), 2),  # nothing to solve there
        (bob, new, 0),  # somebody else's id
        (Pupil(bob.user, ann.course, access), code(), 0),
    ]:
        with pytest.raises(NotFound, match="no such exercise"):
            await who.submit(what, lesson)
    await enrolment.leave(server, ann.user, ann.course.public_id, AUTUMN)
    with pytest.raises(NotFound, match="no such exercise"):
        await ann.submit(code())
    with pytest.raises(BadRequest, match="takes nothing"):
        await bob.submit(NewSubmission(uuid4(), datetime(1999, 1, 1, tzinfo=UTC), "solidity", ""))
    with pytest.raises(NotFound, match="no such submission"):
        await submissions.judge(server, uuid4(), AUTUMN, PASSED, AUTUMN)
    with pytest.raises(BadRequest, match="as many for PASSED"):
        await submissions.judge(server, new.id, new.at, Verdict("PASSED", 1, 3), AUTUMN)
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    for wrong, why in (
        (NewSubmission(uuid4(), tomorrow, "solidity", ""), "yet to come"),
        (NewSubmission(uuid4(), AUTUMN, "", ""), "language has 1 to 64"),
        (NewSubmission(uuid4(), AUTUMN, "solidity", "\0"), "NUL"),
    ):
        with pytest.raises(BadRequest, match=why):
            await bob.submit(wrong)


async def test_one_with_its_source(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Is read by who handed it in, and by who may read those of the course, and nobody else."""
    teacher = await person(superuser, role="INSTRUCTOR")
    admin = await person(superuser, role="ADMIN")
    for user, role in ((teacher, "INSTRUCTOR"), (admin, "ADMIN")):
        await insert(superuser, "role_grants", user_id=user, role=role)
    taken = await course(superuser, owner_id=teacher)
    ann = await pupil(superuser, access, server, taken)
    bob = await pupil(superuser, access, server)
    new = code()
    await ann.submit(new)
    async with access.as_user(ann.user) as connection:
        before = await submissions.read(connection, new.id, new.at)
    assert (before.source, before.result, before.submission.status) == ("code", None, "PENDING")
    await submissions.judge(server, new.id, new.at, PASSED, AUTUMN)
    for reader in (teacher, admin):
        seen = await submissions.read_as_teacher(server, UserId(reader), new.id, new.at)
        assert (seen.source, seen.result) == ("code", {"tests": ["ok\ufffd"]})  # as jsonb holds it
        assert (seen.submission.tests_passed, seen.submission.gas_used) == (3, 21_000)
    with pytest.raises(Forbidden, match=r"submission\.read"):
        await submissions.read_as_teacher(server, UserId(bob.user), new.id, new.at)
    async with access.as_user(bob.user) as connection:
        with pytest.raises(NotFound):
            await submissions.read(connection, new.id, new.at)


async def test_pages(superuser: Connection, access: Access, server: Connection) -> None:
    """One's own in a lesson and those of a course, newest first, none twice and none left out."""
    teacher = await person(superuser, role="INSTRUCTOR")
    await insert(superuser, "role_grants", user_id=teacher, role="INSTRUCTOR")
    taken = await course(superuser, owner_id=teacher)
    ann = await pupil(superuser, access, server, taken)
    bob = await pupil(superuser, access, server, taken)
    sent = [code(number // 3) for number in range(9)]  # three at each moment
    for number, new in enumerate(sent):
        await (ann if number % 3 else bob).submit(new)
    order = [new.id for new in sorted(sent, key=lambda new: (new.at, new.id), reverse=True)]
    by_ann = [new.id for number, new in enumerate(sent) if number % 3]
    when = {new.id: new.at for new in sent}
    seen: list[UUID] = []
    while page := await ann.mine(Place(when[seen[-1]], seen[-1]) if seen else None, 4):
        seen += page
    assert seen == [id for id in order if id in by_ann]
    seen = []
    while True:
        after = Place(when[seen[-1]], seen[-1]) if seen else None
        rows = await submissions.of_course(server, UserId(teacher), taken.public_id, after, limit=4)
        if not rows:
            break
        seen += [one.id for one in rows]
    assert seen == order
    with pytest.raises(Forbidden):
        await submissions.of_course(server, UserId(ann.user), taken.public_id)
    with pytest.raises(NotFound, match="no such course"):
        await submissions.of_course(server, UserId(teacher), uuid4())
