"""Versions of courses, modules, lessons and quizzes: any history agrees with a model of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.school.content import Course, Lesson, Module, Part, Question, Quiz
from server.errors import BadRequest, Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.database import connect
from server.persistence.integrity import CHECKS, check_all
from server.persistence.school import curriculum
from server.persistence.school.curriculum_parts import Place
from tests.school.campus import Campus
from tests.support.logins import login

OURS = [check for check in CHECKS if check.name in ("content", "content-shown")]


async def new_course(campus: Campus, owner: UserId, title: str = "Solidity") -> UUID:
    """A course with a first draft."""
    id = uuid4()
    place = Place("COURSE", id, slug=f"course-{id.hex}")
    assert await curriculum.create(campus.staff, owner, place, Course(title), "first") == 1
    return id


async def shown(campus: Campus, id: UUID) -> tuple[Any, ...]:
    """What a course shows: title, status, how often it was published."""
    row = await campus.superuser.fetchrow(
        "select title, status, version from courses where public_id = $1", id
    )
    return tuple(row)


Deed = tuple[str, int, bool]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["draft", "draft", "publish", "publish", "back", "review", "send back"]),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=12,
)


class Model:
    """What was written, what is shown, and what waits."""

    def __init__(self) -> None:
        self.bodies = ["Solidity"]
        self.published: int | None = None
        self.review: int | None = None
        self.times = 0
        self.status = "DRAFT"

    @property
    def title(self) -> str:
        return self.bodies[self.published - 1] if self.published else "Solidity"

    def show(self, version: int) -> None:
        self.published, self.status, self.times = version, "PUBLISHED", self.times + 1
        if self.review is not None and self.review <= version:
            self.review = None

    def do(self, what: str, number: int, version: int, right: bool) -> bool:
        """Whether the deed is allowed."""
        if what == "draft":
            title = f"title {number % 3}"
            if title != self.bodies[-1]:
                self.bodies.append(title)
        elif what == "review":
            self.review = version
            self.status = "REVIEW" if self.status == "DRAFT" else self.status
        elif what == "send back":
            self.review = None
            self.status = "DRAFT" if self.status == "REVIEW" else self.status
        elif what == "publish" and self.published != version:
            if not right:
                return False
            self.show(version)
        elif what == "back" and not (self.published and self.title == self.bodies[version - 1]):
            if not right:
                return False
            self.bodies.append(self.bodies[version - 1])
            self.show(len(self.bodies))
        return True


async def do(campus: Campus, owner: UserId, id: UUID, model: Model, deed: Deed) -> None:
    """Do a deed, as the model does."""
    what, number, right = deed
    version = 1 + number % len(model.bodies)
    instead_of = model.published if right else (model.published or 0) + 1
    here: tuple[UserId, Part, UUID] = (owner, "COURSE", id)
    before = len(model.bodies)
    allowed = model.do(what, number, version, right)
    try:
        match what:
            case "draft":
                body = Course(f"title {number % 3}")
                assert await curriculum.draft(campus.staff, *here, body) == len(model.bodies)
            case "review":
                await curriculum.send_to_review(campus.staff, *here, version)
            case "send back":
                await curriculum.send_back(campus.staff, *here)
            case "publish":
                await curriculum.publish(campus.staff, *here, version, instead_of)
            case _:
                made = await curriculum.roll_back(campus.staff, *here, version, instead_of)
                expected = len(model.bodies) if len(model.bodies) > before else model.published
                assert made == expected
    except Conflict:
        assert not allowed
    else:
        assert allowed


async def test_any_history_agrees_with_the_model(campus: Campus) -> None:
    """What is kept, shown, and waits, after any drafts, publications and ways back."""
    loop = asyncio.get_running_loop()
    owner = await campus.person("INSTRUCTOR")

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def story(deeds: list[Deed]) -> None:
        id = await new_course(campus, owner)
        model = Model()
        for deed in deeds:
            await do(campus, owner, id, model, deed)
        history = await curriculum.history(campus.staff, owner, "COURSE", id)
        assert [version.number for version in reversed(history)] == [
            *range(1, len(model.bodies) + 1)
        ]
        assert [v.number for v in history if v.published] == [
            version for version in [model.published] if version
        ]
        for before, version in zip(history[1:], history, strict=False):
            was, becomes = model.bodies[before.number - 1], model.bodies[version.number - 1]
            assert version.changes == ({} if was == becomes else {"title": [was, becomes]})
            body = await curriculum.read(campus.staff, owner, "COURSE", id, version.number)
            assert body.title == becomes
        assert await shown(campus, id) == (model.title, model.status, model.times)
        review = "select review_version from content_items where course_id = (select id"
        waits = await campus.superuser.fetchval(f"{review} from courses where public_id = $1)", id)
        assert waits == model.review

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DEEDS)
    def law(deeds: list[Deed]) -> None:
        run(story(deeds))

    await asyncio.to_thread(law)
    async with campus.superuser.transaction():
        assert [result.wrong async for result in check_all(campus.superuser, OURS)] == [[], []]


async def test_many_publish_at_once(campus: Campus) -> None:
    """One of those who saw the same is heard; of those who draft, each has a version of its own."""
    owner = await campus.person("INSTRUCTOR")
    id = await new_course(campus, owner)
    url = await login(campus.url, "lyceum_staff")
    staff = [await connect(url) for _ in range(8)]
    drafts = await asyncio.gather(
        *(
            curriculum.draft(connection, owner, "COURSE", id, Course(f"Title {n}"))
            for n, connection in enumerate(staff)
        )
    )
    assert sorted(drafts) == list(range(2, 10))
    results = await asyncio.gather(
        *(
            curriculum.publish(connection, owner, "COURSE", id, version, None)
            for version, connection in zip(drafts, staff, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 7 + ["NoneType"]
    heard = results.index(None)
    assert await shown(campus, id) == (f"Title {heard}", "PUBLISHED", 1)
    for connection in staff:
        connection.terminate()


async def test_all_parts(campus: Campus) -> None:
    """A module, a lesson and a quiz with questions show what was published of them."""
    owner = await campus.person("INSTRUCTOR")
    course = await new_course(campus, owner)
    module, lesson, quiz = uuid4(), uuid4(), uuid4()
    one, two, three = [Question(uuid4(), "TEXT", f"Why {n}?", "So.") for n in range(3)]
    staff = campus.staff
    for place, body in (
        (Place("MODULE", module, course, "one", 1), Module("One", "Steps")),
        (
            Place("LESSON", lesson, module, "gas", 1),
            Lesson("Gas", "EXERCISE", "# Gas", {"tests": []}, xp=10, seconds=90),
        ),
        (Place("QUIZ", quiz, lesson), Quiz("Sure?", 80, 3, 60, 5, [one, two])),
    ):
        for _ in range(2):
            assert await curriculum.create(staff, owner, place, body) == 1
        await curriculum.publish(staff, owner, place.part, place.id, 1, None)
    row = await campus.superuser.fetchrow(
        """
        select modules.summary, lessons.status, kind, body, exercise::text, lessons.xp,
            lessons.estimated_time, pass_percent, max_attempts, time_limit
        from quizzes
        join lessons on lessons.id = lesson_id
        join modules on modules.id = module_id
        where quizzes.public_id = $1
        """,
        quiz,
    )
    assert tuple(map(str, row)) == (
        *("Steps", "PUBLISHED", "EXERCISE", "# Gas", '{"tests": []}', "10", "0:01:30"),
        *("80", "3", "0:01:00"),
    )
    again = Quiz("Sure?", questions=[three, one], max_attempts=None)
    await curriculum.draft(staff, owner, "QUIZ", quiz, again)
    await curriculum.publish(staff, owner, "QUIZ", quiz, 2, 1)
    questions = await campus.superuser.fetch(
        """
        select prompt from quiz_questions
        join quizzes on quizzes.id = quiz_id
        where quizzes.public_id = $1 order by quiz_questions.position
        """,
        quiz,
    )
    assert [row[0] for row in questions] == ["Why 2?", "Why 0?"]
    changes = await curriculum.compare(staff, owner, "QUIZ", quiz, 1, 2)
    assert changes["max_attempts"] == [3, None]
    assert changes["questions"] is None
    await curriculum.send_to_review(staff, owner, "QUIZ", quiz, 1)
    await curriculum.send_back(staff, owner, "QUIZ", quiz)
    place = Place("MODULE", uuid4(), course, "one", 2)
    with pytest.raises(Conflict, match="at this place"):
        await curriculum.create(staff, owner, place, Module("Other"))


async def test_what_is_not_allowed(campus: Campus) -> None:
    """A part that can't be made, a version that can't be shown, others' questions: it says why."""
    owner, staff = await campus.person("INSTRUCTOR"), campus.staff
    id = await new_course(campus, owner)
    for slug, position, why in (
        ("Two Words", 1, "slug has"),
        ("one", 0, "position is"),
        (None, 1, "must be a slug"),
    ):
        place = Place("MODULE", uuid4(), id, slug, position)
        with pytest.raises(BadRequest, match=why):
            await curriculum.create(staff, owner, place, Module("One"))
    with pytest.raises(BadRequest, match="note has at most"):
        await curriculum.draft(staff, owner, "COURSE", id, Course("New"), "x" * 1001)
    with pytest.raises(BadRequest, match="NUL"):
        await curriculum.draft(staff, owner, "COURSE", id, Course("\0"))
    module, lesson, quizzes = uuid4(), uuid4(), [uuid4(), uuid4()]
    question = Question(uuid4(), "TEXT", "Why?", "So.")
    for place, body in (
        (Place("MODULE", module, id, "one", 1), Module("One")),
        (Place("LESSON", lesson, module, "gas", 1), Lesson("Gas", xp=1 << 40)),
        (Place("QUIZ", quizzes[0], lesson), Quiz("Sure?", questions=[question])),
        (Place("QUIZ", quizzes[1], lesson), Quiz("Sure?", questions=[question])),
    ):
        await curriculum.create(staff, owner, place, body)
    with pytest.raises(BadRequest, match="too large"):
        await curriculum.publish(staff, owner, "LESSON", lesson, 1, None)
    await curriculum.publish(staff, owner, "QUIZ", quizzes[0], 1, None)
    with pytest.raises(Conflict, match=f"{question.id} is another quiz's"):
        await curriculum.publish(staff, owner, "QUIZ", quizzes[1], 1, None)
    await curriculum.draft(staff, owner, "QUIZ", quizzes[0], Quiz("?", questions=2 * [question]))
    with pytest.raises(BadRequest, match="same id"):
        await curriculum.publish(staff, owner, "QUIZ", quizzes[0], 2, 1)


async def test_making_a_part_again_later(campus: Campus) -> None:
    """Whoever did not hear the answer tries again: what was drafted meanwhile stays the newest."""
    owner, id = await campus.person("INSTRUCTOR"), uuid4()
    place = Place("COURSE", id, slug=f"course-{id.hex}")
    assert await curriculum.create(campus.staff, owner, place, Course("First")) == 1
    assert await curriculum.draft(campus.staff, owner, "COURSE", id, Course("Second")) == 2
    assert await curriculum.create(campus.staff, owner, place, Course("First")) == 1
    assert len(await curriculum.history(campus.staff, owner, "COURSE", id)) == 2


async def test_what_can_not_be(campus: Campus) -> None:
    """Parts, histories and versions that are not there, and what is archived."""
    owner = await campus.person("INSTRUCTOR")
    staff = campus.staff
    id = await new_course(campus, owner)
    old = await campus.superuser.fetchval(
        "select public_id from courses where id = $1", await campus.course(owner)
    )
    for missing in (
        curriculum.draft(staff, owner, "MODULE", id, Module("x")),
        curriculum.publish(staff, owner, "COURSE", id, 2, None),
        curriculum.roll_back(staff, owner, "COURSE", id, 2, None),
        curriculum.send_to_review(staff, owner, "COURSE", id, 2),
        curriculum.history(staff, owner, "COURSE", old),
        curriculum.create(staff, owner, Place("MODULE", uuid4(), uuid4(), "x", 1), Module("x")),
    ):
        with pytest.raises(NotFound):
            await missing
    assert await curriculum.draft(staff, owner, "COURSE", old, Course("Older")) == 1
    await campus.superuser.execute(
        "update courses set status = 'ARCHIVED' where public_id = $1", id
    )
    with pytest.raises(Conflict, match="archived"):
        await curriculum.publish(staff, owner, "COURSE", id, 1, None)
    assert [v.published for v in await curriculum.history(staff, owner, "COURSE", id)] == [False]


async def test_who_may_not(campus: Campus) -> None:
    """Students and other teachers do nothing to a course; a person's connection can't at all."""
    owner, other = await campus.person("INSTRUCTOR"), await campus.person("INSTRUCTOR")
    student, admin = await campus.person(), await campus.person("ADMIN")
    id = await new_course(campus, owner)
    staff = campus.staff
    for who in (other, student):
        for refused in (
            curriculum.draft(staff, who, "COURSE", id, Course("Mine")),
            curriculum.publish(staff, who, "COURSE", id, 1, None),
            curriculum.roll_back(staff, who, "COURSE", id, 1, None),
            curriculum.send_to_review(staff, who, "COURSE", id, 1),
            curriculum.send_back(staff, who, "COURSE", id),
            curriculum.history(staff, who, "COURSE", id),
            curriculum.read(staff, who, "COURSE", id, 1),
            curriculum.create(staff, who, Place("MODULE", uuid4(), id, "x", 1), Module("x")),
        ):
            with pytest.raises(Forbidden):
                await refused
    with pytest.raises(Forbidden):
        await new_course(campus, student)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with campus.app.as_user(owner) as own:
            await curriculum.draft(own, owner, "COURSE", id, Course("Mine"))
    await curriculum.publish(staff, admin, "COURSE", id, 1, None)
    actors = await campus.superuser.fetch(
        "select distinct actor from audit_log where table_name = 'content_items'"
        " and new ->> 'published_version' = '1' and actor = $1",
        admin,
    )
    assert len(actors) == 1
