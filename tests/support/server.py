"""A whole `lyceum serve` process, to be used, stopped and killed."""

import asyncio
import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support import watchdog
from tests.support.waiting import eventually

LYCEUM = Path(sys.executable).with_name("lyceum")
START_TIMEOUT = 60.0
_templates: list[Path] = []  # the data directory that new servers begin with, once there is one
_making = asyncio.Lock()


async def run(*command: str | Path) -> None:
    """Run a program that must succeed."""
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0, command


async def make_template() -> Path:
    """A data directory as the first start of a server leaves it; made once, as it takes seconds."""
    async with _making:
        if not _templates:
            folder = Path(tempfile.mkdtemp(prefix="lyceum-template-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            first = LyceumServer(folder)
            await first._run()
            await eventually(lambda: first.logs("serving"), START_TIMEOUT, "the first start")
            assert await first.stop() == 0
            _templates.append(folder / "data")
    return _templates[0]


class LyceumServer:
    """A server process with its own data directory or database.

    environ: LYCEUM_… settings on top of those that make it private. After a restart it listens on
    the same port.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.log_path = folder / "server.log"
        self._environ = dict(environ or {})
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def http(self) -> str:
        """Base URL of its pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Base URL of its WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self._process is not None
        return self._process.returncode

    async def launch(self) -> None:
        """Start the process and return at once; its embedded database was made before."""
        data = self.folder / "data"
        if "LYCEUM_DATABASE_URL" not in self._environ and not data.exists():
            await run("cp", "-a", await make_template(), data)
        await self._run()

    async def _run(self) -> None:
        environ = {key: value for key, value in os.environ.items() if "LYCEUM" not in key}
        environ |= {
            "LYCEUM_DATA_DIR": str(self.folder / "data"),
            "LYCEUM_LOG_FORMAT": "json",
            "LYCEUM_DRAIN_SECONDS": "0.2",
        }
        environ |= self._environ
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                LYCEUM, "serve", "--port", str(self.port), env=environ, stderr=log, stdout=log
            )

    async def start(self, wait_ready: bool = True) -> None:
        """Start it and wait until it serves, and is ready unless that isn't wanted."""
        seen = len(self.logs("serving"))
        await self.launch()

        def serving() -> str | None:
            assert self._process is not None
            if self._process.returncode is not None:
                raise ServerEnded(self.log_path.read_text())
            logs = self.logs("serving")
            return str(logs[-1]["url"]) if len(logs) > seen else None

        try:
            url = await eventually(serving, START_TIMEOUT, "the server's start")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_path.read_text()}") from None
        self.port = int(url.rpartition(":")[2])
        if wait_ready:
            await eventually(lambda: self.status("/readyz"), START_TIMEOUT, "readiness")

    async def status(self, path: str) -> bool:
        """Whether a page answers 200."""
        return (await self.get(path))[0] == 200

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.http + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        _, text = await self.get("/metrics")
        for line in text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise KeyError(name)

    def logs(self, event: str | None = None) -> list[dict[str, Any]]:
        """What it logged, or only one kind of event."""
        if not self.log_path.exists():
            return []
        entries = []
        for line in self.log_path.read_text().splitlines():
            if line.startswith("{"):
                entry = json.loads(line)
                if event is None or entry.get("event") == event:
                    entries.append(entry)
        return entries

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        """SIGTERM, and its exit code once it has drained."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        async with asyncio.timeout(60):
            code = await self._process.wait()
        watchdog.note(self.logs())
        return code

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(45):
                    await self._process.wait()
            except TimeoutError:
                await self.kill()
        watchdog.note(self.logs())


class ServerEnded(Exception):
    """The server ended instead of serving; the message is its log."""
