"""Server processes made for killing: tuned, and with all their Postgres processes known."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.server import LyceumServer

# `lyceum`, with constants of its modules set first: what happens rarely shall happen often here.
TUNED = """
import importlib, sys
for setting in sys.argv.pop(1).split():
    name, _, value = setting.partition("=")
    module, _, constant = name.rpartition(".")
    assert hasattr(importlib.import_module(module), constant), name
    setattr(sys.modules[module], constant, float(value))
from server.cli import main
main()
"""
COMPACT_ALWAYS = {
    "server.sessions.hub.CHECK_EVERY": 0.02,
    "server.sessions.registry.COMPACT_AT": 5,
    "server.sessions.registry.COMPACT_PAUSE": 0,
}


class Victim(LyceumServer):
    """A server under attack.

    constants: module constants that differ in its process, by their full name.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, environ)
        self.constants: dict[str, float] = {}
        self.settings: dict[str, str] = {}  # LYCEUM_… for the next start

    async def launch(self) -> None:
        """Start the process and return at once."""
        environ = {key: value for key, value in os.environ.items() if "LYCEUM" not in key}
        environ |= {
            "LYCEUM_DATA_DIR": str(self.folder / "data"),
            "LYCEUM_LOG_FORMAT": "json",
            "LYCEUM_DRAIN_SECONDS": "0.2",
        }
        environ |= self._environ | self.settings
        constants = " ".join(f"{name}={value}" for name, value in self.constants.items())
        command = (sys.executable, "-c", TUNED, constants, "serve", "--port", str(self.port))
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, env=environ, stderr=log, stdout=log
            )

    async def database_url(self) -> str:
        """What `lyceum db url` prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            TUNED,
            "",
            "db",
            "url",
            env=os.environ | {"LYCEUM_DATA_DIR": str(self.folder / "data")} | self._environ,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode().strip()

    @property
    def postmaster(self) -> int | None:
        """The pid of the embedded Postgres, if its pid file tells one that lives."""
        try:
            pid = int((self.folder / "data/postgres/postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return pid if _command_line(pid).endswith("postgres") or children(pid) else None

    @property
    def backends(self) -> list[int]:
        """Postgres's processes that serve somebody's connection."""
        postmaster = self.postmaster
        return [
            pid
            for pid in (children(postmaster) if postmaster else [])
            if _command_line(pid).startswith("postgres: lyceum lyceum")
        ]

    def kill_postgres(self) -> None:
        """SIGKILL, to the postmaster."""
        strike(self.postmaster)

    def signal_postgres(self, number: signal.Signals) -> None:
        """Send a signal to the postmaster and all its children."""
        postmaster = self.postmaster
        assert postmaster is not None
        os.kill(postmaster, number)  # first, so that there will be no new children
        for pid in children(postmaster):
            strike(pid, number)

    @property
    def rss(self) -> int:
        """Resident memory of the server's process, in bytes."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def strike(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process, which may be gone already."""
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _command_line(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return command.decode(errors="replace")
