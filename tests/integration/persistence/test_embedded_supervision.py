"""The embedded Postgres under what is rare: slow and failed starts, long lives, hard stops."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.errors import DatabaseError
from server.persistence import embedded, postmaster
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.postmaster_log import PostmasterLog
from tests.support.postgres import FAST
from tests.support.waiting import eventually


async def until_logged(logs: list, event: str) -> dict:
    """The first log entry of a kind."""
    return (await eventually(lambda: [entry for entry in logs if entry["event"] == event]))[0]


@pytest_asyncio.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A running one of the test's own."""
    postgres = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    await postgres.start()
    yield postgres
    await postgres.stop()


def kill(postgres: EmbeddedPostgres) -> None:
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)


async def usable(postgres: EmbeddedPostgres) -> bool:
    connection = await asyncpg.connect(postgres.url)
    await connection.close()
    return True


async def test_started_once(tmp_path: Path) -> None:
    """There is no url before a start, and no second start."""
    postgres = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    with pytest.raises(DatabaseError, match="has not been started"):
        _ = postgres.url
    await postgres.start()
    with pytest.raises(DatabaseError, match="is already started"):
        await postgres.start()
    assert await usable(postgres)
    await postgres.stop()


async def test_user_who_may_not_log_in(tmp_path: Path) -> None:
    """A database that starts but does not take us: its reason, and it is stopped again."""
    postgres = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    await postgres.start()
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("alter role lyceum nologin")
    connection.terminate()
    await postgres.stop()
    with pytest.raises(DatabaseError, match=r"can't be used: .* not permitted to log in"):
        await postgres.start()
    assert postgres.pid is None


async def test_slow_start_is_told(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Postgres starts or recovers its progress is logged."""
    monkeypatch.setattr(embedded, "PROGRESS_SECONDS", 0.0)
    with capture_logs() as logs:
        kill(postgres)
        assert (await until_logged(logs, "postgres is starting"))["state"] in (
            "starting",
            "recovering",
        )
        await until_logged(logs, "postgres started")
    assert await usable(postgres)


def test_state_and_reason(tmp_path: Path) -> None:
    """Its log tells that Postgres recovers, and why it ended; where it says nothing, the file."""
    path = tmp_path / "log"
    log = PostmasterLog(path)
    os.close(log.open())
    assert log.state() == "starting"
    assert log.reason() == f"see {path}"
    path.write_text("LOG: automatic recovery in progress\nLOG: more\nFATAL:  out of luck\n")
    assert log.state() == "recovering"
    assert log.reason() == "FATAL: out of luck"


async def test_restart_that_fails_is_tried_again(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """A Postgres that does not come back is tried for as long as it takes; why is logged."""
    settings = tmp_path / "data/postgres/postgresql.conf"
    right = settings.read_text()
    settings.write_text("nonsense = 1\n")
    with capture_logs() as logs:
        kill(postgres)
        entry = await until_logged(logs, "postgres does not start")
        assert "configuration file" in entry["reason"]
        settings.write_text(right)
        await eventually(lambda: usable(postgres))


async def test_back_off_starts_again(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Postgres that lived for long is restarted as soon as the first time."""
    monkeypatch.setattr(embedded, "STEADY_SECONDS", 0.0)
    with capture_logs() as logs:
        for count in (1, 2, 3):
            await eventually(lambda: usable(postgres))
            kill(postgres)
            await eventually(
                lambda count=count: [e["event"] for e in logs].count("postgres started") == count
            )
    pauses = [e["restart_seconds"] for e in logs if e["event"] == "postgres died"]
    assert pauses == [embedded.BACK_OFF[0]] * 3


async def test_log_is_bounded_while_it_runs(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that grows too long under a running Postgres is set aside."""
    monkeypatch.setattr(embedded, "LOG_CHECK_SECONDS", 0.01)
    kill(postgres)  # from here on it looks as often as that
    await eventually(lambda: usable(postgres))
    with (tmp_path / "data/postgres.log").open("ab") as file:
        file.truncate(11 * 2**20)
    await eventually((tmp_path / "data/postgres.log.1").exists)
    await eventually(lambda: (tmp_path / "data/postgres.log").stat().st_size < 2**20)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_shutdown_is_escalated(monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    """What does not follow the fast signal, or is not waited for any more, gets the next one."""
    monkeypatch.setattr(postmaster, "FAST_SECONDS", 60.0 if cancelled else 0.1)
    process = subprocess.Popen(  # noqa: ASYNC220 - starts at once
        ["sh", "-c", "trap '' INT; echo ready; exec sleep 60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    stopping = asyncio.create_task(postmaster.shut_down(process))
    await asyncio.sleep(0)  # it has asked
    assert not stopping.done()
    if cancelled:
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
    else:
        await stopping
    assert await asyncio.to_thread(process.wait, 10) == -signal.SIGQUIT
    process.stdout.close()


async def test_leftover_is_waited_for(tmp_path: Path) -> None:
    """A leftover postmaster is asked to stop and waited for, however often one has to look."""
    code = (
        "import signal, time; signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.3), exit()));"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 - starts at once
        ["postgres", "-c", code], executable=sys.executable, cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    (tmp_path / "postmaster.pid").write_text(f"{process.pid}\n")
    await postmaster.end_leftover(tmp_path, tmp_path)
    assert await asyncio.to_thread(process.wait, 10) == 0
    process.stdout.close()
