"""Each row of the log is sealed exactly once, whoever writes, commits, seals or dies when."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server import telemetry
from server.config import Config
from server.persistence.audit import all_seals, newest_seal, try_lock
from server.persistence.audit_roots import export, exported, newest_exported
from server.persistence.database import Database, connect
from server.persistence.sealing import MOST_ROWS, Sealer, sealing_key
from server.persistence.types import Connection
from tests.support.audit import KEY, change, found, verified
from tests.support.waiting import eventually

Connect = Callable[[], Awaitable[Connection]]


@pytest_asyncio.fixture
async def open_one(database_url: str) -> AsyncIterator[Connect]:
    """Opens connections to the test's database."""
    opened: list[Connection] = []

    async def open_connection() -> Connection:
        opened.append(await connect(database_url))
        return opened[-1]

    yield open_connection
    for other in opened:
        other.terminate()


def sealer(database: Database, roots: Path | None = None) -> Sealer:
    """One that seals."""
    return Sealer(database, KEY, roots, 0.01)


async def sealed_ids(connection: Connection) -> list[int]:
    """The ids that seals name, in their order."""
    async with connection.transaction():
        seals = [seal async for seal, _ in all_seals(connection)]
    return [id for seal in seals for part in seal.ranges for id in part]


async def logged_ids(connection: Connection) -> list[int]:
    """The ids of the log."""
    return [row["id"] for row in await connection.fetch("select id from audit_log order by id")]


async def test_any_order_of_commits(
    connection: Connection, database: Database, open_one: Connect
) -> None:
    """Transactions that begin, write, commit and roll back in any order, and seals in between.

    At no moment does a row count as put in later, and in the end each is in exactly one seal.
    """
    chance = random.Random(5)
    writers = {await open_one(): False for _ in range(4)}
    sealing = sealer(database)
    for _ in range(150):
        writer = chance.choice(list(writers))
        step = chance.choice(["write", "write", "commit", "commit", "roll back", "seal", "verify"])
        if step == "write":
            if not writers[writer]:
                await writer.execute("begin")
            writers[writer] = True
            await change(writer, chance.randrange(1, 4))
        elif step in ("commit", "roll back") and writers[writer]:
            await writer.execute(step.replace("roll back", "rollback"))
            writers[writer] = False
        elif step == "seal":
            assert await sealing.once()
        else:
            assert await found(connection) == []
    for writer, busy in writers.items():
        if busy:
            await writer.execute("commit")
    assert await sealing.once()
    assert sorted(await sealed_ids(connection)) == await logged_ids(connection)
    report = await verified(connection)
    assert (report.found, report.waiting, report.rows) == (0, 0, len(await logged_ids(connection)))


async def test_a_long_transaction_holds_nobody_up(
    connection: Connection, database: Database, open_one: Connect
) -> None:
    """Rows of others are sealed meanwhile, its own once it commits; the floor stays before them."""
    await change(connection, 2)
    assert await sealer(database).once()
    writer = await open_one()
    await writer.execute("begin")
    await change(writer)
    sealing = sealer(database)
    for _ in range(3):
        await change(connection)
        assert await sealing.once()
    assert await sealed_ids(connection) == [1, 2, 4, 5, 6]
    newest = await newest_seal(connection)
    assert newest is not None
    assert newest.floor == 2
    await writer.execute("commit")
    assert await sealing.once()
    assert await sealed_ids(connection) == [1, 2, 4, 5, 6, 3]
    newest = await newest_seal(connection)
    assert newest is not None
    assert newest.floor == 6
    assert await found(connection) == []


async def test_the_floor_rises_where_transactions_overlap(
    connection: Connection, database: Database, open_one: Connect
) -> None:
    """Though at no moment everybody is done, old ids are done with sooner or later."""
    sealing = sealer(database)
    others = [await open_one(), await open_one()]
    await others[1].execute("begin")
    await change(others[1])
    for _ in range(4):
        await others[0].execute("begin")
        await change(others[0])
        await others[1].execute("commit")
        assert await sealing.once()
        others.reverse()
    newest = await newest_seal(connection)
    assert newest is not None
    assert newest.floor >= 2
    assert await found(connection) == []


async def test_one_of_many_servers_seals(connection: Connection, database: Database) -> None:
    """Servers that seal at once make one chain over all rows."""
    for _ in range(5):
        await change(connection, 7)
        assert all(await asyncio.gather(*(sealer(database).once() for _ in range(4))))
    assert await sealed_ids(connection) == list(range(1, 36))
    assert await found(connection) == []


async def test_a_database_without_key(tmp_path: Path, database: Database) -> None:
    """The log of the server says that nothing is sealed."""
    assert sealing_key(Config(data_dir=tmp_path)) is not None
    key = sealing_key(Config(database_url="postgresql://h/d", data_dir=tmp_path))
    assert key is None
    with capture_logs() as logs:
        running = asyncio.create_task(Sealer(database, key, None, 1).run())
        await eventually(lambda: logs)
    running.cancel()
    assert "LYCEUM_AUDIT_KEY_FILE" in logs[0]["event"]


async def test_a_backlog_is_sealed_in_pieces(connection: Connection, database: Database) -> None:
    """So that hashing never holds anybody up for long; the metrics follow."""
    await change(connection, 2 * MOST_ROWS + 1)
    counting = Sealer(database, None, None, 1)
    assert await counting.once()
    waiting = telemetry.audit_waiting
    assert waiting._value.get() == 2 * MOST_ROWS + 1
    assert await sealer(database).once()
    assert waiting._value.get() == 0
    assert telemetry.audit_last_success._value.get() > 1e9
    rows = await connection.fetch("select row_count, floor_id from audit_seals order by number")
    assert [tuple(row) for row in rows] == [
        (MOST_ROWS, MOST_ROWS),
        (MOST_ROWS, 2 * MOST_ROWS),
        (1, 2 * MOST_ROWS + 1),
    ]


async def test_who_comes_second_leaves_it(connection: Connection, database: Database) -> None:
    """While another server seals, and when it has just sealed all."""
    await change(connection)
    async with connection.transaction():
        assert await try_lock(connection)
        assert await sealer(database).once()
        assert await sealed_ids(connection) == []
    assert await sealer(database).once()
    assert await sealer(database)._one_seal(connection, KEY) == 0
    assert await sealed_ids(connection) == [1]


async def test_killed_at_any_moment(
    connection: Connection, database: Database, tmp_path: Path
) -> None:
    """Whenever it ends, the next one goes on: no row twice or never, every seal exported."""
    roots = tmp_path / "roots"
    chance = random.Random(7)
    for _ in range(30):
        await change(connection, 2)
        task = asyncio.create_task(sealer(database, roots).once())
        await asyncio.wait([task], timeout=chance.random() / 50)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await sealer(database, roots).once()
    assert sorted(await sealed_ids(connection)) == list(range(1, 61))
    report = await verified(connection, roots)
    assert (report.found, report.not_exported) == (0, 0)


async def test_it_runs_until_it_is_stopped(connection: Connection, database: Database) -> None:
    """By itself, and once more at the end."""
    sealing = sealer(database)
    task = asyncio.create_task(sealing.run())
    await change(connection)
    await eventually(lambda: newest_seal(connection))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await change(connection)
    await sealing.drain()
    assert await sealed_ids(connection) == [1, 2]


async def test_a_database_that_is_away(database: Database) -> None:
    """It is told once, and counted each time."""
    failures = telemetry.audit_failures._value.get()
    await database.close()
    sealing = sealer(database)
    with capture_logs() as logs:
        assert not await sealing.once()
        assert not await sealing.once()
        await sealing.drain()
    assert [entry["event"] for entry in logs] == ["sealing the audit log failed; it is tried again"]
    assert telemetry.audit_failures._value.get() == failures + 3


async def test_the_end_is_not_waited_for(
    connection: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database hangs, the server's end does not."""
    monkeypatch.setattr("server.persistence.sealing.LAST_SECONDS", 0.1)
    await change(connection)
    async with connection.transaction():
        await connection.execute("lock table audit_seals")
        with capture_logs() as logs:
            await sealer(database).drain()
    assert "the next start does it" in logs[0]["event"]


async def test_exported_seals(connection: Connection, database: Database, tmp_path: Path) -> None:
    """All of them, each once, also by many servers into one file and after a line was cut off."""
    roots = tmp_path / "roots"
    for _ in range(3):
        await change(connection)
        assert await sealer(database).once()
    assert await sealer(database, roots).once()
    assert [seal.number for seal in exported(roots)] == [1, 2, 3]
    whole = roots.read_bytes()
    roots.write_bytes(whole[:-20])
    await change(connection)
    assert all(await asyncio.gather(*(sealer(database, roots).once() for _ in range(4))))
    assert [seal.number for seal in exported(roots)] == [1, 2, 3, 4]
    assert newest_exported(roots) == await newest_seal(connection)
    assert export(roots, []) == 4
    assert (await found(connection, roots)) == []


async def test_a_restored_database_is_noticed(
    connection: Connection, database: Database, tmp_path: Path
) -> None:
    """When the file has seals that the database lacks, the log says so."""
    roots = tmp_path / "roots"
    await change(connection)
    assert await sealer(database, roots).once()
    await connection.execute(
        "alter table audit_seals disable trigger user; delete from audit_seals"
    )
    with capture_logs() as logs:
        assert await sealer(database, roots).once()
    assert any("not in the database" in entry["event"] for entry in logs)
