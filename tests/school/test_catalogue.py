"""The catalogue: what is published, page by page, with how far the person is."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from server.errors import NotFound
from server.persistence.access import Access
from server.persistence.school import catalogue, enrolment, lessons
from server.persistence.school.catalogue import Listed, Place
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import AUTUMN, course, person


async def pages(access: Access, user: int, limit: int, **filters: str) -> list[Listed]:
    """All that are listed, gone through page by page."""
    seen: list[Listed] = []
    while True:
        after = Place(seen[-1].published_at, seen[-1].id) if seen else None
        async with access.as_user(user) as connection:
            page = await catalogue.courses(connection, user, after, limit=limit, **filters)  # type: ignore[arg-type]
        if not page:
            return seen
        seen += page


async def test_pages(superuser: Connection, access: Access) -> None:
    """Newest first, none twice and none left out, those only that are wanted and published."""
    user = await person(superuser)
    made = []
    for number in range(7):
        columns = {
            "published_at": datetime(2023, 1, 1 + number // 3, tzinfo=UTC),
            "language": "eo",
            "difficulty": "EXPERT" if number % 2 else "BEGINNER",
        }
        made.append(await course(superuser, 1, **columns))
    await course(superuser, 1, language="eo", status="ARCHIVED")
    await course(superuser, 1, language="eo", status="DRAFT", version=0, published_at=None)
    seen = await pages(access, user, 2, language="eo")
    assert {one.slug for one in seen} == {one.slug for one in made}
    assert len(seen) == len(made)
    order = [(one.published_at, one.id) for one in seen]
    assert order == sorted(order, reverse=True)
    hard = await pages(access, user, 2, language="eo", difficulty="EXPERT")
    assert {one.slug for one in hard} == {one.slug for one in made[1::2]}


async def test_how_far_one_is(superuser: Connection, access: Access, server: Connection) -> None:
    """In lists and in the course itself: enrolment, lessons, prerequisites that are missing."""
    ann, bob = await person(superuser), await person(superuser)
    first, second = (
        await course(superuser, 1, language="ia"),
        await course(
            superuser, 3, language="ia", published_at=AUTUMN, estimated_time=timedelta(hours=2)
        ),
    )
    await superuser.execute("insert into course_prerequisites values ($1, $2)", second.id, first.id)
    for user in (ann, bob):
        await enrolment.enrol(server, user, first.public_id, AUTUMN)
    done = first.lessons[0].public_id
    await lessons.complete(server, ann, done, AUTUMN)
    await enrolment.enrol(server, ann, second.public_id, AUTUMN)
    await lessons.complete(server, ann, second.lessons[0].public_id, AUTUMN)
    await lessons.start(server, ann, second.lessons[2].public_id, AUTUMN)
    await lessons.advance(server, ann, second.lessons[2].public_id, 40, 60, AUTUMN)
    found = {
        name: [
            (one.slug, one.enrolled, one.lessons, one.completed, one.prerequisites, one.missing)
            for one in await pages(access, user, 9, language="ia")
        ]
        for name, user in (("ann", ann), ("bob", bob))
    }
    assert found == {
        "ann": [
            (second.slug, "ACTIVE", 3, 1, [first.slug], []),
            (first.slug, "COMPLETED", 1, 1, [], []),
        ],
        "bob": [
            (second.slug, None, 3, 0, [first.slug], [first.slug]),
            (first.slug, "ACTIVE", 1, 0, [], []),
        ],
    }
    async with access.as_user(ann) as connection:
        whole = await catalogue.course(connection, ann, second.slug)
        own = await catalogue.mine(connection, ann)
        active = await catalogue.mine(connection, ann, ("ACTIVE",))
    assert (whole.listed.enrolled, whole.listed.lessons, whole.listed.completed) == ("ACTIVE", 3, 1)
    assert (whole.listed.prerequisites, whole.listed.missing) == ([first.slug], [])
    assert whole.listed.estimated_time == timedelta(hours=2)
    states = [
        [(lesson.id, lesson.status, lesson.percent) for lesson in module.lessons]
        for module in whole.modules
    ]
    one, two, three = (lesson.public_id for lesson in second.lessons)
    assert states == [[(one, "COMPLETED", 100), (two, None, 0)], [(three, "STARTED", 40)]]
    assert {one.slug for one in own} == {first.slug, second.slug}
    assert [(one.slug, one.completed) for one in active] == [(second.slug, 1)]
    async with access.as_user(bob) as connection:
        others = await catalogue.course(connection, bob, second.slug)
    assert (others.listed.enrolled, others.listed.missing) == (None, [first.slug])
    assert {lesson.status for module in others.modules for lesson in module.lessons} == {None}


async def test_which_courses_are_there(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Published ones for all, archived ones for who is in them; a draft lesson is in none."""
    ann, bob = await person(superuser), await person(superuser)
    taken = await course(superuser, 2)
    empty = await insert(superuser, "courses", status="PUBLISHED", version=1, published_at=AUTUMN)
    await enrolment.enrol(server, ann, taken.public_id, AUTUMN)
    hide = "update lessons set status = 'DRAFT' where id = $1"
    await superuser.execute(hide, taken.lessons[1].id)
    await superuser.execute("update courses set status = 'ARCHIVED' where id = $1", taken.id)
    async with access.as_user(ann) as connection:
        seen = await catalogue.course(connection, ann, taken.slug)
        assert seen.listed.lessons == 1
        assert (await catalogue.course(connection, ann, empty["slug"])).modules == []
    async with access.as_user(bob) as connection:
        for slug in (taken.slug, "none"):
            with pytest.raises(NotFound, match="no such course"):
                await catalogue.course(connection, bob, slug)


async def test_a_lesson_to_be_read(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """By who takes its course, with what there is to solve and its quizzes."""
    ann, bob = await person(superuser), await person(superuser)
    taken = await course(superuser, 2)
    lesson, plain = taken.lessons
    await superuser.execute(
        """update lessons set exercise = '{"start": "contract A {}"}', body = 'Read'
        where id = $1""",
        lesson.id,
    )
    quiz = await insert(superuser, "quizzes", lesson_id=lesson.id)
    await enrolment.enrol(server, ann, taken.public_id, AUTUMN)
    async with access.as_user(ann) as connection:
        read = await catalogue.lesson(connection, ann, lesson.public_id)
        assert (read.body, read.exercise) == ("Read", {"start": "contract A {}"})
        assert (read.quizzes, read.course) == ([quiz["public_id"]], taken.public_id)
        assert (await catalogue.lesson(connection, ann, plain.public_id)).exercise is None
    for user, id in ((bob, lesson.public_id), (ann, uuid4())):
        async with access.as_user(user) as connection:
            with pytest.raises(NotFound, match="no such lesson"):
                await catalogue.lesson(connection, user, id)
