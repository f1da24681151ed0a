"""The embedded Postgres in tests: started here or in a process that dies, asked and waited for."""

import asyncio
import os
import pwd
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from server.errors import DatabaseError
from server.persistence.embedded import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
FAST = {"fsync": "off"}  # what is killed here are processes, never the machine
ROOT = os.geteuid() == 0

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
