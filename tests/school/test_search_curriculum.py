"""Search over courses and lessons, as logins that are lyceum_app and lyceum_staff only."""

from collections.abc import AsyncIterator

import pytest_asyncio

from server.ids import UserId
from server.persistence.school import search_curriculum
from server.persistence.school.search_curriculum import LessonFilter
from server.persistence.school.vocabulary import refresh_vocabulary
from tests.school.campus import Campus
from tests.school.searched import ago, lesson


@pytest_asyncio.fixture
async def ann(campus: Campus) -> AsyncIterator[UserId]:
    """Somebody who searches; courses that a test makes go with it."""
    yield await campus.person()
    await campus.superuser.execute("delete from courses; delete from search_changes")
    await campus.superuser.execute("delete from search_vocabulary")


async def lessons(campus: Campus, who: UserId, typed: str, **only: object) -> list[int]:
    """Which lessons somebody finds, best first."""
    filter = LessonFilter(**only)  # type: ignore[arg-type]
    async with campus.app.as_user(who) as connection:
        page = await search_curriculum.lessons(connection, typed, filter)
    return [hit.id for hit in page.hits]


async def test_lessons(campus: Campus, ann: UserId) -> None:
    """Published ones of published courses, titles first; staff finds all."""
    db = campus.superuser
    open, draft = await campus.course(status="PUBLISHED"), await campus.course()
    body = await lesson(db, open, "Loops", "How to spend less gas, and a <b>gas</b> meter.")
    title = await lesson(db, open, "Gas", "What a transaction costs.", kind="VIDEO")
    mine = await lesson(db, open, "Gas", status="DRAFT")
    other = await lesson(db, draft, "Gas")
    assert await lessons(campus, ann, "gas ") == [title, body]
    assert await lessons(campus, ann, "gas ", kind="VIDEO") == [title]
    assert await lessons(campus, ann, "gas ", course_id=draft) == []
    assert await lessons(campus, ann, "gas ", language="de") == []
    assert await lessons(campus, ann, "gas ", until=ago(days=1)) == []
    assert await lessons(campus, ann, "gas ", since=ago(days=1), language="en-GB") == [title, body]
    await refresh_vocabulary(campus.server)
    assert await lessons(campus, ann, "transaktion") == [title]
    page = await search_curriculum.lessons(campus.staff, "gas ", staff=True)
    assert {hit.id for hit in page.hits} == {title, body, mine, other}
    marked = next(hit for hit in page.hits if hit.id == body)
    assert [marked.excerpt.text[a:b] for a, b in marked.excerpt.marks] == ["gas", "gas"]
    assert "\ue000" not in marked.excerpt.text


async def test_lessons_page_by_page(campus: Campus, ann: UserId) -> None:
    """Each comes once, though lessons change meanwhile."""
    course = await campus.course(status="PUBLISHED")
    made = [
        await lesson(campus.superuser, course, "Gas", "gas " * (n % 3) + "and more")
        for n in range(7)
    ]
    seen, page = [], None
    async with campus.app.as_user(ann) as connection:
        while page is None or page.more:
            after = page.more if page else None
            page = await search_curriculum.lessons(connection, "gas ", after=after, limit=2)
            assert page.about == 7
            seen += [hit.id for hit in page.hits]
    assert len(seen) == 7
    assert set(seen) == set(made)


async def test_courses(campus: Campus, ann: UserId) -> None:
    """Published ones by title and summary; staff finds all; filters and pages."""
    db = campus.superuser
    first, second, draft = [
        await campus.course(status=status) for status in ("PUBLISHED", "PUBLISHED", "DRAFT")
    ]
    await db.execute("update courses set title = 'Optimising gas' where id = $1", first)
    await db.execute(
        "update courses set summary = 'Verträge, with gas', difficulty = 'EXPERT', language = 'de'"
        " where id = any($1::bigint[])",
        [second, draft],
    )
    async with campus.app.as_user(ann) as connection:
        page = await search_curriculum.courses(connection, "gas ", spoken="de")
        assert [hit.id for hit in page.hits] == [first, second]
        one = await search_curriculum.courses(connection, "gas ", spoken="de", limit=1)
        assert (one.hits, one.about) == (page.hits[:1], 2)
        two = await search_curriculum.courses(connection, "gas ", spoken="de", after=one.more)
        assert (two.hits, two.more) == (page.hits[1:], None)
        german = await search_curriculum.courses(connection, "vertrag ", language="de-AT")
        assert [hit.id for hit in german.hits] == [second]
        hit = german.hits[0]
        assert [hit.excerpt.text[a:b] for a, b in hit.excerpt.marks] == ["Verträge"]
        expert = await search_curriculum.courses(
            connection, "gas ", difficulty="EXPERT", spoken="de"
        )
        assert [hit.id for hit in expert.hits] == [second]
    page = await search_curriculum.courses(campus.staff, "gas ", spoken="de", staff=True)
    assert {hit.id for hit in page.hits} == {first, second, draft}
