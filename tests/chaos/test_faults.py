"""The database is away, slow, full, or loses connections in COMMIT: editing goes on, all is saved.

Each fault happens under typing. At the end everything that anybody typed is with everybody and in
the database, once, and who can know that it is saved knows it (`Typists.check`).
"""

import asyncio
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from server.persistence.types import Connection
from tests.chaos.disks import can_mount, fill, small_disk
from tests.chaos.typists import KINDS, Typists
from tests.chaos.victims import Victim
from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

MIB = 2**20
AWAY_SECONDS = 20.0
CUTS = 30
WRITERS = "select id from journal_writers where writes = 'journal'"
EVERYBODY = [(kind, "lesson") for kind in KINDS]


async def not_ready(server: Victim, *, why: str) -> bool:
    """Whether /readyz answers 503 with such a reason."""
    status, body = await server.get("/readyz")
    assert why in body, body
    return status == 503


async def test_postgres_stopped_for_20_seconds(tmp_path: Path, driver: Driver) -> None:
    """Meanwhile clients see each other's edits, nothing is acknowledged, memory stays bounded."""
    async with Victim(tmp_path) as victim:
        url = await victim.database_url()
        typists = await Typists.start(driver, victim.ws, EVERYBODY)
        await typists.until_acknowledged(20)
        victim.signal_postgres(signal.SIGSTOP)
        began = time.monotonic()
        try:
            await eventually(lambda: not_ready(victim, why="the database does not save"), 20)
            acknowledged = await typists.acknowledged()
            memory = victim.rss
            for client in typists.clients:
                await typists.until_seen_by_all(client, f"still here, says {client.name}\n")
            await asyncio.sleep(began + AWAY_SECONDS - time.monotonic())
            assert await typists.acknowledged() == acknowledged
            assert await victim.metric("lyceum_journal_queue_bytes") > 0
            assert victim.rss < memory + 50 * MIB
        finally:
            victim.signal_postgres(signal.SIGCONT)
        await eventually(lambda: victim.status("/readyz"), 30, "readiness")
        await typists.more_acknowledged()
        await typists.check(url)
        assert await victim.metric("lyceum_journal_queue_bytes") == 0


async def test_connections_cut_in_commit(
    victim: Victim, proxy: Proxy, driver: Driver, connection: Connection
) -> None:
    """A commit whose outcome is unknown is repeated or recognised: each line is written once."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY, burst=2)
    await typists.until_acknowledged(10)
    writer = (
        await connection.fetchval("select id from journal_writers where writes = 'journal'")
    ).bytes
    rng = random.Random(7)
    for _ in range(CUTS):
        kind = rng.choice(("lost request", "lost answer", "part of the answer", "cut"))
        if kind == "cut":
            await asyncio.sleep(rng.uniform(0, 0.1))
            proxy.cut()
        else:
            if kind == "lost request":
                trap = proxy.cut_request(writer)
            elif kind == "lost answer":
                trap = proxy.lose_answer(writer)
            else:
                trap = proxy.cut_after(rng.randint(1, 200))
            await trap.sprung()
        await typists.more_acknowledged(2)
    documents = await typists.check(await victim.database_url())
    lesson = documents["lesson"]
    assert [row.seq for row in lesson.updates] == list(range(1, lesson.last_seq + 1))
    lesson.check_written_once()
    assert len(victim.logs("saving fails; edits are kept and tried again")) > CUTS / 2
    assert len(await connection.fetch(WRITERS)) == 1


@pytest.mark.parametrize(
    ("patience", "reason"), [(1.0, "TimeoutError"), (60.0, "LockNotAvailable")], ids=["we", "it"]
)
async def test_a_lock_held_too_long(
    victim: Victim, driver: Driver, connection: Connection, patience: float, reason: str
) -> None:
    """Somebody locks a document's row until we, or Postgres, give up; all is saved afterwards."""
    victim.constants = {"server.sessions.saver.COMMIT_TIMEOUT": patience}
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY, pause=0.05)
    await typists.until_acknowledged(10)
    async with connection.transaction():
        await connection.execute("select from documents where name = 'lesson' for update")
        await eventually(lambda: not_ready(victim, why=reason), 20, reason)
        await typists.until_seen_by_all(typists.clients[0], "nobody waits for the lock\n")
    documents = await typists.check(await victim.database_url())
    documents["lesson"].check_written_once()
    await eventually(lambda: victim.status("/readyz"))


async def test_statements_cancelled(victim: Victim, driver: Driver, connection: Connection) -> None:
    """Postgres cancels statements again and again, as a time-out does; lines are written once."""
    await connection.execute("""
        create function slowly() returns trigger language plpgsql
        as 'begin perform pg_sleep(0.02); return new; end';
        create trigger slowly before insert on document_updates
        for each row execute function slowly();
    """)
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY, pause=0.05)
    await typists.until_acknowledged(10)
    cancelled = 0
    while cancelled < 6:
        cancelled += await connection.fetchval("""
            select count(pg_cancel_backend(pid))
            from pg_stat_activity
            where state = 'active' and query like '%update journal_writers%'
                and pid <> pg_backend_pid()
        """)
        await asyncio.sleep(0.01)
    assert victim.logs("saving fails; edits are kept and tried again")
    documents = await typists.check(await victim.database_url())
    documents["lesson"].check_written_once()


async def test_postgres_refuses_for_want_of_space(
    victim: Victim, driver: Driver, connection: Connection
) -> None:
    """The server keeps what Postgres has no space for, says why, and saves it later."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY)
    await typists.until_acknowledged(10)
    await connection.execute("""
        create function refuse() returns trigger language plpgsql
        as 'begin raise exception ''No space left on device'' using errcode = ''disk_full''; end';
        create trigger refuse before insert on document_updates
        for each row execute function refuse();
    """)
    await eventually(lambda: not_ready(victim, why="DiskFullError: No space left on device"))
    acknowledged = await typists.acknowledged()
    await typists.until_seen_by_all(typists.clients[3], "no space, but we go on\n")
    assert await typists.acknowledged() == acknowledged
    await connection.execute("drop function refuse cascade")
    await eventually(lambda: victim.status("/readyz"))
    documents = await typists.check(await victim.database_url())
    documents["lesson"].check_written_once()


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
@pytest.mark.parametrize("mounted", [True] if can_mount() else [])
async def test_the_disk_is_full(
    tmp_path: Path, driver: Driver, mounted: bool, killed: bool
) -> None:
    """No byte is free for journal, log and Postgres, which may even die: all is saved later."""
    with small_disk(tmp_path / "disk", 160) as disk:
        async with Victim(disk) as victim:
            url = await victim.database_url()
            typists = await Typists.start(driver, victim.ws, EVERYBODY, pause=0.05)
            await typists.until_acknowledged(10)
            ballast = fill(disk)
            try:
                typist = typists.clients[0]
                reason = "the database does not save"
                for number in range(1_000):
                    await typist.insert(f"{number:09}\n" * 10_000, 0)
                    if not await victim.status("/readyz"):
                        break
                await eventually(lambda: not_ready(victim, why=reason))
                if killed:
                    victim.kill_postgres()
                await typists.until_seen_by_all(typist, "no space, but we go on\n")
                assert victim.returncode is None
            finally:
                ballast.unlink()
            await eventually(lambda: victim.status("/readyz"), 30, "readiness")
            await typists.more_acknowledged()
            await typists.check(url)


async def test_the_log_takes_nothing(victim: Victim, proxy: Proxy, driver: Driver) -> None:
    """A log that can't be written, as on a full disk, ends neither the server nor the saving."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY)
    await typists.until_acknowledged(10)
    size = victim.log_path.stat().st_size
    resource.prlimit(victim.pid, resource.RLIMIT_FSIZE, (size, size))
    proxy.shut()
    await eventually(lambda: not_ready(victim, why="the database does not save"))
    await proxy.open()
    await eventually(lambda: victim.status("/readyz"))
    await typists.more_acknowledged()
    await typists.check(await victim.database_url())
    assert victim.log_path.stat().st_size == size
    assert await victim.stop() == 0


async def test_the_queue_is_full(victim: Victim, proxy: Proxy, driver: Driver) -> None:
    """Past the bound of what waits to be saved writers are sent away; they bring it back later."""
    bound = 20_000
    victim.settings = {"LYCEUM_LIMIT_JOURNAL_QUEUE_BYTES": str(bound)}
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY, burst=20)
    await typists.until_acknowledged(10)
    proxy.stall()
    closes = await asyncio.gather(*(client.wait_closed(timeout=60) for client in typists.clients))
    assert 1013 in {close.code for close in closes}  # some may only see their next try refused
    assert {close.code for close in closes} <= {1013, 1006}
    acknowledged = await typists.acknowledged()
    tried = [(await client.info())["sockets_opened"] for client in typists.clients]
    for client, before in zip(typists.clients, tried, strict=True):
        await eventually(lambda: opened(client, before + 3), 15, f"{client.name} tries again")  # noqa: B023
    assert bound < await victim.metric("lyceum_journal_queue_bytes") < 2 * bound
    assert await typists.acknowledged() == acknowledged
    proxy.resume()
    await typists.more_acknowledged()
    await typists.check(await victim.database_url())


async def opened(client: Client, sockets: int) -> bool:
    """Whether a client has tried to connect so often."""
    return int((await client.info())["sockets_opened"]) >= sockets
