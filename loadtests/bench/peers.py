"""The servers that are compared, each as it is meant to be run."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.installed import node_modules, python
from loadtests.bench.server import PeerFailed, Place, Server, start_on

SCRIPTS = Path(__file__).parents[1] / "peers"
LYCEUM = Path(sys.executable).with_name("lyceum")
PASSED_ON = ("LYCEUM_LIMIT_", "LYCEUM_FANOUT_", "LYCEUM_PRESENCE_")  # settings to be tried out


@asynccontextmanager
async def lyceum(place: Place) -> AsyncIterator[Server]:
    """Ours, with everything on: journal in the embedded Postgres, tokens, limits."""
    environ = {
        "LYCEUM_DATA_DIR": str(place.folder / "data"),
        "LYCEUM_AUTH_SECRET": (secret := secrets.token_hex(32)),
        "LYCEUM_GUESTS": "off",
        "LYCEUM_LOG_FORMAT": "json",
        "LYCEUM_DRAIN_SECONDS": "0.2",
        **place.settings,
        **{key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)},
    }
    server = place.server(
        [str(LYCEUM), "serve"], {"y-websocket": "/yjs", "hocuspocus": "/hocuspocus"}, environ
    )
    server.environ["LYCEUM_PORT"] = str(server.port)
    server.secret, server.ready_path = secret, "/readyz"
    yield server


@asynccontextmanager
async def y_websocket_server(place: Place) -> AsyncIterator[Server]:
    """The reference server, unmodified, in memory."""
    modules = await asyncio.to_thread(node_modules)
    script = modules / "@y/websocket-server/src/server.js"
    yield place.server(["node", str(script)], {"y-websocket": ""})


@asynccontextmanager
async def hocuspocus(place: Place) -> AsyncIterator[Server]:
    """Hocuspocus as it comes, in memory."""
    await asyncio.to_thread(node_modules)
    yield place.server(["node", str(SCRIPTS / "hocuspocus.mjs")], {"hocuspocus": ""})


@asynccontextmanager
async def hocuspocus_postgres(place: Place) -> AsyncIterator[Server]:
    """Hocuspocus with its database extension, on the same Postgres as ours, on the same cores."""
    await asyncio.to_thread(node_modules)
    async with _database(place) as (url, pid):
        server = place.server(
            ["node", str(SCRIPTS / "hocuspocus-postgres.mjs")],
            {"hocuspocus": ""},
            {"DATABASE_URL": url},
        )
        server.beside.append(pid)
        try:
            yield server
        finally:
            await server.stop()  # before its database


@asynccontextmanager
async def pycrdt_websocket(place: Place) -> AsyncIterator[Server]:
    """The Python server of Jupyter's collaboration, in an environment of its own, in memory."""
    interpreter = await asyncio.to_thread(python, place.cache)
    yield place.server([str(interpreter), str(SCRIPTS / "pycrdt_server.py")], {"y-websocket": ""})


@asynccontextmanager
async def _database(place: Place) -> AsyncIterator[tuple[str, int]]:
    """A Postgres like the embedded one, pinned like a server; its URL and process."""
    command = [sys.executable, "-m", "loadtests.bench.postgres", str(place.folder / "data")]
    with (place.folder / "postgres.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=start_on(place.cores),
        )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise PeerFailed((place.folder / "postgres.log").read_text())
        yield url, process.pid
    finally:
        process.terminate()
        await process.wait()


@dataclass(frozen=True)
class Peer:
    """How one is served, and what its clients speak, the first by default."""

    serve: Callable[[Place], AbstractAsyncContextManager[Server]]
    dialects: tuple[str, ...]


PEERS = {
    "lyceum": Peer(lyceum, ("y-websocket", "hocuspocus")),
    "y-websocket-server": Peer(y_websocket_server, ("y-websocket",)),
    "hocuspocus": Peer(hocuspocus, ("hocuspocus",)),
    "hocuspocus-postgres": Peer(hocuspocus_postgres, ("hocuspocus",)),
    "pycrdt-websocket": Peer(pycrdt_websocket, ("y-websocket",)),
}
