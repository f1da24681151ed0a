"""Starts the Node process that hosts the clients and speaks with it; opens clients.

    async with Driver() as driver:
        alice = await driver.join("hp4", "ws://127.0.0.1:8000", "lesson", token=token)
        bob = await driver.join("yws", "ws://127.0.0.1:8000", "lesson", token=token)
        await alice.insert("hello")
        await bob.wait_text(equals="hello")

Not thread-safe; one Driver holds hundreds of clients. All times are in seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import deque
from pathlib import Path
from typing import Any, Literal, Self

from tests.clients.client import Client
from tests.clients.results import Fresh

Kind = Literal["yws", "hp2", "hp3", "hp4"]

HERE = Path(__file__).parent
PATHS: dict[str, str] = {
    "yws": "/yjs",
    "hp2": "/hocuspocus",
    "hp3": "/hocuspocus",
    "hp4": "/hocuspocus",
}
LINE_BYTES = 512 * 1024 * 1024  # the longest answer: a big document as base64


class DriverError(Exception):
    """The driver refused or failed an operation; a wait that timed out shows the actual value."""


class Driver:
    """One Node process with any number of clients."""

    def __init__(self, node: str = "node") -> None:
        self._node = node
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self.stderr: deque[str] = deque(maxlen=200)  # what the providers printed last

    async def start(self) -> None:
        """Starts Node.

        Raises DriverError when the packages are not installed (`npm ci` in this folder).
        """
        if not (HERE / "node_modules").is_dir():
            raise DriverError(f"run `npm ci` in {HERE} first")
        self._process = await asyncio.create_subprocess_exec(
            self._node,
            str(HERE / "driver.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._tasks = [
            asyncio.create_task(self._read_answers(self._process.stdout)),
            asyncio.create_task(self._read_stderr(self._process.stderr)),
        ]

    async def stop(self) -> None:
        """Ends Node and with it every client, without goodbyes; destroy clients for those."""
        process = self._process
        if process is None:
            return
        self._process = None
        if process.returncode is None:
            assert process.stdin is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def call(self, op: str, **arguments: Any) -> Any:
        """Sends one operation and awaits its result."""
        if self._process is None or self._process.stdin is None:
            raise DriverError("the driver is not started")
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            line = json.dumps({"id": number, "op": op, **arguments})
            if self._tasks[0].done():
                raise self._ended()
            try:
                self._process.stdin.write(f"{line}\n".encode())
                await self._process.stdin.drain()
            except ConnectionError as error:
                raise self._ended() from error
            return await future
        finally:
            self._waiting.pop(number, None)

    async def open(
        self,
        kind: Kind,
        url: str,
        session: str,
        *,
        token: str | None = None,
        state: dict[str, Any] | None = None,
        socket: str | None = None,
        session_aware: bool = False,
        connect: bool = True,
        deflate: bool = False,
        trace: bool = False,
        path: str | None = None,
        options: dict[str, Any] | None = None,
        socket_options: dict[str, Any] | None = None,
    ) -> Client:
        """Opens a provider; it connects by itself, and nothing is waited for.

        url: the server, as `ws://HOST:PORT`; `path` (default: Lyceum's) is put behind it.
        token: the token; y-websocket gets it as the query parameter `token`.
        state: the local awareness state; without one it is `{}` at clock 0, which others ignore.
        socket: clients opened with the same key (and kind) share one Hocuspocus socket.
        session_aware: hp4 only: the address of frames is `name\\0session`.
        deflate: offer compression, and compress all that is sent, as browsers do.
        trace: keep the frames, see `Client.frames`.
        options: further options of the provider, under their own names (`flushDelay`,
            `forceSyncInterval`, `resyncInterval`, `params`, …).
        socket_options: the same for HocuspocusProviderWebsocket (`delay`, `maxDelay`, `quiet`,
            `messageReconnectTimeout`, …).
        """
        name = f"{kind}-{next(self._ids)}"
        opened = await self.call(
            "open",
            client=name,
            kind=kind,
            url=url.rstrip("/") + (PATHS[kind] if path is None else path),
            session=session,
            token=token,
            state=state,
            socketKey=socket,
            sessionAware=session_aware,
            connect=connect,
            deflate=deflate,
            trace=trace,
            options=options or {},
            socketOptions=socket_options or {},
        )
        return Client(self, name, kind, session, opened["client_id"])

    async def join(
        self, kind: Kind, url: str, session: str, *, timeout: float = 10, **how: Any
    ) -> Client:
        """Opens a provider (arguments as `open`) and waits until it is synced."""
        client = await self.open(kind, url, session, **how)
        await client.wait_synced(timeout)
        return client

    async def fresh_text(
        self,
        url: str,
        session: str,
        *,
        kind: Kind = "hp4",
        timeout: float = 10,
        type: str = "content",
        **how: Any,
    ) -> Fresh:
        """What somebody sees who comes now: joins as a new client, reads, and leaves."""
        client = await self.open(kind, url, session, **how)
        try:
            await client.wait_synced(timeout)
            return Fresh(
                text=await client.text(type),
                state_vector=await client.state_vector(),
                digest=await client.digest(),
                pending=await client.has_pending(),
            )
        finally:
            await client.destroy()

    async def wait_converged(self, *clients: Client, timeout: float = 10) -> str:
        """Waits until all hold the same (state vector and delete set); gives their digest."""
        names = [client.name for client in clients]
        return str(await self.call("wait_converged", names=names, timeout=timeout * 1000))

    async def printed(self) -> list[dict[str, str]]:
        """What providers wrote to the console, uncaught errors too: `{"level", "line"}`."""
        return list(await self.call("printed"))

    async def _read_answers(self, stdout: asyncio.StreamReader | None) -> None:
        assert stdout is not None
        while line := await stdout.readline():
            message = json.loads(line)
            future = self._waiting.get(message["id"])
            if future is None or future.done():
                continue  # whoever asked was cancelled
            if message.get("ok"):
                future.set_result(message["result"])
            else:
                future.set_exception(DriverError(message["error"]))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._ended())

    def _ended(self) -> DriverError:
        return DriverError("Node ended; it last printed:\n" + "\n".join(self.stderr))

    async def _read_stderr(self, stderr: asyncio.StreamReader | None) -> None:
        assert stderr is not None
        while line := await stderr.readline():
            self.stderr.append(line.decode(errors="replace").rstrip())
