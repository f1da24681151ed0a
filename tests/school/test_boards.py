"""Scores on boards and their histograms, whoever changes them and how many at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

import asyncpg
import pytest
import pytest_asyncio

from server.persistence import privacy
from server.persistence.school import ranks
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.learners import give, learners, wrong
from tests.support.logins import connected, login, name_of
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

NOW = datetime.now(UTC).replace(microsecond=0)
PEOPLE = """
select kind, width, bucket, sum(people)::int
from xp_histogram
join leaderboard_periods on id = period_id
group by 1, 2, 3
having sum(people) <> 0
order by 1, 2, 3
"""
RACE = 12
# What a connection that is killed gives, at whatever step; a deadlock is none of it.
CUT_OFF = (
    asyncpg.AdminShutdownError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


@pytest_asyncio.fixture(scope="module")
async def url(postgres: PostgresInstance) -> str:
    """A database for the tests of this file; of a superuser."""
    return await postgres.create_database()


@pytest_asyncio.fixture
async def superuser(url: str) -> AsyncIterator[Connection]:
    """A superuser's connection to it, after the boards of earlier tests were wiped."""
    async with connected(url) as connection:
        await connection.execute("delete from users")
        await connection.execute("delete from leaderboard_periods where kind <> 'ALL'")
        yield connection


@pytest_asyncio.fixture(scope="module")
async def server_url(url: str) -> str:
    """The URL of it for a login that is a member of lyceum_server only."""
    return await login(url, "lyceum_server")


async def counted(connection: Connection) -> list[tuple[str, int, int, int]]:
    """What the histograms say, where anybody is."""
    return [tuple(row) for row in await connection.fetch(PEOPLE)]


async def test_points_count_on_their_boards(superuser: Connection, server_url: str) -> None:
    """All time, the week and month of the moment, and the course; boards come by themselves."""
    (ann,) = await learners(superuser, 1)
    course = (await insert(superuser, "courses"))["id"]
    async with connected(server_url) as server:
        await give(server, ann, 1500, course, NOW)
        await give(server, ann, -200, None, NOW)
    kinds = await superuser.fetch(
        "select kind, xp from leaderboard_scores join leaderboard_periods on id = period_id"
        " order by kind"
    )
    assert [tuple(row) for row in kinds] == [
        ("ALL", 1300),
        ("COURSE", 1500),
        ("MONTH", 1300),
        ("WEEK", 1300),
    ]
    assert await counted(superuser) == [
        ("ALL", 1, 1300, 1),
        ("ALL", 1000, 1, 1),
        ("COURSE", 1, 1500, 1),
        ("COURSE", 1000, 1, 1),
        ("MONTH", 1, 1300, 1),
        ("MONTH", 1000, 1, 1),
        ("WEEK", 1, 1300, 1),
        ("WEEK", 1000, 1, 1),
    ]
    assert await wrong(superuser) == {}


async def test_who_is_not_active_is_not_counted(superuser: Connection, url: str) -> None:
    """Staff suspend somebody and the person leaves each board, keeps earning, and comes back."""
    ann, _ben = await learners(superuser, 2)
    await give(superuser, ann, 50, None, NOW)
    async with connected(await login(url, "lyceum_staff")) as staff:
        await staff.execute("update users set status = 'SUSPENDED' where id = $1", ann)
        assert await counted(superuser) == []
        await give(superuser, ann, 10, None, NOW.replace(day=1) - timedelta(days=1))
        assert await counted(superuser) == []
        assert await wrong(superuser) == {}
        await staff.execute("update users set status = 'ACTIVE' where id = $1", ann)
    assert ("ALL", 1, 60, 1) in await counted(superuser)
    assert await wrong(superuser) == {}


async def test_who_is_erased_is_not_counted(superuser: Connection) -> None:
    """Nothing of an erased person is left on any board, nor of one whose row is deleted."""
    ann, ben, cyd = await learners(superuser, 3)
    for person in (ann, ben, cyd):
        await give(superuser, person, 50, None, NOW)
    subject = await superuser.fetchval("select subject from users where id = $1", ann)
    await privacy.erase(superuser, await privacy.find(superuser, subject))
    await superuser.execute("delete from users where id = $1", ben)
    assert ("ALL", 1, 50, 1) in await counted(superuser)
    assert await wrong(superuser) == {}


async def test_a_board_goes_with_all_that_it_has(superuser: Connection) -> None:
    """Its scores and its histogram, and nothing of other boards."""
    (ann,) = await learners(superuser, 1)
    await give(superuser, ann, 50, None, NOW)
    await superuser.execute("delete from leaderboard_periods where kind = 'WEEK'")
    assert await counted(superuser) == [
        ("ALL", 1, 50, 1),
        ("ALL", 1000, 0, 1),
        ("MONTH", 1, 50, 1),
        ("MONTH", 1000, 0, 1),
    ]


async def test_somebody_who_is_not_there(superuser: Connection) -> None:
    """Points of nobody count nowhere."""
    await ranks.moved(superuser, 0, 0, 10, None, NOW)
    assert await counted(superuser) == []


async def test_nobody_waits_for_anybody(superuser: Connection, server_url: str) -> None:
    """Everybody who moves from and to the same points does so while all others are uncommitted."""
    there, *people = await learners(superuser, 1 + RACE)
    await ranks.moved(superuser, there, 0, 40, None, NOW)
    await ranks.moved(superuser, there, 40, 80, None, NOW)
    connections = [await asyncpg.connect(server_url) for _ in people]
    try:
        for connection in connections:
            await connection.execute("set lock_timeout = '1ms'; begin")
        for before in (0, 40):
            for person, connection in zip(people, connections, strict=True):
                await ranks.moved(connection, person, before, before + 40, None, NOW)
        for connection in connections:
            await connection.execute("commit")
    finally:
        for connection in connections:
            connection.terminate()
    assert [row for row in await counted(superuser) if row[0] == "WEEK"] == [
        ("WEEK", 1, 80, 1 + RACE),
        ("WEEK", 1000, 0, 1 + RACE),
    ]
    assert await wrong(superuser, "histogram") == {}


async def test_boards_are_made_once(superuser: Connection, server_url: str) -> None:
    """However many are the first of a week, a month or a course at the same time."""
    people = await learners(superuser, RACE)
    courses = [(await insert(superuser, "courses"))["id"] for _ in range(3)]
    together = asyncio.Barrier(RACE)

    async def first(person: int) -> None:
        async with connected(server_url) as connection:
            await together.wait()
            await give(connection, person, 10, None, NOW)
            await together.wait()
            async with connection.transaction():
                for course in Random(person).sample(courses, k=3):
                    await give(connection, person, 10, course, NOW)

    await asyncio.gather(*map(first, people))
    kinds = "select kind, count(*) from leaderboard_periods group by 1 order by 1"
    assert [tuple(row) for row in await superuser.fetch(kinds)] == [
        ("ALL", 1),
        ("COURSE", 3),
        ("MONTH", 1),
        ("WEEK", 1),
    ]
    assert await wrong(superuser) == {}


KILL = """
select count(pg_terminate_backend(pid))
from (
    select pid
    from pg_stat_activity
    where usename = $1 and xact_start is not null
    limit 1
) as unlucky
"""


async def test_many_at_once_and_some_are_killed(superuser: Connection, server_url: str) -> None:
    """Workers award and try again what was cut off; staff suspend; at the end all agrees."""
    people = await learners(superuser, 12)
    course = (await insert(superuser, "courses"))["id"]
    cut = 0

    async def work(number: int) -> None:
        nonlocal cut
        random, left = Random(number), 15
        while left:
            with suppress(*CUT_OFF):
                async with connected(server_url) as connection:
                    while left:
                        amount = random.choice([5, 10, 10, 600])
                        await give(connection, random.choice(people), amount, course, NOW)
                        left -= 1
            cut += left > 0

    name = name_of(server_url)
    workers = asyncio.gather(*map(work, range(RACE)))
    killed = 0
    while not workers.done():
        if killed < 20:
            killed += await superuser.fetchval(KILL, name)
        status = "SUSPENDED" if killed % 2 else "ACTIVE"
        await superuser.execute("update users set status = $2 where id = $1", people[0], status)
        await asyncio.wait([workers], timeout=0.02)
    await workers
    assert cut
    await eventually(lambda: _idle(superuser, name))
    assert await superuser.fetchval("select count(*) from xp_events") >= RACE * 15
    assert await wrong(superuser) == {}


async def _idle(superuser: Connection, name: str) -> bool:
    busy = "select count(*) from pg_stat_activity where usename = $1"
    return bool(await superuser.fetchval(busy, name) == 0)


@pytest.mark.parametrize("change", ["update", "delete"])
async def test_many_rows_at_once(superuser: Connection, change: str) -> None:
    """A statement that changes many people's scores is counted as one that changes one's."""
    for person in await learners(superuser, 6):
        await give(superuser, person, 10 * (person % 3 + 1), None, NOW)
    how = "update leaderboard_scores set xp = xp + 995" if change == "update" else None
    await superuser.execute(how or "delete from leaderboard_scores where user_id % 2 = 0")
    assert await wrong(superuser, "histogram") == {}
