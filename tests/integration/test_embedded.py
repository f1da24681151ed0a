"""The embedded Postgres, with real processes: what holds when things are killed or in the way."""

# ruff: noqa: ASYNC220, ASYNC240 - nothing else waits for a test's event loop

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from server.errors import DatabaseError
from server.persistence import binaries as binaries_module
from server.persistence import postmaster
from server.persistence.binaries import bundled
from server.persistence.embedded import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
FAST = {"fsync": "off"}  # what is killed here are processes, never the machine
ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")

SERVER = """
import asyncio, sys
from pathlib import Path
from server.persistence.embedded import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": sys.argv[2]})
    await postgres.start()
    print(postgres.pid, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def debian() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.fail("these tests need Debian's Postgres: apt-get install postgresql-15")
    return found[0]


@pytest.fixture(params=["bundled", "debian"])
def binaries(request: pytest.FixtureRequest) -> Path | None:
    return debian() if request.param == "debian" else None


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache for copied binaries that every user can reach, as /var/cache is."""
    folder = Path(tempfile.mkdtemp(prefix="lyceum-test-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(binaries_module, "CACHE", folder / "lyceum")
    yield folder / "lyceum"
    shutil.rmtree(folder)


@asynccontextmanager
async def started(data: Path, binaries: Path | None = None) -> AsyncIterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(data, binaries=binaries, settings=FAST)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(holds: Callable[[], object] | Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition holds; fail when it does not within 20 seconds."""
    deadline = time.monotonic() + 20
    while True:
        answer = holds()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, "it did not come to hold within 20 seconds"
        await asyncio.sleep(0.02)


async def answers(url: str) -> bool:
    try:
        return await ask(url, "select 1") == 1
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def program_of(postgres: EmbeddedPostgres) -> Path:
    return Path(os.fsdecode(Path(f"/proc/{postgres.pid}/cmdline").read_bytes().split(b"\0")[0]))


def children() -> set[int]:
    """The pids of our child processes, zombies too."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = process.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.add(int(process.parent.name))
    return found


def server_process(data: Path, fsync: str = "off") -> subprocess.Popen[str]:
    """A whole process that runs the database; prints the postmaster's pid when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, data, fsync],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def printed_pid(process: subprocess.Popen[str]) -> int:
    """The postmaster's pid, past the lines that the process logs."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdecimal():
            return int(line)
    raise AssertionError("the process ended before its database was ready")


def one_line(error: pytest.ExceptionInfo[DatabaseError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


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


async def test_second_user_is_refused(data: Path) -> None:
    """Whoever comes second learns who holds the directory; the first goes on undisturbed."""
    async with started(data) as first:
        with pytest.raises(DatabaseError) as error:
            await EmbeddedPostgres(data, settings=FAST).start()
        assert f"another lyceum server (pid {os.getpid()}) uses {data}" in one_line(error)
        assert await answers(first.url)


async def test_unusable_data_dir_is_named(tmp_path: Path) -> None:
    """A data directory that can't be made gives one line with the path and the remedy."""
    (tmp_path / "file").touch()
    data = tmp_path / "file" / "data"
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data).start()
    text = one_line(error)
    assert str(data) in text
    assert "LYCEUM_DATA_DIR" in text


async def test_private_folders_above(tmp_path: Path, cache: Path) -> None:
    """Data and binaries may lie below a folder that only we can enter, as /root is.

    As root Postgres runs as somebody else, from a copy; no folder's permissions change.
    """
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    bundle = bundled()[0]
    package = bundle.parents[1]
    copy = private / package.name / bundle.parent.name
    shutil.copytree(bundle.parent, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), private / libraries)
    async with started(private / "data", copy / "bin") as postgres:
        assert await ask(postgres.url, "select 1") == 1
        owner = Path(f"/proc/{postgres.pid}").stat().st_uid
        program = program_of(postgres)
    assert owner == (private / "data/postgres").stat().st_uid != 0
    assert program.is_relative_to(cache if ROOT else private)
    for folder in (tmp_path, private, private / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    if ROOT:
        assert not [path for path in cache.rglob("*") if path.stat().st_mode & 0o022]
        async with started(private / "data", copy / "bin") as postgres:  # from the same copy
            assert program_of(postgres) == program


def test_normal_user() -> None:
    """A normal user needs none of what root needs: start, restart after a kill, stop."""
    home = Path(tempfile.mkdtemp(prefix="lyceum-test-", dir="/tmp"))
    user = NOBODY if ROOT else pwd.getpwuid(os.geteuid())
    os.chown(home, user.pw_uid, user.pw_gid)

    async def lifecycle() -> None:
        async with started(home / "data", debian()) as postgres:
            killed = postgres.pid
            assert killed is not None
            assert Path(f"/proc/{killed}").stat().st_uid == user.pw_uid
            os.kill(killed, signal.SIGKILL)
            await until(lambda: postgres.pid not in (None, killed))
            await until(lambda: answers(postgres.url))

    try:
        # forked, as `nobody` might not be able to read our checkout
        assert as_user(user, lambda: asyncio.run(lifecycle())) == 0
    finally:
        shutil.rmtree(home)


def as_user(user: pwd.struct_passwd, act: Callable[[], None]) -> int:
    """Run something in a fork as another user; 0 when it raised nothing."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        if ROOT:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        asyncio.set_event_loop(None)
        act()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


async def test_cluster_that_root_restored(data: Path) -> None:
    """A cluster that root put back from a backup is given to the user who runs it."""
    async with started(data) as postgres:
        await ask(postgres.url, "create table kept as select 7 as answer")
    if ROOT:
        for path in [data / "postgres", *(data / "postgres").rglob("*")]:
            os.chown(path, 0, 0)
    async with started(data) as postgres:
        assert await ask(postgres.url, "select answer from kept") == 7


async def test_long_path(tmp_path: Path) -> None:
    """A data directory's path may be longer than the 107 bytes that a socket's may have."""
    async with started(tmp_path / ("long" * 20) / ("er" * 40) / "data") as postgres:
        assert await answers(postgres.url)


async def test_running_url(data: Path) -> None:
    """Commands find the database of a running server, and only of a running one."""
    assert EmbeddedPostgres.running_url(data) is None
    async with started(data) as postgres:
        assert EmbeddedPostgres.running_url(data) == postgres.url
    assert EmbeddedPostgres.running_url(data) is None


async def test_nobody_is_trusted(data: Path) -> None:
    """Without the password nobody gets in, whatever the role and database."""
    async with started(data) as postgres:
        url = postgres.url
        password = url.split(":")[2].partition("@")[0]
        for refused in (
            url.replace(password, "wrong"),
            url.replace(f":{password}", ""),
            url.replace("/lyceum?", "/postgres?").replace(password, "wrong"),
            url.replace("//lyceum:", "//postgres:"),
        ):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(refused, "select 1")
        folder = Path(url.partition("host=")[2].partition("&")[0])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_lost_password_is_explained(data: Path) -> None:
    """A password file that is missing or wrong gives one line that names it."""
    async with started(data):
        pass
    path = data / "postgres-password"
    path.write_text("wrong\n")
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert str(path) in one_line(error)
    path.unlink()
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert f"{path} is missing" in one_line(error)


async def test_socket_folder_of_somebody_else_is_refused(data: Path) -> None:
    """A folder that waits for us in /tmp under our socket's name is not used."""
    async with started(data) as postgres:
        folder = Path(postgres.url.partition("host=")[2].partition("&")[0])
    assert not folder.exists()
    folder.symlink_to(data)
    try:
        with pytest.raises(DatabaseError, match=f"{folder} was made by somebody else") as error:
            await EmbeddedPostgres(data, settings=FAST).start()
        one_line(error)
    finally:
        folder.unlink()
    if ROOT:
        folder.mkdir()
        os.chown(folder, 12345, 12345)
        try:
            with pytest.raises(DatabaseError, match="somebody else"):
                await EmbeddedPostgres(data, settings=FAST).start()
        finally:
            folder.rmdir()


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


async def test_other_major_version_is_explained(data: Path) -> None:
    """A cluster that an older Postgres made is not touched, and the error says what to do."""
    async with started(data):
        pass
    (data / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseError, match="was made by Postgres 9 and this is Postgres") as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert "pg_dump" in one_line(error)


async def test_missing_binaries_are_explained(data: Path, tmp_path: Path) -> None:
    """Where no Postgres runs, the error names the way out."""
    with pytest.raises(DatabaseError, match="LYCEUM_DATABASE_URL"):
        await EmbeddedPostgres(data, binaries=tmp_path).start()


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
