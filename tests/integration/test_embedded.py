"""The embedded Postgres, with real processes: what holds when things are killed."""

# ruff: noqa: ASYNC220, ASYNC240 - nothing else waits for a test's event loop

import asyncio
import os
import signal
import stat
import subprocess
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from server.errors import DatabaseError
from server.persistence import postmaster
from server.persistence.embedded import EmbeddedPostgres
from tests.support.embedded import (
    FAST,
    ROOT,
    answers,
    ask,
    children,
    debian,
    gone,
    kill,
    one_line,
    printed_pid,
    server_process,
    started,
    until,
)


@pytest.fixture(params=["bundled", "debian"])
def binaries(request: pytest.FixtureRequest) -> Path | None:
    return debian() if request.param == "debian" else None


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_first_start_makes_a_private_database(data: Path, binaries: Path | None) -> None:
    """From nothing: UTF-8, checksums, no network, a password only we can read."""
    async with started(data, binaries) as postgres:
        url = postgres.url
        assert await ask(url, "select current_database() || ' ' || current_user") == "lyceum lyceum"
        assert await ask(url, "show server_encoding") == "UTF8"
        assert await ask(url, "show data_checksums") == "on"
        assert await ask(url, "show listen_addresses") == ""
        assert await ask(url, "select lower('ÉCOLE')") == "école"
        # what full-text search lowers by is asked of the C library, whatever the provider
        assert await ask(url, "select to_tsvector('simple', 'ÉCOLE')::text") == "'école':1"
        assert await ask(url, "show synchronous_commit") == "on"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "postgres-password").stat().st_mode) == 0o600


async def test_psql_opens_the_url(data: Path) -> None:
    """The url is one for psql too, also where PG… variables name another server."""
    async with started(data) as postgres:
        done = await asyncio.to_thread(
            subprocess.run,
            [debian() / "psql", postgres.url, "-Atc", "select 6 * 7"],
            env={
                "PGPORT": "6432",
                "PGHOST": "elsewhere",
                "PGUSER": "x",
                "PATH": os.environ["PATH"],
            },
            capture_output=True,
            text=True,
        )
    assert (done.stdout, done.stderr) == ("42\n", "")


async def test_restart_keeps_data(data: Path, binaries: Path | None) -> None:
    """What was committed before a stop is there after the next start, at the same url."""
    async with started(data, binaries) as postgres:
        url = postgres.url
        await ask(url, "create table kept as select 7 as answer")
    async with started(data, binaries) as postgres:
        assert postgres.url == url
        assert await ask(url, "select answer from kept") == 7


async def test_killed_postmaster_comes_back(data: Path, binaries: Path | None) -> None:
    """After a SIGKILL of the postmaster connections work again, with what was committed."""
    async with started(data, binaries) as postgres:
        await ask(postgres.url, "create table kept as select 7 as answer")
        for _ in range(2):
            killed = postgres.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await until(lambda killed=killed: postgres.pid not in (None, killed))
            await until(lambda: answers(postgres.url))
            assert await ask(postgres.url, "select answer from kept") == 7


async def test_waits_for_sessions_of_a_killed_postmaster(data: Path) -> None:
    """A session that outlives its postmaster delays the restart and does not prevent it."""
    async with started(data) as postgres:
        connection = await asyncpg.connect(postgres.url)
        backend = connection.get_server_pid()
        killed = postgres.pid
        assert killed is not None
        os.kill(backend, signal.SIGSTOP)
        try:
            with capture_logs() as logs:
                os.kill(killed, signal.SIGKILL)
                await until(
                    lambda: [entry for entry in logs if "waiting for sessions" in entry["event"]]
                )
        finally:
            os.kill(backend, signal.SIGCONT)
        await until(lambda: answers(postgres.url))
        connection.terminate()


async def test_killed_server_leaves_no_postgres(data: Path) -> None:
    """When our process is SIGKILLed Postgres ends by itself, and a new start has all data."""
    process = server_process(data)
    try:
        orphan = await asyncio.to_thread(printed_pid, process)
        url = EmbeddedPostgres.running_url(data)
        assert url is not None
        await ask(url, "create table kept as select 7 as answer")
    finally:
        kill(process)
    await until(lambda: gone(orphan))
    async with started(data) as postgres:
        assert await ask(postgres.url, "select answer from kept") == 7


async def test_stops_the_postgres_of_a_killed_server(data: Path) -> None:
    """A postmaster that still lives when the next server starts is stopped, then replaced."""
    process = server_process(data)
    try:
        orphan = await asyncio.to_thread(printed_pid, process)
        os.kill(orphan, signal.SIGSTOP)  # it can't follow the signal of our death yet
    finally:
        kill(process)
    postgres = EmbeddedPostgres(data, settings=FAST)
    with capture_logs() as logs:
        start = asyncio.create_task(postgres.start())
        try:
            await until(
                lambda: [entry for entry in logs if entry["event"].startswith("stopping the")]
            )
            assert not start.done()
            assert not gone(orphan)
        finally:
            os.kill(orphan, signal.SIGCONT)
        await start
    assert gone(orphan)
    assert await answers(postgres.url)
    await postgres.stop()


async def test_killed_during_initdb(data: Path) -> None:
    """A start that was killed while it made the cluster leaves nothing in the next one's way."""
    process = server_process(data, fsync="on")
    try:
        await until(lambda: list(data.glob("postgres-initdb-*/new/base")))
    finally:
        kill(process)
    assert not (data / "postgres").exists()
    async with started(data) as postgres:
        assert await answers(postgres.url)
        assert not list(data.glob("postgres-initdb-*"))


@pytest.mark.parametrize("content", ["", "{pid}\n{data}\n1\n5432\n\n\n0 0\nready   \n"])
async def test_stale_pid_file_does_not_hinder(data: Path, content: str) -> None:
    """A postmaster.pid that is empty, or names a process that came later, is cleared away."""
    async with started(data):
        pass
    owner = (data / "postgres").stat()
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid if ROOT else None)
    try:
        pid_file = data / "postgres" / "postmaster.pid"
        pid_file.write_text(content.format(pid=stranger.pid, data=data / "postgres"))
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        async with started(data) as postgres:
            assert await answers(postgres.url)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_running_url(data: Path) -> None:
    """Commands find the database of a running server, and only of a running one."""
    assert EmbeddedPostgres.running_url(data) is None
    async with started(data) as postgres:
        assert EmbeddedPostgres.running_url(data) == postgres.url
    assert EmbeddedPostgres.running_url(data) is None


async def test_stop_is_idempotent(data: Path) -> None:
    """stop may come before a start, twice, and before another start."""
    postgres = EmbeddedPostgres(data, settings=FAST)
    await postgres.stop()
    await postgres.start()
    pid = postgres.pid
    assert pid is not None
    await asyncio.gather(postgres.stop(), postgres.stop())
    assert gone(pid)
    assert postgres.pid is None
    await postgres.stop()
    await postgres.start()
    assert await answers(postgres.url)
    await postgres.stop()


async def test_failed_start_leaves_nothing(data: Path) -> None:
    """A start that fails tells Postgres's own reason, and the directory is free again."""
    with pytest.raises(DatabaseError, match='"shared_buffers": "much"') as error:
        await EmbeddedPostgres(data, settings={**FAST, "shared_buffers": "much"}).start()
    one_line(error)
    async with started(data) as postgres:
        assert await answers(postgres.url)


@pytest.mark.parametrize("moment", ["postgres-initdb-*/new/base", "postgres/postmaster.pid"])
async def test_cancelled_start_leaves_nothing(data: Path, moment: str) -> None:
    """A start that is cancelled leaves no process, no half-made cluster and no lock."""
    before = children()
    start = asyncio.create_task(EmbeddedPostgres(data, settings=FAST).start())
    await until(lambda: list(data.glob(moment)))
    assert children() > before
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert children() == before
    assert not list(data.glob("postgres-initdb-*"))
    assert not (data / "postgres/postmaster.pid").exists()
    async with started(data) as postgres:
        assert await answers(postgres.url)


async def test_terminal_signals_do_not_reach_postgres(data: Path) -> None:
    """Postgres has its own session, so that Ctrl-C stops only the server, which then saves."""
    async with started(data) as postgres:
        assert postgres.pid is not None
        assert os.getsid(postgres.pid) == postgres.pid


async def test_log_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has grown too long is set aside, and Postgres goes on writing a new one."""
    async with started(data):
        pass
    with (data / "postgres.log").open("ab") as file:
        file.truncate(11 * 2**20)
    async with started(data):
        assert (data / "postgres.log.1").stat().st_size == 11 * 2**20
        assert 0 < (data / "postgres.log").stat().st_size < 2**20


async def test_shutdown_that_hangs_is_escalated(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A postmaster that does not follow any signal is killed in the end."""
    monkeypatch.setattr(postmaster, "FAST_SECONDS", 0.2)
    monkeypatch.setattr(postmaster, "IMMEDIATE_SECONDS", 0.2)
    postgres = EmbeddedPostgres(data, settings=FAST)
    await postgres.start()
    pid = postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await postgres.stop()
    assert gone(pid)
