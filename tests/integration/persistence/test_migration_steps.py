"""How steps run: beside others who hold locks, outside a transaction, killed midway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.errors import DatabaseError
from server.persistence import blockers, steps
from server.persistence.migrations import Migration, migrate, plan, plan_back, rollback, status
from server.persistence.partition_index import part_name
from server.persistence.statements import split
from server.persistence.types import Connection
from tests.support.logins import connected, owned_database
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

Connect = Callable[[], Awaitable[Connection]]

TABLE = Migration(
    1,
    "table",
    "create table one (x int); create table two (x int);"
    "insert into one select generate_series(1, 100)",
    "drop table one; drop table two",
)
COLUMN = Migration(
    2,
    "column",
    "alter table one add column y int; alter table two add column y int",
    "alter table one drop column y; alter table two drop column y",
)
INDEX = Migration(
    2,
    "index",
    "-- no transaction\ncreate unique index concurrently if not exists one_x_key on one (x);"
    "comment on index one_x_key is 'by x'",
    "-- no transaction\ndrop index concurrently if exists one_x_key",
)
VALID = "select indisvalid from pg_index where indexrelid = to_regclass('one_x_key')"
WAITING = "select cardinality(pg_blocking_pids($1)) > 0"


@pytest_asyncio.fixture
async def connect(
    postgres: PostgresInstance, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connect]:
    """Opens connections to one database with the first step; steps are in a hurry."""
    monkeypatch.setattr(steps, "LOCK_TIMEOUT", 0.3)
    monkeypatch.setattr(steps, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(steps, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(blockers, "LOOK_EVERY", 0.02)
    url = await postgres.create_empty_database()
    opened: list[Connection] = []

    async def open_one() -> Connection:
        opened.append(await asyncpg.connect(url))
        return opened[-1]

    await migrate(await open_one(), [TABLE])
    yield open_one
    for connection in opened:
        connection.terminate()


async def version(connection: Connection) -> int:
    return sum(row.applied for row in await status(connection, [TABLE, COLUMN]))


@pytest.mark.parametrize("held", ["one", "two"])
async def test_writers_pass_a_migration_that_waits(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """Behind a step that can't have its locks nobody waits until it has: it lets go, tells of whom
    it waited for, tries again, and is done once they have ended."""
    monkeypatch.setattr(steps, "TRIES", 1000)
    reader, ours, writer = [await connect() for _ in range(3)]
    reading = reader.transaction()
    await reading.start()
    await reader.execute(f"select count(*) from {held}")
    with capture_logs() as logs:
        migrating = asyncio.create_task(migrate(ours, [TABLE, COLUMN], observe=connect))
        await eventually(lambda: writer.fetchval(WAITING, ours.get_server_pid()))
        for number in range(3):
            await writer.execute("insert into one values ($1)", number)
            await writer.execute("insert into two values ($1)", number)
        await eventually(lambda: [entry for entry in logs if "lets others" in entry["event"]])
        assert not migrating.done()
        await reading.rollback()
        assert (await migrating).done == [COLUMN]
    told = [entry["waited_for"] for entry in logs if "waited_for" in entry]
    assert f"pid {reader.get_server_pid()} (" in told[-1]
    assert "idle in transaction" in told[-1]
    assert await writer.fetchval("select count(y) from two") == 0


async def test_gives_up_in_the_end(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that never gets its locks ends in one line with who holds them, and leaves nothing."""
    monkeypatch.setattr(steps, "TRIES", 2)
    reader, ours = await connect(), await connect()
    async with reader.transaction():
        await reader.execute("lock table two in access share mode")
        with pytest.raises(DatabaseError, match=r"0002_column was tried 2 times and not") as error:
            await migrate(ours, [TABLE, COLUMN], observe=connect)
    assert f"pid {reader.get_server_pid()} (" in str(error.value)
    assert "\n" not in str(error.value)
    assert await version(ours) == 1
    assert (await migrate(ours, [TABLE, COLUMN])).done == [COLUMN]


async def test_waits_add_up(connect: Connect) -> None:
    """A step that has waited, or worked, for long waits only shortly for its later locks."""
    ours = await connect()
    now = "insert into waits values (current_setting('lock_timeout'))"
    up = f"create table waits (longest text); {now}; select pg_sleep(0.31); {now}"
    await migrate(ours, [TABLE, COLUMN._replace(up=up)])
    assert (await ours.fetch("select longest from waits"))[-1][0] == "100ms"


async def test_gives_up_unseen(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody who looks it does so too; the way back waits no longer than that either."""
    monkeypatch.setattr(steps, "TRIES", 1)
    reader, ours = await connect(), await connect()
    await migrate(ours, [TABLE, COLUMN])
    async with reader.transaction():
        await reader.execute("lock table two in access share mode")
        with pytest.raises(DatabaseError, match=blockers.UNSEEN):
            await rollback(ours, [TABLE, COLUMN], 0)
    assert await version(ours) == 2


async def test_long_work_is_told_of(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who waits for a migration reads how far it is; without an observer too."""
    monkeypatch.setattr(blockers, "TELL_EVERY", 0.02)
    ours = await connect()

    async def away() -> Connection:
        raise OSError

    slow = COLUMN._replace(up=f"select pg_sleep(0.3); {COLUMN.up}")
    with capture_logs() as logs:
        await migrate(ours, [TABLE, slow], observe=away)
    told = [entry for entry in logs if entry["event"] == "migrating"]
    assert (told[0]["migration"], told[0]["statement"]) == ("0002_column", "1 of 4")


async def test_concurrent_index_killed_midway(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an index is built concurrently writers go on; what a killed build leaves, which is
    not valid, is dropped and built anew by the next starter."""
    monkeypatch.setattr(blockers, "TELL_EVERY", 0.02)
    old, ours, writer = [await connect() for _ in range(3)]
    writing = old.transaction()
    await writing.start()
    await old.execute("insert into one values (1000)")
    with capture_logs() as logs:
        migrating = asyncio.create_task(migrate(ours, [TABLE, INDEX], observe=connect))
        await eventually(lambda: [entry for entry in logs if entry.get("building")])
        await eventually(lambda: [entry for entry in logs if entry.get("waits_for")])
        await writer.execute("insert into one values (1001)")
        await writer.execute("select pg_terminate_backend($1)", ours.get_server_pid())
        with pytest.raises(DatabaseError, match="migration 0002_index fails"):
            await migrating
    assert await writer.fetchval(VALID) is False
    assert await version(writer) == 1
    await writing.commit()

    with capture_logs() as logs:
        assert (await migrate(writer, [TABLE, INDEX])).done == [INDEX]
    assert [e["index"] for e in logs if "build had failed" in e["event"]] == ["one_x_key"]
    assert await writer.fetchval(VALID) is True
    assert (await rollback(writer, [TABLE, INDEX], 1)).done == [INDEX]
    assert await writer.fetchval(VALID) is None


async def test_concurrent_index_on_wrong_rows(connect: Connect) -> None:
    """A unique index that the rows don't allow fails; once they do, the step is repeated."""
    ours = await connect()
    await ours.execute("insert into one values (1)")
    with pytest.raises(DatabaseError, match=r"0002_index fails: .*could not create unique index"):
        await migrate(ours, [TABLE, INDEX])
    assert await ours.fetchval(VALID) is False
    await ours.execute("delete from one where x = 1")
    assert (await migrate(ours, [TABLE, INDEX])).done == [INDEX]
    assert await ours.fetchval(VALID) is True
    assert await ours.fetchval("show lock_timeout") == "0"


async def test_step_outside_a_transaction_begins_anew(connect: Connect) -> None:
    """What was done before a statement that failed stays, and is done again."""
    ours = await connect()
    broken = INDEX._replace(up=INDEX.up + "; select 1 / 0")
    with pytest.raises(DatabaseError, match=r"0002_index fails: .*division by zero"):
        await migrate(ours, [TABLE, broken])
    assert await ours.fetchval(VALID) is True
    assert await version(ours) == 1
    assert (await migrate(ours, [TABLE, INDEX])).done == [INDEX]


async def test_dry_run_is_what_runs(connect: Connect) -> None:
    """The scripts of a plan, run by hand, do all that the migration would have done."""
    ours = await connect()
    await ours.execute("drop table schema_migrations, one, two")
    for known in ([TABLE, COLUMN], [TABLE, INDEX]):
        for step in await plan(ours, known):
            script = step.script()
            for statement in [script] if step.in_transaction else split(script):
                await ours.execute(statement)
        assert (await migrate(ours, known)).done == []
        for step in await plan_back(ours, known, 1):
            script = step.script()
            assert script.startswith(f"-- {known[1].title}\n")
            assert ("begin;" in script, "commit;" in script) == ((known[1] == COLUMN),) * 2
        assert (await rollback(ours, known, 1)).done == [known[1]]


async def test_dry_run_says_as_whom(postgres: PostgresInstance) -> None:
    """A plan begins with the roles that would be made and the one that would be taken on."""
    async with connected(await owned_database(postgres)) as ours, ours.transaction():
        steps = await plan(ours, [TABLE])
        assert [step.name for step in steps] == ["owner", "ledger", "0001_table"]
        assert steps[0].statements == ["set role lyceum_owner"]
        assert await plan_back(ours, [TABLE], 0) == steps[:1]
        await ours.execute("alter role lyceum_backup rename to gone")
        steps = await plan(ours, [TABLE])
        assert [step.name for step in steps] == ["roles", "owner", "ledger", "0001_table"]
        assert "lyceum_backup" in steps[0].script()
        await ours.execute("alter role gone rename to lyceum_backup")


PARTED = Migration(
    2,
    "parted",
    "create table many (x int, y int) partition by range (x);"
    "create table many_1 partition of many for values from (0) to (10);"
    "create table many_2 partition of many for values from (10) to (20);"
    "insert into many select n, n from generate_series(0, 19) n",
    "drop table many",
)
BY_PART = Migration(
    3,
    "by_part",
    "-- no transaction\ncreate index concurrently if not exists many_y_idx on many (y)",
    "drop index many_y_idx",
)
PARTS = """
select array_agg(relname::text order by relname)
from pg_index
join pg_class on pg_class.oid = indexrelid
where indisvalid and relname like 'many%'
"""


async def test_an_index_of_partitions(connect: Connect) -> None:
    """It is built on one after the other, past writers, and goes on after a kill where it was."""
    migrations, writer = [TABLE, PARTED, BY_PART], await connect()
    ours = await connect()
    await migrate(ours, migrations, 2)
    async with writer.transaction():
        await writer.execute("insert into many_2 values (11, 5)")
        building = asyncio.create_task(migrate(ours, migrations))
        other = await connect()
        pid = ours.get_server_pid()

        async def at_the_second() -> bool:
            waits = await other.fetchval(WAITING, pid)
            return bool(waits and await other.fetchval(PARTS) == ["many_1_y_idx"])

        await eventually(at_the_second)
        await other.execute("insert into many values (12, 6)")
        await other.execute("select pg_terminate_backend($1)", pid)
        with pytest.raises((DatabaseError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await building
    again = await connect()
    await migrate(again, migrations)
    assert await again.fetchval(PARTS) == ["many_1_y_idx", "many_2_y_idx", "many_y_idx"]
    await again.execute("create table many_3 partition of many for values from (20) to (30)")
    assert "many_3_y_idx" in await again.fetchval(PARTS)
    await rollback(again, migrations, 2)
    assert await again.fetchval(PARTS) is None


def test_names_of_parts() -> None:
    """As Postgres calls them, and never longer than it takes."""
    assert part_name("many_y_idx", "many", "many_1") == "many_1_y_idx"
    assert part_name("fast", "many", "many_1") == "many_1_fast"
    assert len(part_name("many_" + "y" * 30, "many", "m" * 60)) == 63
