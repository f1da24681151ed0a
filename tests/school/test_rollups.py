"""Rollups agree with a plain model, for any events in any order, cut and interleaved in any way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.persistence.school import rollups
from server.persistence.school.events import Event, Taken, take
from server.persistence.school.rollups import (
    advance,
    ask_rebuild,
    next_run,
    next_step,
    rebuild,
    roll_up,
)
from server.persistence.types import Connection
from tests.school.analytics import modelled, moment, stored
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

BLOCKED = "select pg_blocking_pids($1) <> '{}'"
MONTHS = """
create table {table}_2024_02 partition of {table}
    for values from ('2024-02-01Z') to ('2024-03-01Z');
create table {table}_2024_03 partition of {table}
    for values from ('2024-03-01Z') to ('2024-05-01Z')
"""
WIPE = """
truncate learning_analytics, analytics_batches, analytics_course_daily, analytics_lesson_daily,
    analytics_type_hourly, analytics_user_daily, analytics_submissions_daily,
    analytics_active_daily, analytics_watermarks, analytics_rebuilds, session_activity,
    analytics_activity_hours, analytics_collaboration_hourly
"""
TYPES = [
    "lesson.started",
    "lesson.completed",
    "submission.judged",
    "course.enrolled",
    "quiz.passed",
]
MOMENTS = [
    *map(moment, ("2024-03-31 23:59:59.999999", "2024-04-01", "2024-04-01 12:30", "2024-04-02")),
    *map(moment, ("2024-02-05", "2024-03-05 01:00", "2024-03-11 07:00", "2024-03-12 09:00")),
]


@pytest_asyncio.fixture(scope="module")
async def url(postgres: PostgresInstance) -> str:
    """A database for the tests of this file, of a superuser, with months of its own."""
    url = await migrated_by_owner(postgres)
    async with connected(url) as superuser:
        for table in ("learning_analytics", "session_activity"):
            await superuser.execute(MONTHS.format(table=table))
    return url


@pytest_asyncio.fixture(scope="module")
async def server_url(url: str) -> str:
    """The URL of it for a login that is a member of lyceum_server only."""
    return await login(url, "lyceum_server")


@pytest_asyncio.fixture(scope="module")
async def logins(url: str, server_url: str) -> AsyncIterator[list[Connection]]:
    """A superuser's connection and two of that login."""
    async with connected(url) as one, connected(server_url) as two, connected(server_url) as three:
        yield [one, two, three]


@pytest_asyncio.fixture
async def superuser(logins: list[Connection]) -> Connection:
    """The first; no event is there yet."""
    await logins[0].execute(WIPE)
    return logins[0]


@pytest_asyncio.fixture
async def server(logins: list[Connection]) -> Connection:
    """The second, which counts."""
    return logins[1]


@pytest_asyncio.fixture
async def other(logins: list[Connection]) -> Connection:
    """The third, which writes beside it."""
    return logins[2]


def event_of(number: int, at: datetime = MOMENTS[2], **fields: Any) -> Event:
    """One in a lesson of a course, by somebody."""
    given = {"user_id": 1, "course_id": 1, "lesson_id": 11, "event_type": TYPES[0]} | fields
    return Event(at=at, event_id=UUID(int=number), **given)


happened = st.builds(
    Event,
    at=st.sampled_from(MOMENTS),
    event_id=st.integers(1, 3).map(lambda number: UUID(int=number)),
    event_type=st.sampled_from(TYPES),
    user_id=st.sampled_from([None, 1, 2, 3]),
    course_id=st.sampled_from([None, 1, 2]),
    lesson_id=st.sampled_from([None, 11, 12]),
    data=st.sampled_from(
        [
            None,
            {},
            {"seconds": 90, "xp": 5},
            {"seconds": 1e6, "xp": -3},
            {"seconds": "long", "xp": None, "status": "PASSED"},
            {"seconds": 30.7, "status": "FAILED"},
            {"seconds": -5, "status": "odd"},
        ]
    ),
)
lives = st.lists(
    happened,
    min_size=1,
    max_size=12,
    unique_by=lambda event: (event.user_id, event.at, event.event_id),
)
# What is done: some events sent, by one who commits at once or by one who takes long; that one
# commits or takes all back; some or all is counted; somebody dies while counting; all anew.
deeds = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["send", "send slowly"]), st.lists(st.integers(0, 11), max_size=8)
        ),
        st.sampled_from(
            [
                ("commit", []),
                ("undo", []),
                ("count", []),
                ("count one", []),
                ("die", []),
                ("anew", []),
            ]
        ),
    ),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(life=lives, done=deeds)
async def test_any_stream_comes_to_what_a_model_says(
    superuser: Connection,
    server: Connection,
    other: Connection,
    life: list[Event],
    done: list[tuple[str, list[int]]],
) -> None:
    """With duplicates, late ones, any batches, whoever counts when; and so does counting anew."""
    await superuser.execute(WIPE)
    arrived: list[Event] = []
    slow: list[Event] = []
    transaction = None
    for deed, numbers in [*done, ("commit", []), ("count", [])]:
        events = [life[number % len(life)] for number in numbers]
        if deed == "send":
            await take(server, events)
            arrived += events
        elif deed == "send slowly":
            if transaction is None:
                transaction = other.transaction()
                await transaction.start()
            await take(other, events)
            slow += events
        elif deed in ("commit", "undo") and transaction is not None:
            await (transaction.commit() if deed == "commit" else transaction.rollback())
            arrived += slow if deed == "commit" else []
            transaction, slow = None, []
        elif deed == "count":
            await roll_up(server)
            assert await stored(superuser) == modelled(arrived)
        elif deed == "count one":
            await advance(server, 1)
        elif deed == "die":
            dying = server.transaction()
            await dying.start()
            await advance(server, 2)
            await dying.rollback()
        elif deed == "anew":
            await ask_rebuild(server)
    assert await stored(superuser) == modelled(arrived)
    await ask_rebuild(server)
    await roll_up(server)
    assert await stored(superuser) == modelled(arrived)


async def test_a_batch_that_still_waits_is_not_counted(
    superuser: Connection, server: Connection
) -> None:
    """Though it is of the same person and day as what is counted, or the same event again."""
    events = [event_of(1), event_of(2), event_of(1), event_of(3)]
    for event in events:
        await take(server, [event])
    for counted in range(1, 5):
        assert await advance(server, 1) == (1, 1)
        assert await stored(superuser) == modelled(events[:counted])


async def test_a_day_that_comes_late_between_others(
    superuser: Connection, server: Connection
) -> None:
    """Who was active before and after it is counted in each span of days once."""
    known = [event_of(1, MOMENTS[4]), event_of(2, MOMENTS[7]), event_of(3, MOMENTS[0])]
    late = [event_of(4, MOMENTS[5]), event_of(5, MOMENTS[6]), event_of(6, MOMENTS[3])]
    await take(server, known)
    await roll_up(server)
    await take(server, late)
    await roll_up(server)
    assert await stored(superuser) == modelled(known + late)


async def test_many_write_while_one_counts(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """Whatever commits while events are counted is counted by then or later, and once."""
    random = Random(6)
    life = [
        event_of(number, MOMENTS[2] + timedelta(seconds=number % 50), user_id=number % 7)
        for number in range(300)
    ]

    async def write() -> list[Event]:
        sent = []
        async with connected(server_url) as own:
            for _ in range(25):
                batch = random.choices(life, k=20)
                await take(own, batch)
                sent += batch
        return sent

    async def count(writing: "asyncio.Task[Any]") -> None:
        while not writing.done():
            await roll_up(server)

    writers = [write() for _ in range(4)]
    writing = asyncio.ensure_future(asyncio.gather(*writers))
    await count(writing)
    await roll_up(server)
    assert await stored(superuser) == modelled(
        [event for sent in writing.result() for event in sent]
    )


async def test_a_counter_that_is_killed(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """What it had not committed is counted by the next one."""
    events = [event_of(number, user_id=number % 5) for number in range(40)]
    async with connected(server_url) as dying:
        await take(dying, events)
        async with superuser.transaction():
            await superuser.execute("lock table analytics_type_hourly in share mode")
            counting = asyncio.create_task(roll_up(dying))
            await eventually(lambda: superuser.fetchval(BLOCKED, dying.get_server_pid()))
            await superuser.execute("select pg_terminate_backend($1)", dying.get_server_pid())
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await counting
    assert not any((await stored(superuser)).values())
    await roll_up(server)
    assert await stored(superuser) == modelled(events)


async def test_a_rebuild_that_is_killed(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """The next run goes on with the days that are left."""
    events = [event_of(number, at) for number, at in enumerate(MOMENTS)]
    await take(server, events)
    async with connected(server_url) as dying:
        await ask_rebuild(dying)
        for day in (moment("2024-02-05").date(), moment("2024-03-05").date()):
            await rebuild(dying, day, day, last=False)
    assert len((await stored(superuser))["analytics_user_daily"]) == 2
    did = await roll_up(server)
    assert did["days"] > 80
    assert await stored(superuser) == modelled(events)
    assert await roll_up(server) == {}


async def test_events_written_past_the_table(superuser: Connection, server: Connection) -> None:
    """They are in no batch, and are counted when all is counted anew."""
    await take(server, [event_of(1)])
    await superuser.execute(
        "insert into learning_analytics_2024_03 (at, event_id, user_id, event_type)"
        " values ($1, gen_random_uuid(), 5, 'lesson.started')",
        MOMENTS[2],
    )
    await roll_up(server)
    assert await stored(superuser) == modelled([event_of(1)])
    await ask_rebuild(server)
    await roll_up(server)
    late = event_of(2, user_id=5, course_id=None, lesson_id=None)
    assert await stored(superuser) == modelled([event_of(1), late])


async def test_events_of_times_that_are_not_kept(superuser: Connection, server: Connection) -> None:
    """They are refused by their ids, and the others are taken; clocks may be ahead by a day."""
    now: datetime = await superuser.fetchval("select now()")
    # What jsonb can't hold must not keep the others out.
    fine = [event_of(1, data={"page": "\0"}), event_of(2, now + timedelta(hours=23))]
    wrong = [
        event_of(3, moment("2023-01-01")),
        event_of(4, now + timedelta(hours=25)),
        event_of(5, moment("2024-01-31 23:59:59")),
    ]
    taken = await take(server, wrong[:1] + fine + wrong[1:])
    assert taken == Taken(2, tuple(event.event_id for event in wrong))
    assert await take(server, wrong) == Taken(0, tuple(event.event_id for event in wrong))
    assert await superuser.fetchval("select count(*) from learning_analytics") == 2


async def test_how_far_it_is(superuser: Connection, server: Connection) -> None:
    """Each rollup knows when the newest event came that is in it, and how many are."""
    await take(server, [event_of(1), event_of(2), event_of(2)])
    await roll_up(server)
    newest = await superuser.fetchval("select max(received_at) from learning_analytics")
    await take(server, [event_of(1)])
    await roll_up(server)
    marks = await superuser.fetch("select rollup, received_until, events from analytics_watermarks")
    assert {row[0] for row in marks} == {
        "course_daily", "lesson_daily", "type_hourly", "user_daily", "submissions_daily"
    }  # fmt: skip
    assert {row[2] for row in marks} == {2}
    assert all(row[1] > newest for row in marks)
    assert await superuser.fetchval("select count(*) from analytics_batches") == 0


def test_steps_fit_the_machine() -> None:
    """More at a time where that is quick, less where it takes long, within bounds."""
    assert next_step(200, 0.1) == 400
    assert next_step(15_000, 0.1) == rollups.MOST
    assert next_step(800, 2.0) == 800
    assert next_step(800, 9.0) == 400
    assert next_step(300, 9.0) == rollups.FEWEST


def test_runs_of_days() -> None:
    """Days that follow each other are counted anew together; those between others are not."""
    days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 5)]
    assert [next_run(days, most) for most in (1, 2, 9)] == [1, 2, 3]
    assert next_run(days[3:], 9) == 1


ADD_ACTIVITY = """
insert into session_activity
    (at, session_id, participant, kind, seconds, updates, inserted, deleted)
values ($1, $2, $3, $4, $5, $6, $7, $7)
"""
COLLABORATION = """
select hour, sessions, participants, seconds::float8, updates, messages, runs
from analytics_collaboration_hourly
order by hour
"""


async def test_minutes_of_collaboration(
    superuser: Connection, server: Connection, other: Connection
) -> None:
    """Hours that have new activity are counted anew, also when its transaction takes long."""
    hour = moment("2024-03-05 01:00")
    ann, bob = UUID(int=1), UUID(int=2)
    await server.execute(ADD_ACTIVITY, hour, 1, ann, "edit", 10.1, 3, 5)
    await server.execute(ADD_ACTIVITY, hour, 1, bob, "chat", None, None, None)
    async with other.transaction():
        await other.execute(ADD_ACTIVITY, hour + timedelta(minutes=59), 2, bob, "edit", 9.9, 1, 0)
        assert await roll_up(server) == {"hours": 1}
        assert [tuple(row) for row in await superuser.fetch(COLLABORATION)] == [
            (hour, 1, 2, 10.1, 3, 1, 0)
        ]
    late = hour + timedelta(days=30)
    await server.execute(ADD_ACTIVITY, late, 3, ann, "run", None, None, None)
    assert await roll_up(server) == {"hours": 2}
    counted = [(hour, 2, 2, 20.0, 4, 1, 0), (late, 1, 1, 0.0, 0, 0, 1)]
    assert [tuple(row) for row in await superuser.fetch(COLLABORATION)] == counted
    await superuser.execute("delete from analytics_collaboration_hourly")
    await ask_rebuild(server)
    await roll_up(server)
    assert [tuple(row) for row in await superuser.fetch(COLLABORATION)] == counted
    assert datetime.now(UTC) > late
