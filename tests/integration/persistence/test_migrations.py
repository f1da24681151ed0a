"""Migrations: forward, back, all or nothing, one starter at a time, and wrong files explained."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.errors import DatabaseError
from server.ids import SessionName
from server.persistence import documents, migrations, restore_points
from server.persistence.migration_files import in_transaction
from server.persistence.migrations import (
    LOCK_KEY,
    Migration,
    Status,
    migrate,
    read_migrations,
    rollback,
    status,
)
from server.persistence.types import Connection
from tests.support.journal import Writer, rows
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

Connect = Callable[[], Awaitable[Connection]]

TABLES = """
select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
"""
STEPS = [
    Migration(1, "one", "create table one (x int)", "drop table one"),
    Migration(2, "two", "create table two (x int); insert into two values (2)", "drop table two"),
    Migration(3, "three", "create table three (x int)", "drop table three"),
]


@pytest_asyncio.fixture
async def connect(postgres: PostgresInstance) -> AsyncIterator[Connect]:
    """Opens connections to one database without a schema."""
    url = await postgres.create_empty_database()
    opened: list[Connection] = []

    async def open_one() -> Connection:
        opened.append(await asyncpg.connect(url))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.terminate()


@pytest_asyncio.fixture
async def empty(connect: Connect) -> Connection:
    """A connection to a database without a schema."""
    return await connect()


async def tables(connection: Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(TABLES)} - {"schema_migrations"}


async def versions(connection: Connection) -> list[int]:
    return [row.version for row in await status(connection, STEPS) if row.applied]


def one_line(error: pytest.ExceptionInfo[DatabaseError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


async def test_forward_back_and_forward(empty: Connection) -> None:
    """The real schema comes, goes without a trace, and comes again; it takes documents then."""
    known = read_migrations()
    assert (await migrate(empty, known)).done == known
    made = await tables(empty)
    assert (await migrate(empty, known)).done == []
    for _ in range(2):
        stored = await documents.load(empty, SessionName("a"))
        writer = await Writer.register(empty)
        assert await writer.append((stored.document_id, b"x")) == {stored.document_id: 1}
        assert await rows(empty, stored.document_id) == [(1, b"x")]
        assert (await rollback(empty, known, 0)).done == known[::-1]
        assert await tables(empty) == set()
        assert (await migrate(empty, known)).done == known
        assert await tables(empty) == made


async def test_back_to_a_version(empty: Connection) -> None:
    """Going back undoes what is above a version, newest first, and nothing else."""
    await migrate(empty, STEPS)
    assert (await rollback(empty, STEPS, 3)).done == []
    assert (await rollback(empty, STEPS, 1)).done == [STEPS[2], STEPS[1]]
    assert await tables(empty) == {"one"}
    assert await versions(empty) == [1]
    assert (await migrate(empty, STEPS)).done == STEPS[1:]
    assert await empty.fetchval("select x from two") == 2


@pytest.mark.parametrize("failing", ["select 1 / 0", "drop table schema_migrations"])
async def test_failure_leaves_the_version_before(empty: Connection, failing: str) -> None:
    """A migration that fails, or can't be recorded, is undone as a whole; those before it stay."""
    broken = [STEPS[0], STEPS[1]._replace(up=f"create table two (x int); {failing}"), STEPS[2]]
    with pytest.raises(DatabaseError, match="migration 0002_two fails: ") as error:
        await migrate(empty, broken)
    one_line(error)
    assert await tables(empty) == {"one"}
    assert await versions(empty) == [1]
    assert (await migrate(empty, STEPS)).done == STEPS[1:]


async def test_failing_way_back(empty: Connection) -> None:
    """A way back that fails leaves its migration applied, with all that it made."""
    await migrate(empty, STEPS)
    broken = [STEPS[0], STEPS[1]._replace(down="drop table two; select 1 / 0"), STEPS[2]]
    with pytest.raises(DatabaseError, match=r"migration 0002_two fails: .*division by zero"):
        await rollback(empty, broken, 0)
    assert await tables(empty) == {"one", "two"}
    assert await versions(empty) == [1, 2]


async def test_who_may_not_change_the_schema(empty: Connection) -> None:
    """A user without the right to make tables is told so in one line."""
    await empty.execute(
        "drop role if exists powerless; create role powerless;"
        "revoke create on schema public from public; set role powerless"
    )
    with pytest.raises(DatabaseError, match=r"can't be changed: .*permission denied") as error:
        await migrate(empty, STEPS)
    one_line(error)


async def test_many_start_at_once(connect: Connect) -> None:
    """Of many that start at once one migrates and the others find it done."""
    connections = [await connect() for _ in range(5)]
    done = await asyncio.gather(*(migrate(connection, STEPS) for connection in connections))
    assert sorted(len(outcome.done) for outcome in done) == [0, 0, 0, 0, 3]
    assert await versions(connections[0]) == [1, 2, 3]


async def test_waits_for_another(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for another's migration says so, and goes on when the other's connection ends."""
    monkeypatch.setattr(migrations, "LOCK_POLL", 0.5)
    other, ours = await connect(), await connect()
    await other.execute("select pg_advisory_lock($1)", LOCK_KEY)
    with capture_logs() as logs:
        waiting = asyncio.create_task(migrate(ours, STEPS))
        await eventually(lambda: [entry for entry in logs if "waiting for" in entry["event"]])
    assert await tables(other) == set()
    other.terminate()
    assert (await waiting).done == STEPS


async def test_connection_lost_midway(connect: Connect) -> None:
    """A starter whose connection is cut while it migrates frees the way for the next one."""
    lost, next_one = await connect(), await connect()
    suicide = "create table two (x int); select pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(DatabaseError, match="migration 0002_two fails") as error:
        await migrate(lost, [STEPS[0], STEPS[1]._replace(up=suicide)])
    one_line(error)
    assert await tables(next_one) == {"one"}
    assert (await migrate(next_one, STEPS)).done == STEPS[1:]


async def test_changed_file(empty: Connection) -> None:
    """A file that was changed after it was applied is named, whatever is asked for."""
    await migrate(empty, STEPS[:2])
    changed = [STEPS[0], STEPS[1]._replace(up="create table two (y int)"), STEPS[2]]
    for work in (migrate(empty, changed), rollback(empty, changed, 0), status(empty, changed)):
        with pytest.raises(DatabaseError, match="0002_two was changed after") as error:
            await work
        assert "restore the file" in one_line(error)
    assert await tables(empty) == {"one", "two"}
    assert (await migrate(empty, STEPS)).done == STEPS[2:]  # nobody holds the lock any more


async def test_changed_way_back_is_allowed(empty: Connection) -> None:
    """A way back may be mended after it was applied."""
    await migrate(empty, STEPS)
    mended = [*STEPS[:2], STEPS[2]._replace(down="drop table if exists three")]
    assert (await rollback(empty, mended, 2)).done == [mended[2]]


async def test_newer_database(empty: Connection) -> None:
    """A database that is ahead of the program is left alone, with a word on what to do."""
    await migrate(empty, STEPS)
    for work in (migrate(empty, STEPS[:2]), rollback(empty, STEPS[:2], 0), status(empty, [])):
        with pytest.raises(DatabaseError, match="the database is at version 3") as error:
            await work
        assert "start a newer program" in one_line(error)
    assert await tables(empty) == {"one", "two", "three"}


async def test_newer_database_that_serves(empty: Connection) -> None:
    """A program starts on a newer database whose migrations serve it, and leaves it as it is; an
    older one than they serve, and a way back that it does not know, are refused."""
    serving = "-- why\n-- serves programs from 0002 on\n" + STEPS[2].up
    await migrate(empty, [*STEPS[:2], STEPS[2]._replace(up=serving)])
    with capture_logs() as logs:
        assert (await migrate(empty, STEPS[:2])).done == []
    assert [(entry["version"], entry["known"]) for entry in logs] == [(3, 2)]
    assert await status(empty, STEPS[:2]) == [
        Status(1, "one", True),
        Status(2, "two", True),
        Status(3, "three", True, known=False),
    ]
    with pytest.raises(DatabaseError, match="with the newer one"):
        await rollback(empty, STEPS[:2], 1)
    with pytest.raises(DatabaseError, match="start a newer program"):
        await migrate(empty, STEPS[:1])
    assert await tables(empty) == {"one", "two", "three"}


async def test_ledger_of_before(empty: Connection) -> None:
    """A ledger that does not say yet whom a migration serves can be read, and is renewed."""
    await migrate(empty, STEPS[:2])
    await empty.execute("alter table schema_migrations drop column serves")
    assert await versions(empty) == [1, 2]
    with pytest.raises(DatabaseError, match="start a newer program"):
        await migrate(empty, STEPS[:1])
    assert (await migrate(empty, STEPS)).done == STEPS[2:]


async def test_forward_to_a_version(empty: Connection) -> None:
    """Going forward stops where it is asked to, and never goes back."""
    assert (await migrate(empty, STEPS, 1)).done == STEPS[:1]
    assert (await migrate(empty, STEPS, 2)).done == STEPS[1:2]
    assert (await migrate(empty, STEPS, 2)).done == []
    for wrong in (1, 4):
        with pytest.raises(DatabaseError, match=f"version {wrong} can't be migrated to") as error:
            await migrate(empty, STEPS, wrong)
        assert "database is at 2, and this program knows 3" in one_line(error)
    assert await versions(empty) == [1, 2]


async def test_restore_point(empty: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the schema of a database with rows changes, either way, a point to restore to is made
    and named; who may make none, or has no archive, is told what it takes. Without rows none is."""
    archived = restore_points.FACTS.replace("current_setting('archive_mode')", "'on'")
    outcome = await migrate(empty, STEPS, 1)
    assert (outcome.before, outcome.restore_point) == (0, None)
    assert (await migrate(empty, STEPS, 2)).restore_point is None
    point = (await migrate(empty, STEPS, 3)).restore_point
    assert point is not None
    assert point.name.startswith("lyceum_0002_20")
    assert "/" in point.lsn
    assert point.note.startswith("archive_mode is off")
    monkeypatch.setattr(restore_points, "FACTS", archived)
    point = (await rollback(empty, STEPS, 2)).restore_point
    assert point is not None
    assert (point.name[:12], point.note) == ("lyceum_0003_", "")
    minimal = archived.replace("current_setting('wal_level')", "'minimal'")
    monkeypatch.setattr(restore_points, "FACTS", minimal)
    point = await restore_points.make(empty, 2)
    assert (point.name, point.note) == ("", "wal_level is minimal; set it to replica")
    async with empty.transaction():
        await empty.execute("create role ordinary; set local role ordinary")
        assert "grant execute" in (await restore_points.make(empty, 2)).note
        await empty.execute("reset role; drop role ordinary")


async def test_other_migration_in_its_place(empty: Connection) -> None:
    """Two programs that number their migrations alike are told apart."""
    await migrate(empty, STEPS[:2])
    with pytest.raises(DatabaseError, match="has migration 0002_two") as error:
        await migrate(empty, [STEPS[0], STEPS[1]._replace(name="zwei")])
    assert "0002_zwei in its place" in one_line(error)


async def test_old_postgres(empty: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Postgres below the minimum is refused before anything is changed."""
    monkeypatch.setattr(migrations, "MINIMUM_VERSION", 99)
    with pytest.raises(DatabaseError, match=r"PostgreSQL \d\d is too old; 99 or newer") as error:
        await migrate(empty, STEPS)
    one_line(error)
    assert not await empty.fetchval(migrations.LEDGER_EXISTS)


async def test_status_changes_nothing(empty: Connection) -> None:
    """Asking for the status of a database that has no schema lists all and makes no ledger."""
    assert [(row.version, row.name, row.applied) for row in await status(empty, STEPS[:2])] == [
        (1, "one", False),
        (2, "two", False),
    ]
    assert (await rollback(empty, STEPS, 0)).done == []
    assert not await empty.fetchval(migrations.LEDGER_EXISTS)
    await migrate(empty, STEPS[:1])
    assert [row.applied for row in await status(empty, STEPS)] == [True, False, False]


def test_own_migrations() -> None:
    """The migrations that Lyceum comes with are complete, and have ways back."""
    known = read_migrations()
    assert known
    assert known[0].name == "journal"
    assert all(migration.up.strip() and migration.down.strip() for migration in known)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (
            ["0001_a.up.sql"],
            "0001_a.up.sql: a migration is NNNN_name.up.sql and NNNN_name.down.sql",
        ),
        (["1_a.up.sql", "1_a.down.sql"], "1_a.up.sql: a migration is"),
        (["0001.up.sql", "0001.down.sql"], "0001.up.sql: a migration is"),
        (["0002_a.up.sql", "0002_a.down.sql"], "must be numbered 1, 2, 3, …; found [2]"),
        (
            ["0001_a.up.sql", "0001_a.down.sql", "0003_c.up.sql", "0003_c.down.sql"],
            "must be numbered 1, 2, 3, …; found [1, 3]",
        ),
        (
            ["0001_a.up.sql", "0001_a.down.sql", "0001_b.up.sql", "0001_b.down.sql"],
            "must be numbered 1, 2, 3, …; found [1, 1]",
        ),
    ],
)
def test_wrong_files(tmp_path: Path, names: list[str], complaint: str) -> None:
    """A file without a way back, a wrong name, a gap, a number given twice: named in one line."""
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(DatabaseError, match=re.escape(complaint)) as error:
        read_migrations(tmp_path)
    assert str(tmp_path) in one_line(error)


@pytest.mark.parametrize(
    ("up", "complaint"),
    [
        ("create table a (); commit", "0001_a.up.sql: a migration is a transaction already"),
        (
            "create index concurrently if not exists a on b (c)",
            "0001_a.up.sql: concurrently needs the first line `-- no transaction`",
        ),
        ("-- no transaction\ncreate index concurrently a on b (c)", "a needs `if [not] exists`"),
        ("-- serves programs from 0001 on\nselect 1", "can only serve programs older than it"),
        ("-- released with 0002\nselect 1", "can't be of a release that begins after it"),
    ],
)
def test_wrong_sql(tmp_path: Path, up: str, complaint: str) -> None:
    """What could not be run, or not be repeated, is refused before anything is."""
    (tmp_path / "0001_a.up.sql").write_text(up)
    (tmp_path / "0001_a.down.sql").write_text(
        "-- no transaction\ndrop index concurrently if exists a"
    )
    with pytest.raises(DatabaseError, match=re.escape(complaint)):
        read_migrations(tmp_path)


def test_what_files_say_of_themselves(tmp_path: Path) -> None:
    """The comments that a file begins with say how it runs and whom it serves; later ones don't."""
    for version in (1, 2, 3):
        (tmp_path / f"000{version}_a.down.sql").write_text("select 1")
    (tmp_path / "0001_a.up.sql").write_text("select 1;\n-- no transaction\n")
    (tmp_path / "0002_a.up.sql").write_text("-- why\n\n-- serves programs from 0001 on\nselect 1")
    (tmp_path / "0003_a.up.sql").write_text(
        "-- no transaction\ncreate index concurrently if not exists a on b (c); select 1"
    )
    known = read_migrations(tmp_path)
    assert [in_transaction(migration.up) for migration in known] == [True, True, False]
    assert [migration.serves for migration in known] == [None, 1, None]
