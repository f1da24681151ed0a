"""A server process: started on its core, watched, killed, and ended with all that it started."""

import asyncio
import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtests.bench.processes import end_tree, pin

HOST = "127.0.0.1"
START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 30.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
libc = ctypes.CDLL(None)


class PeerFailed(Exception):
    """A server did not start, or ended."""


@dataclass
class Server:
    """A server that runs, or ran until it was killed.

    target: what clients need to speak to it, by dialect. The folder holds its log and its data.
    """

    name: str
    command: list[str]
    environ: dict[str, str]
    folder: Path
    cores: tuple[int, ...]
    port: int
    dialects: dict[str, str]
    secret: str = ""
    ready_path: str = ""  # a page that answers 200 once the server is ready
    beside: list[int] = field(default_factory=list)  # processes that belong to it: a database
    process: asyncio.subprocess.Process | None = None

    @property
    def roots(self) -> list[int]:
        """The processes whose trees it is."""
        assert self.process is not None
        return [self.process.pid, *self.beside]

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.returncode is None

    def target(self, dialect: str | None = None) -> dict[str, Any]:
        """What `Generator.open` needs; without a dialect, the server's own."""
        dialect = dialect or next(iter(self.dialects))
        return {
            "host": HOST,
            "port": self.port,
            "dialect": dialect,
            "prefix": self.dialects[dialect],
            "secret": self.secret,
        }

    def twin(self, number: int, environ: Mapping[str, str]) -> "Server":
        """Another one like it, on a port of its own, that is told something else besides."""
        folder = self.folder / f"twin-{number}"
        folder.mkdir()
        port = free_port()
        told = {**self.environ, **environ, "PORT": str(port), "LYCEUM_PORT": str(port)}
        return replace(self, environ=told, folder=folder, port=port, beside=[], process=None)

    async def start(self, ready: bool = True) -> float:
        """Start it; returns the seconds until it takes connections (and says that it is ready)."""
        began = time.perf_counter()
        with (self.folder / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env={**_inherited(), **self.environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=start_on(self.cores),
            )
        path = self.ready_path if ready else ""
        while not await _answers(self.port, path):
            if self.process.returncode is not None:
                raise PeerFailed(f"{self.name} ended at its start:\n{self.log_end()}")
            if time.perf_counter() - began > START_TIMEOUT:
                raise PeerFailed(f"{self.name} does not start:\n{self.log_end()}")
            await asyncio.sleep(0.01)
        return time.perf_counter() - began

    async def kill(self) -> None:
        """SIGKILL to the server's own process."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """End it, gently if it does that in time."""
        process = self.process
        if process is None or not self.running:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except (TimeoutError, asyncio.CancelledError) as error:
            end_tree(process.pid)
            await process.wait()
            if isinstance(error, asyncio.CancelledError):
                raise

    def log_end(self) -> str:
        """The last lines that it wrote."""
        return "\n".join((self.folder / "server.log").read_text().splitlines()[-15:])


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LYCEUM_")}


def start_on(cores: Sequence[int]) -> Callable[[], None]:
    """What a new process does first: go to its cores, and agree to end with us."""

    def prepare() -> None:
        pin(cores)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # no orphans, whatever ends us

    return prepare


async def _answers(port: int, path: str) -> bool:
    """Whether a port takes connections, and a page on it (if one is given) answers 200."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        if not path:
            return True
        request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.transport.abort()


@dataclass(frozen=True)
class Place:
    """Where a server lives: its folder and cores, and where what it needs is kept.

    settings: of Lyceum's environment, beyond what every scenario has.
    """

    name: str
    folder: Path
    cores: tuple[int, ...]
    cache: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def server(
        self, command: list[str], dialects: dict[str, str], environ: dict[str, str] | None = None
    ) -> Server:
        """A server on a free port, which it is told as the environment's PORT."""
        port = free_port()
        told = {"HOST": HOST, "PORT": str(port), **(environ or {})}
        return Server(self.name, command, told, self.folder, self.cores, port, dialects)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])
