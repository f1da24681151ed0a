"""Questions are answered from rollups and timelines by whoever may ask, without long looks."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from server.persistence import privacy
from server.persistence.access import Access
from server.persistence.integrity import check_all
from server.persistence.queries import Query
from server.persistence.school import reports, rollups, timeline
from server.persistence.school.events import Event, take
from server.persistence.school.reports import Active, CollaborationDay, CourseDay, PersonDay
from server.persistence.school.rollup_tables import ROLLUPS
from server.persistence.school.rollups import ask_rebuild, roll_up
from server.persistence.school.timeline import of_person, own
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.analytics import stored
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.postgres import PostgresInstance

NOW = datetime.now(UTC)
MANY = """
insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type)
select date_trunc('month', now()) + n * interval '8 seconds', gen_random_uuid(), n % 5000, n % 40,
    n % 400, 'lesson.started'
from generate_series(1, 30000) as n
"""
DERIVED = """
insert into analytics_user_daily (user_id, day)
select n % 5000, current_date - n / 5000 from generate_series(1, 20000) as n
on conflict do nothing;
insert into analytics_lesson_daily (lesson_id, course_id, day)
select n % 500, n % 20, current_date - n / 500 from generate_series(1, 20000) as n
on conflict do nothing;
insert into analytics_course_daily (course_id, day)
select n % 500, current_date - n / 500 from generate_series(1, 20000) as n on conflict do nothing;
insert into analytics_submissions_daily (course_id, day, result)
select n % 500, current_date - n / 500, 'PASSED' from generate_series(1, 20000) as n
on conflict do nothing;
insert into analytics_type_hourly (event_type, hour)
select 'type.' || n % 10, date_trunc('hour', now(), 'UTC') - n / 10 * interval '1 hour'
from generate_series(1, 20000) as n on conflict do nothing;
analyze;
"""


class People:
    """Two of them, a course with two lessons, and logins for all who may ask."""

    def __init__(self, url: str, superuser: Connection, server: Connection) -> None:
        self.url = url
        self.superuser = superuser
        self.server = server
        self.ann = self.bob = self.course = 0
        self.lessons: list[int] = []

    async def add(self) -> None:
        """Put them in."""
        self.ann, self.bob = [(await insert(self.superuser, "users"))["id"] for _ in range(2)]
        module = await insert(self.superuser, "modules")
        self.course = module["course_id"]
        within = {"course_id": self.course, "module_id": module["id"]}
        for position in (2, 1):
            lesson = await insert(
                self.superuser,
                "lessons",
                **within,
                position=position,
                slug=f"lesson-{position}",
                title=f"Lesson {position}",
            )
            self.lessons.insert(0, lesson["id"])

    def event(self, number: int, event_type: str, user: int, lesson: int = 0, **data: Any) -> Event:
        """One of now, or of some days ago."""
        at = NOW - timedelta(days=data.pop("days", 0))
        lesson_id = self.lessons[lesson]
        return Event(at, UUID(int=number), event_type, user, None, self.course, lesson_id, data)


@pytest_asyncio.fixture(scope="module")
async def people(postgres: PostgresInstance) -> AsyncIterator[People]:
    """In a database of their own."""
    url = await migrated_by_owner(postgres)
    server_url = await login(url, "lyceum_server")
    async with connected(url) as superuser, connected(server_url) as server:
        await superuser.execute("set timezone = 'UTC'")
        people = People(url, superuser, server)
        await people.add()
        yield people


@pytest_asyncio.fixture(scope="module")
async def told(people: People) -> People:
    """With what they did, counted."""
    await take(
        people.server,
        [
            people.event(1, "lesson.started", people.ann),
            people.event(2, "lesson.completed", people.ann, seconds=60, xp=20),
            people.event(3, "lesson.started", people.ann, 1),
            people.event(4, "lesson.started", people.bob, seconds=30),
            people.event(5, "submission.judged", people.bob, status="FAILED"),
            people.event(6, "submission.judged", people.bob, status="PASSED"),
        ],
    )
    await people.server.execute(
        "insert into session_activity"
        " (at, session_id, participant, kind, seconds, updates, inserted, deleted)"
        " values ($1, 1, gen_random_uuid(), 'edit', 90, 3, 5, 0)",
        NOW,
    )
    await roll_up(people.server)
    return people


@pytest.mark.parametrize("role", ["lyceum_server", "lyceum_staff", "lyceum_analyst"])
async def test_questions(told: People, role: str) -> None:
    """How far people come, what they do and with what result, how many, and for how long."""
    day = NOW.date()
    span = (day, day + timedelta(days=1))
    async with connected(await login(told.url, role)) as db:
        first, second = await reports.funnel(db, told.course, *span)
        assert (first.title, first.started, first.completed, first.seconds) == (
            "Lesson 1", 2, 1, 90,
        )  # fmt: skip
        assert (first.drop_off, second.drop_off) == (0.5, 1.0)
        assert await reports.course_days(db, told.course, *span) == [
            CourseDay(day, 6, 2, 0, 3, 1, 0, 2, 1, 0, 90)
        ]
        assert await reports.submissions(db, told.course, *span) == {"FAILED": 1, "PASSED": 1}
        types = await reports.types(db, NOW - timedelta(hours=1), NOW)
        assert list(types.items()) == [
            ("lesson.started", 3), ("submission.judged", 2), ("lesson.completed", 1),
        ]  # fmt: skip
        assert await reports.collaboration(db, *span) == [CollaborationDay(day, 1, 1, 1.5, 0, 0)]
        assert await reports.person_days(db, told.ann, *span) == [PersonDay(day, 3, 1, 0, 20, 60)]
        later = day + timedelta(days=8)
        seen = {row.day: row for row in await reports.active(db, day - timedelta(days=1), later)}
        assert seen[day - timedelta(days=1)] == Active(day - timedelta(days=1), 0, 0, 0)
        assert seen[day] == Active(day, 2, 2, 2)
        assert seen[day + timedelta(days=7)] == Active(day + timedelta(days=7), 0, 0, 2)
        assert await reports.active(db, later, later + timedelta(days=1)) == [
            Active(later, 0, 0, 2)
        ]
        assert {each.events for each in await reports.freshness(db)} == {6}


def test_a_lesson_that_was_only_completed() -> None:
    """Nobody dropped off; those who began before count on the day on which they did."""
    assert reports.LessonFunnel(UUID(int=1), "", 0, 2, 0).drop_off == 0
    assert reports.LessonFunnel(UUID(int=1), "", 1, 2, 0).drop_off == 0


async def test_a_timeline(told: People) -> None:
    """Newest first, page by page, each event once; for server and staff of anybody."""
    same = told.event(900, "lesson.advanced", told.bob, percent=40)
    older = [told.event(901 + n, "lesson.advanced", told.bob) for n in range(3)]
    await take(told.server, [same, *older])
    await take(told.server, [same])
    for role in ("lyceum_server", "lyceum_staff"):
        async with connected(await login(told.url, role)) as db:
            seen: list[timeline.Entry] = []
            page = await of_person(db, told.bob, NOW + timedelta(seconds=1), limit=3)
            while page:
                seen += page
                assert len(page) <= 3
                assert len(seen) < 20  # or it goes round and round
                page = await of_person(db, told.bob, page[-1].at, page[-1].event_id, limit=3)
        ids = [entry.event_id.int for entry in seen]
        assert ids == [903, 902, 901, 900, 6, 5, 4]
        assert seen[3].data == {"percent": 40}
        assert seen[3].course_id == told.course
    # However many are asked for, a page has a bound.
    await take(told.server, [told.event(1000 + n, "lesson.advanced", told.bob) for n in range(200)])
    assert len(await of_person(told.server, told.bob, NOW + timedelta(1), limit=10**6)) == 200


async def test_ones_own_timeline(told: People) -> None:
    """Somebody sees what they did, each event once, and nobody else's; nobody sees nothing."""
    await take(told.server, [told.event(1, "lesson.started", told.ann)])
    access = await Access.open(await login(told.url, "lyceum_app"))
    before = NOW + timedelta(seconds=1)
    async with access.as_user(told.ann) as db:
        page = await own(db, before, limit=2)
        assert [entry.event_id.int for entry in page] == [3, 2]
        rest = await own(db, page[-1].at, page[-1].event_id)
        assert [(entry.event_id.int, entry.data) for entry in rest] == [(1, {})]
        mine = (NOW - timedelta(days=2)).date(), (NOW + timedelta(days=2)).date()
        assert len(await reports.person_days(db, told.ann, *mine)) == 1
        assert await reports.person_days(db, told.bob, *mine) == []
    async with access.as_user(0) as db:
        assert await own(db, before) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with access.as_user(told.ann) as db:
            await of_person(db, told.ann, before)
    await access.close()


async def test_who_is_erased_still_counts(people: People) -> None:
    """What was counted stays as it was, also when it is counted anew; nothing leads to them."""
    whom = await insert(people.superuser, "users")
    events = [people.event(500, "lesson.started", whom["id"], seconds=5, note="secret")]
    events += [people.event(501, "submission.judged", whom["id"], status="PASSED", xp=3)]
    await take(people.server, events)
    await roll_up(people.server)
    before = await stored(people.superuser)
    found = await privacy.find(people.superuser, whom["subject"])
    await privacy.erase(people.superuser, found)

    def nameless(tables: dict[str, set[Any]]) -> dict[str, set[Any]]:
        users = {row[1:] for row in tables["analytics_user_daily"]}
        return {**tables, "analytics_user_daily": users}

    after = await stored(people.superuser)
    assert whom["id"] not in {row[0] for row in after["analytics_user_daily"]}
    assert nameless(after) == nameless(before)
    await ask_rebuild(people.server)
    await roll_up(people.server)
    assert await stored(people.superuser) == after
    left = await people.superuser.fetch(
        "select user_id, data::text from learning_analytics where event_id = any($1) order by 2",
        [event.event_id for event in events],
    )
    assert {row[0] for row in left} == {min(row[0] for row in left)}
    assert [row[1] for row in left] == ['{"seconds": 5}', '{"xp": 3, "status": "PASSED"}']
    wrong = [check async for check in check_all(people.superuser) if check.found]
    assert [
        each for each in wrong if "daily" in each.check.name or "active" in each.check.name
    ] == []


async def plan(db: Connection, query: Query, *arguments: object) -> str:
    """How a statement is carried out, as text, but for months without a row, which cost nothing."""
    rows = await db.fetch(f"explain {query.sql}", *arguments)
    return "\n".join(row[0] for row in rows if "cost=0.00..0.00" not in row[0])


async def test_no_question_reads_a_large_table_whole(people: People) -> None:
    """With as much data as makes the planner care; counting what came reads only around it."""
    db = people.superuser
    await people.server.execute(MANY)
    await db.execute(DERIVED)
    day: date = NOW.date()
    span = (day - timedelta(days=30), day)
    plans = [
        await plan(db, reports.FUNNEL, 7, *span),
        await plan(db, reports.COURSE_DAYS, 7, *span),
        await plan(db, reports.SUBMISSIONS, 7, *span),
        await plan(db, reports.TYPES, NOW - timedelta(days=30), NOW),
        await plan(db, reports.PERSON_DAYS, 7, *span),
        await plan(db, timeline.OF_PERSON, 7, NOW, UUID(int=0), 100),
    ]
    for each in plans:
        assert "Seq Scan on analytics_" not in each, each
        assert "Seq Scan on learning_analytics" not in each, each
    await db.execute("delete from analytics_batches")
    await take(people.server, [people.event(700, "lesson.started", people.ann)])
    tables = [rollup.table for rollup in ROLLUPS]
    async with db.transaction():
        await db.execute(rollups.BY_INDEX.sql)
        counting = await plan(db, rollups.ADVANCE, 100, tables)
    month = f"learning_analytics_{NOW:%Y_%m}"
    assert f"Seq Scan on {month}" not in counting, counting
    assert "Seq Scan on analytics_user_daily" not in counting, counting
    assert f"{month}_batch_idx" in counting
    assert re.search(r"Index Cond: \(batch = taken\w*\.id\)", counting)
    assert f"{month}_user_id_at_idx" in counting
    assert "Nested Loop Anti Join" in counting, "who was known already is not looked up one by one"
    around = (
        r"analytics_user_daily_pkey on analytics_user_daily known_1 .*\n +Index Cond: \(user_id = "
    )
    assert re.search(around, counting), counting
