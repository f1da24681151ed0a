"""Partitions are made ahead and dropped, in UTC months, by many at once, past writers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from server import telemetry
from server.config import Config
from server.persistence import partitions as module
from server.persistence import upkeep
from server.persistence.database import Database, connect
from server.persistence.jobs import Jobs
from server.persistence.locks import TRY_LOCK
from server.persistence.partitions import (
    LOCK_KEY,
    Report,
    count_ahead,
    drop_expired,
    ensure,
    maintain,
    month_after,
    month_of,
    partitions,
)
from server.persistence.school.events import Event, take
from server.persistence.school.rollups import ask_rebuild, roll_up
from server.persistence.types import Connection
from tests.support.journal import wait_blocked
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

NOVEMBER = datetime(2026, 11, 25, 12, tzinfo=UTC)
TABLE = """
create table events (
    at timestamptz not null,
    what text not null default '',
    constraint events_what_check check (what <> 'poison')
) partition by range (at);
create index events_at_idx on events (at);
"""
ADD = "insert into events (at) values ($1) returning tableoid::regclass::text"
EVENTS = ("events",)
CHECKPOINT = "select checkpoint_lsn from pg_control_checkpoint()"
ZONES = ["UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kolkata"]

Connect = Callable[[], Awaitable[Connection]]


@pytest_asyncio.fixture
async def open_one(connection: Connection, database_url: str) -> AsyncIterator[Connect]:
    """Opens connections as a server does, to a database with a partitioned table of events."""
    await connection.execute(TABLE)
    opened: list[Connection] = []

    async def open_connection() -> Connection:
        opened.append(await connect(database_url))
        return opened[-1]

    yield open_connection
    for other in opened:
        other.terminate()


@pytest_asyncio.fixture
async def events(open_one: Connect) -> Connection:
    """One of these connections."""
    return await open_one()


async def names(connection: Connection) -> list[str]:
    return [part.name for part in await partitions(connection, "events")]


async def tables(connection: Connection) -> list[str]:
    found = await connection.fetch(
        "select relname from pg_class where relkind = 'r' and relname ^@ 'events_' order by 1"
    )
    return [row[0] for row in found]


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))])))
def test_months_are_those_of_utc(moment: datetime) -> None:
    """A month contains its moments, wherever they are told, and ends where the next begins."""
    if not 1 < moment.year < 9990:
        return
    month = month_of(moment)
    assert month <= moment < month_after(month)
    assert (month.day, month.hour, month.utcoffset()) == (1, 0, timedelta(0))
    assert month_of(month_after(month) - timedelta(microseconds=1)) == month
    assert month_of(month) == month


async def test_from_the_current_month_on(events: Connection) -> None:
    """The current month and three ahead, over the turn of the year; a second time nothing."""
    made = ["events_2026_11", "events_2026_12", "events_2027_01", "events_2027_02"]
    assert await ensure(events, tables=EVENTS, now=NOVEMBER) == made
    assert await names(events) == made
    assert await ensure(events, tables=EVENTS, now=NOVEMBER) == []
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert await ensure(events, 2, EVENTS, later) == ["events_2027_03"]


@pytest.mark.parametrize("zone", ZONES)
async def test_boundaries_are_exact_in_every_time_zone(events: Connection, zone: str) -> None:
    """A row goes by its moment in UTC, whatever the time zone of whoever makes or asks."""
    await events.execute(f"set timezone = '{zone}'; set datestyle = 'German'")
    local = NOVEMBER.astimezone(timezone(timedelta(hours=-7)))
    assert len(await ensure(events, tables=EVENTS, now=local)) == 4
    assert await ensure(events, tables=EVENTS, now=local) == []
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert await events.fetchval(ADD, december) == "events_2026_12"
    assert await events.fetchval(ADD, december - timedelta(microseconds=1)) == "events_2026_11"
    assert await count_ahead(events, "events", NOVEMBER) == 3
    assert [part.start for part in await partitions(events, "events")][1] == december


async def test_for_what_comes_late(events: Connection) -> None:
    """The month before is there too where that is asked for, over the turn of the year."""
    january = datetime(2027, 1, 31, 23, tzinfo=UTC)
    made = ["events_2026_12", "events_2027_01", "events_2027_02"]
    assert await ensure(events, 1, EVENTS, january, back=1) == made
    assert await ensure(events, 0, EVENTS, NOVEMBER, back=1) == ["events_2026_10", "events_2026_11"]


async def test_partitions_are_as_their_table(events: Connection) -> None:
    """Its indexes, checks and comments are theirs, so that none has to be made when attached."""
    await events.execute("comment on column events.what is 'what it was'")
    await ensure(events, 0, EVENTS, NOVEMBER)
    with pytest.raises(asyncpg.CheckViolationError):
        await events.execute("insert into events values ($1, 'poison')", NOVEMBER)
    indexes = await events.fetch("select indexname from pg_indexes where tablename ^@ 'events_'")
    assert [row[0] for row in indexes] == ["events_2026_11_at_idx"]
    comment = "select col_description('events_2026_11'::regclass, 2)"
    assert await events.fetchval(comment) == "what it was"


async def test_two_servers_at_once(open_one: Connect) -> None:
    """Of many that start at the same moment one makes each partition."""
    connections = [await open_one() for _ in range(5)]
    made = await asyncio.gather(*(ensure(one, 3, EVENTS, NOVEMBER) for one in connections))
    assert sorted(map(len, made)) == [0, 0, 0, 0, 4]


async def test_waits_for_anothers_upkeep(open_one: Connect) -> None:
    """Who finds another at work waits, and goes on when the other's connection is gone."""
    other, ours = await open_one(), await open_one()
    assert await other.fetchval(TRY_LOCK, LOCK_KEY)
    waiting = asyncio.create_task(ensure(ours, 0, EVENTS, NOVEMBER))
    lock = "select query from pg_stat_activity where query like '%pg_try_advisory_lock%'"
    await eventually(lambda: other.fetch(lock), what="a try to lock")
    assert not waiting.done()
    other.terminate()
    assert await waiting == ["events_2026_11"]


async def test_a_table_that_is_not_there(events: Connection) -> None:
    """It is passed over: an older schema does not have it."""
    assert await ensure(events, 0, ("missing", "events"), NOVEMBER) == ["events_2026_11"]
    assert await partitions(events, "missing") == []


async def test_making_passes_writers_and_readers(open_one: Connect) -> None:
    """Neither waits for the other."""
    ours, writer = await open_one(), await open_one()
    await ensure(ours, 0, EVENTS, NOVEMBER)
    async with writer.transaction():
        await writer.execute(ADD, NOVEMBER)
        assert len(await ensure(ours, 3, EVENTS, NOVEMBER)) == 3
        await writer.execute(ADD, NOVEMBER)
    await writer.execute(ADD, NOVEMBER + timedelta(days=31))


async def test_making_gives_up_on_a_lock(open_one: Connect) -> None:
    """Who locks the whole table is waited for 2 s; then nothing half made is left."""
    ours, holder = await open_one(), await open_one()
    async with holder.transaction():
        await holder.execute("lock table events in access exclusive mode")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await asyncio.wait_for(ensure(ours, 0, EVENTS, NOVEMBER), 8)
    assert await tables(ours) == []
    assert await ensure(ours, 0, EVENTS, NOVEMBER) == ["events_2026_11"]


async def test_larger_partitions_count_for_their_months(events: Connection) -> None:
    """Somebody with other ideas made a whole quarter."""
    await events.execute(
        "create table events_winter partition of events"
        " for values from ('2026-12-01 00:00+00') to ('2027-02-01 00:00+00')"
    )
    assert await ensure(events, 3, EVENTS, NOVEMBER) == ["events_2026_11", "events_2027_02"]


async def test_months_ahead(events: Connection) -> None:
    """Those without a gap from the current one on."""
    assert await count_ahead(events, "events", NOVEMBER) == -1
    await ensure(events, 3, EVENTS, NOVEMBER)
    assert await count_ahead(events, "events", NOVEMBER) == 3
    await events.execute("drop table events_2027_01")
    assert await count_ahead(events, "events", NOVEMBER) == 1
    assert await count_ahead(events, "events", datetime(2027, 1, 9, tzinfo=UTC)) == -1


async def test_dropping_what_is_older(events: Connection) -> None:
    """A partition goes once its last moment is older, and not a microsecond before."""
    await ensure(events, 3, EVENTS, NOVEMBER)
    january = datetime(2027, 1, 1, tzinfo=UTC)
    just_before = january - timedelta(microseconds=1)
    assert await drop_expired(events, "events", just_before) == ["events_2026_11"]
    assert await drop_expired(events, "events", just_before) == []
    assert await drop_expired(events, "events", january) == ["events_2026_12"]
    assert await tables(events) == ["events_2027_01", "events_2027_02"]
    assert await events.fetchval("show lock_timeout") == "10s"


async def test_two_drop_at_once(open_one: Connect) -> None:
    """Each partition is dropped by one of them."""
    connections = [await open_one() for _ in range(4)]
    await ensure(connections[0], 3, EVENTS, NOVEMBER)
    before = datetime(2027, 2, 1, tzinfo=UTC)
    done = await asyncio.gather(*(drop_expired(one, "events", before) for one in connections))
    assert sorted(map(len, done)) == [0, 0, 0, 3]


async def test_dropping_while_a_writer_holds_the_table(open_one: Connect) -> None:
    """Others write on meanwhile; what had to be given up is finished later."""
    ours, writer, another = [await open_one() for _ in range(3)]
    await ensure(ours, 1, EVENTS, NOVEMBER)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    async with writer.transaction():
        await writer.execute(ADD, december)
        dropping = asyncio.create_task(drop_expired(ours, "events", december))
        await wait_blocked(another, 1, dropping)
        await asyncio.wait_for(another.execute(ADD, december), 1)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await asyncio.wait_for(dropping, 8)
        assert [part.detaching for part in await partitions(another, "events")] == [True, False]
        assert await another.fetchval("select count(*) from events") == 1
    assert await drop_expired(ours, "events", december) == ["events_2026_11"]
    assert await tables(ours) == ["events_2026_12"]
    assert await ours.fetchval("select count(*) from events") == 2


async def test_dropping_waits_a_moment_for_a_reader(open_one: Connect) -> None:
    """Who reads what is dropped ends reading it first."""
    ours, reader, looker = [await open_one() for _ in range(3)]
    await ensure(ours, 1, EVENTS, NOVEMBER)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    async with reader.transaction():
        await reader.fetch("select from events where at < $1", december)
        dropping = asyncio.create_task(drop_expired(ours, "events", december))
        await wait_blocked(looker, 1, dropping)
    assert await dropping == ["events_2026_11"]


async def test_what_was_detached_and_not_dropped(events: Connection) -> None:
    """A server that was killed in between left a table: it goes; one that somebody keeps stays."""
    await ensure(events, 3, EVENTS, NOVEMBER)
    await events.execute(
        f"alter table events detach partition events_2026_11;"
        f"comment on table events_2026_11 is '{module.EXPIRED}';"
        "alter table events detach partition events_2026_12"
    )
    assert await drop_expired(events, "events", NOVEMBER) == ["events_2026_11"]
    assert "events_2026_12" in await tables(events)


async def test_dropping_beside_a_default_partition(events: Connection) -> None:
    """Where Postgres can't detach concurrently it is done in one step."""
    await ensure(events, 1, EVENTS, NOVEMBER)
    await events.execute("create table rest partition of events default")
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert await drop_expired(events, "events", december) == ["events_2026_11"]


async def test_a_connection_lost_while_dropping(open_one: Connect) -> None:
    """The lock is free again, and the next one finishes."""
    ours, writer, killer = [await open_one() for _ in range(3)]
    await ensure(ours, 1, EVENTS, NOVEMBER)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    async with writer.transaction():
        await writer.execute(ADD, december)
        dropping = asyncio.create_task(drop_expired(ours, "events", december))
        (backend,) = await wait_blocked(killer, 1, dropping)
        await killer.execute("select pg_terminate_backend($1)", backend)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await dropping
    assert await drop_expired(killer, "events", december) == ["events_2026_11"]


async def old_activity(connection: Connection) -> None:
    """Activity partitions of long ago."""
    for year in (2001, 2002):
        moment = datetime(year, 5, 5, tzinfo=UTC)
        await ensure(connection, 0, (module.ACTIVITY,), moment)


async def test_maintaining_all(connection: Connection) -> None:
    """Partitions ahead, retention of activity, and gauges that an alert can watch."""
    await old_activity(connection)
    await connection.execute("drop table " + (await partitions(connection, module.ACTIVITY))[-1][0])
    kept = await maintain(connection, {module.ACTIVITY: 0})
    assert kept.dropped == []
    assert len([name for name in kept.created if module.ACTIVITY in name]) == 1
    assert kept.ahead[module.ACTIVITY] == module.AHEAD
    report = await maintain(connection, {module.ACTIVITY: 400})
    old = ["session_activity_2001_05", "session_activity_2002_05"]
    assert report == Report([], old, kept.ahead)
    gauge = telemetry.partitions_ahead.labels(module.ACTIVITY)
    assert gauge._value.get() == module.AHEAD


async def test_a_short_time_to_keep_rows(connection: Connection) -> None:
    """No partition is made that would go at once; else the month before is there for late rows."""
    before = (await partitions(connection, module.ACTIVITY))[0].name
    await connection.execute(f"drop table {before}")
    assert (await maintain(connection, {module.ACTIVITY: 20}))[:2] == ([], [])
    assert (await maintain(connection, {module.ACTIVITY: 400}))[:2] == ([before], [])


async def test_events_are_counted_before_they_go(connection: Connection) -> None:
    """What was counted of them stays, also when all is counted anew."""
    await ensure(connection, 0, (module.EVENTS,), datetime(2024, 3, 5, tzinfo=UTC))
    await take(connection, [Event(datetime(2024, 3, 9, tzinfo=UTC), uuid4(), "lesson.started", 1)])
    config = Config(events_retention_days=90)
    (job,) = [job for job in upkeep.jobs(config) if job.name == "partitions"]
    assert await job.run(connection) == {"dropped": ["learning_analytics_2024_03"]}
    counted = "select array_agg(day::text) from analytics_user_daily where user_id = 1"
    assert await connection.fetchval(counted) == ["2024-03-09"]
    await connection.execute("insert into analytics_rebuilds values ('2024-03-09')")
    await ask_rebuild(connection)
    await roll_up(connection)
    assert await connection.fetchval(counted) == ["2024-03-09"]
    assert await connection.fetchval("select sum(people) from analytics_active_daily") == 1


async def test_what_was_written_is_on_the_disk(database_url: str, connection: Connection) -> None:
    """Where that is wanted, when the server begins to run; and it is no matter if it fails."""
    before = await connection.fetchval(CHECKPOINT)
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        proxy.shut()
        await upkeep.write_out(database)
        assert await connection.fetchval(CHECKPOINT) == before
        await proxy.open()
        running = asyncio.create_task(upkeep.run(database, Jobs(database, ()), written=True))

        async def made() -> bool:
            return bool(await connection.fetchval(CHECKPOINT) != before)

        await eventually(made)
        assert not running.done()
        running.cancel()
        await database.close()


async def test_before_a_server_serves(database_url: str, connection: Connection) -> None:
    """There are partitions to write to; if the database is away just then, the start goes on."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        newest = (await partitions(connection, module.ACTIVITY))[-1].name
        await connection.execute(f"drop table {newest}")
        proxy.shut()
        with capture_logs() as logs:
            await upkeep.prepare(database)
        assert [e["event"] for e in logs] == ["partitions can't be kept; it is tried again"]
        await proxy.open()
        await upkeep.prepare(database)
        assert (await partitions(connection, module.ACTIVITY))[-1].name == newest
        await database.close()


async def test_every_server_tells_how_far_ahead_tables_are(
    database_url: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As time goes on, whichever of them makes partitions, and after the database was away."""
    monkeypatch.setattr(upkeep, "HOUR", 0.02)
    gauge = telemetry.partitions_ahead.labels(module.ACTIVITY)
    gauge.set(-7)
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        proxy.shut()
        with capture_logs() as logs:
            running = asyncio.create_task(upkeep.run(database, Jobs(database, ())))
            await eventually(lambda: logs)
        assert logs[0]["event"] == "partitions can't be counted"
        await proxy.open()
        await eventually(lambda: gauge._value.get() == module.AHEAD)
        running.cancel()
        await database.close()


async def test_the_job(connection: Connection) -> None:
    """It tells what it made and dropped, and nothing if there was nothing to do."""
    (job,) = [job for job in upkeep.jobs(Config()) if job.name == "partitions"]
    await old_activity(connection)
    assert await job.run(connection) == {
        "dropped": ["session_activity_2001_05", "session_activity_2002_05"]
    }
    assert await job.run(connection) == {}
