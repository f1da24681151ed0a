"""Locust's smoke profile against a real server: it passes, and it fails when it should."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest_asyncio

from server.persistence.embedded import EmbeddedPostgres
from tests.support.proxy import Proxy
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-load" / "bin" / "python"
PROFILE = "loadtests/locust/profiles/smoke.conf"
PARTICIPANTS = 8  # six students in two sessions, and a teacher who watches both
STUDENTS = 6
LONGEST_BURST = 39  # keys: three words of six letters, each with three slips, mended, and a space
SOME = 30  # edits
A_BURST = STUDENTS * (LONGEST_BURST - 1) + 1  # edits after which somebody has ended a burst
STARTUP = 60.0


@dataclass
class Run:
    """A run of Locust."""

    process: asyncio.subprocess.Process
    output: str = ""

    @property
    def code(self) -> int | None:
        """How it ended."""
        return self.process.returncode

    async def finish(self) -> None:
        """End the test, which makes Locust check, and wait for the end."""
        if self.code is None:
            self.process.terminate()
        output, _ = await self.process.communicate()
        self.output = output.decode()

    def count(self, row: str) -> int:
        """How often something was reported."""
        lines = [line for line in self.output.splitlines() if f" {row} " in line]
        assert lines, f"no row {row!r} in:\n{self.output}"
        return int(lines[0].split(row)[1].split()[0])


@pytest_asyncio.fixture(scope="module", autouse=True)
async def _environment() -> None:
    """Locust's own virtual environment; gevent stays out of everybody else's."""
    make = await asyncio.create_subprocess_exec(
        "make", "--silent", ".make/load", cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await make.communicate()
    assert make.returncode == 0, errors.decode()


@asynccontextmanager
async def smoke(host: str, *options: str) -> AsyncIterator[Run]:
    """The smoke profile, which ends when the test says so."""
    environ = {key: value for key, value in os.environ.items() if "LYCEUM" not in key}
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "locust", "--config", PROFILE),
        *("--host", host, "--run-time", "10m", *options),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    run = Run(process)
    try:
        yield run
    finally:
        await run.finish()


async def typed(server: LyceumServer, run: Run, edits: int) -> None:
    """Wait until everybody is in and so many edits have come from now on."""
    before = await server.metric("lyceum_updates_received_total")

    async def enough() -> bool:
        present = await server.metric("lyceum_participants")
        received = await server.metric("lyceum_updates_received_total")
        return run.code is not None or (present >= PARTICIPANTS and received >= before + edits)

    await eventually(enough, STARTUP, "people typing")


async def test_everything_arrives(server: LyceumServer) -> None:
    """All edits reach peers, are saved and are in the final documents: exit code 0, all rows."""
    async with smoke(server.http) as run:
        await typed(server, run, A_BURST)
    assert run.code == 0, run.output
    assert run.count("join") == PARTICIPANTS + 2  # fresh clients at the end, one a session
    assert run.count("final document") == 2
    assert run.count("edit → peer") > 0
    assert run.count("edit → saved") > 0


async def test_several_processes(server: LyceumServer) -> None:
    """Two processes that share a session measure across, and each checks its own people."""
    async with smoke(server.http, "--processes", "2", "--sessions", "1", "--teachers", "2") as run:
        await typed(server, run, A_BURST)
    assert run.code == 0, run.output
    assert run.count("final document") == 2
    assert run.count("edit → peer") > 0


async def test_unsaved_edits_fail(server: LyceumServer) -> None:
    """Edits that reach everybody but are never committed: exit code 1, and who made them."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    connection = await asyncpg.connect(url)
    try:
        async with smoke(server.http, "--settle", "0.5") as run:
            await typed(server, run, SOME)
            await connection.execute("begin; lock table document_updates in exclusive mode")
            await typed(server, run, SOME)
    finally:
        await connection.close()
    assert run.code == 1, run.output
    assert "were never acknowledged" in run.output


async def test_unreadable_sessions_fail(server: LyceumServer) -> None:
    """A server that answers nothing any more at the end: exit code 1, and which sessions."""
    proxy = Proxy(("127.0.0.1", server.port))
    async with proxy, smoke(f"http://127.0.0.1:{proxy.port}", "--settle", "0.5") as run:
        await typed(server, run, SOME)
        proxy.stall()
    assert run.code == 1, run.output
    assert "could not be read" in run.output


async def test_only_this_machine() -> None:
    """Another machine is refused before anybody goes there."""
    async with smoke("http://192.0.2.1:8000") as run:
        await run.process.wait()
    assert run.code == 1
    assert "'http://192.0.2.1:8000' is not a target" in run.output
