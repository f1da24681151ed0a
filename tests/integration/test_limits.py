"""What an attacker tries: to take more than its share, or to come in by somebody's browser."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.protocol.lib0 import varstring, varuint
from server.protocol.yjs import SyncType
from tests.clients.driver import Driver
from tests.integration.clients.raw import auth, raw_client
from tests.integration.clients.test_sockets import typed
from tests.support.api import SECRET
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

MakeServer = Callable[..., LyceumServer]
EVIL = "https://evil.example"
SCHOOL = "https://school.example"


@pytest_asyncio.fixture(scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server with small bounds, behind a proxy on this machine, for the pages of a school."""
    settings = {
        "LYCEUM_TRUSTED_PROXIES": "127.0.0.1",
        "LYCEUM_ORIGINS": f"{SCHOOL}, http://localhost:5173",
        "LYCEUM_LIMIT_SOCKETS_PER_ADDRESS": "2",
        "LYCEUM_LIMIT_REQUEST_SECONDS": "2",
        "LYCEUM_LIMIT_UNAUTHENTICATED_SECONDS": "2",
        "LYCEUM_LIMIT_WAITING_BYTES": "10000",
    }
    async with LyceumServer(tmp_path_factory.mktemp("strict"), settings) as server:
        yield server


async def closed_with(socket: ClientConnection) -> tuple[int, str]:
    """The close code and reason, after all else that comes."""
    async with asyncio.timeout(30):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def refused_at_the_door(url: str, **options: Any) -> int:
    """The status with which an upgrade is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, **options):
            pass
    return refused.value.response.status_code


async def test_a_flood_is_held_back_and_nothing_is_lost(
    make_server: MakeServer, driver: Driver
) -> None:
    """Who sends too many messages or too many bytes is read later; the others notice nothing, and
    all of it arrives.
    """
    server = make_server(limit_messages_per_second="100", limit_bytes_per_second="100000")
    await server.start()
    other = await driver.join("hp4", server.ws, "flood")
    held = 0.0
    for texts in ([f"<{number}>" for number in range(1200)], ["x" * 600_000, "y" * 600_000]):
        async with raw_client(server, "flood") as flooder:
            for text in texts:
                await flooder.send_sync(SyncType.UPDATE, typed(text))
            held = await eventually(lambda: held_back(server, held))  # noqa: B023
            await other.insert("calm")
            await other.wait_settled()
            await eventually(lambda: holds(other, texts), 60)  # noqa: B023
            assert flooder.socket.close_code is None
    assert (await other.info())["sockets_opened"] == 1


async def holds(client: Any, texts: list[str]) -> bool:
    """Whether a client has all that was typed."""
    held = await client.text()
    return all(text in held for text in texts)


async def held_back(server: LyceumServer, before: float) -> float:
    """How often sockets were held back, once that is more often than before."""
    count = await server.metric("lyceum_throttled_total")
    return count if count > before else 0.0


@pytest.mark.parametrize("path", ["/yjs/lesson", "/hocuspocus"])
async def test_a_foreign_page_gets_no_socket(server: LyceumServer, path: str) -> None:
    """Cross-site WebSocket hijacking, and a name that was bound to this machine for it."""
    for origin in (EVIL, "null", "http://localhost.evil.example"):
        assert await refused_at_the_door(server.ws + path, origin=origin) == 403
    rebound = {"Host": "evil.example:8000"}
    found = await refused_at_the_door(
        server.ws + path, origin="http://evil.example:8000", additional_headers=rebound
    )
    assert found == 403
    async with connect(server.ws + path, origin=server.http):  # type: ignore[arg-type]
        pass
    async with connect(server.ws + path, origin="http://localhost:5173"):  # type: ignore[arg-type]
        pass
    told = [entry["origin"] for entry in server.logs() if "LYCEUM_ORIGINS" in entry["event"]]
    assert told.count(EVIL) == 1


async def test_a_foreign_page_gets_nothing_from_the_api(strict: LyceumServer) -> None:
    """It may neither read nor write; listed pages may, and their browsers are told so."""
    path = f"{strict.http}/api/v1/sessions"
    async with aiohttp.ClientSession() as http:

        async def ask(method: str, **headers: str) -> aiohttp.ClientResponse:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            async with http.request(method, path, headers=sent) as response:
                await response.read()
                return response

        for headers in ({"origin": EVIL}, {"host": "evil.example"}):
            refused = await ask("POST", **headers)
            assert refused.status == 403
            assert refused.content_type == "application/problem+json"
            assert "access-control-allow-origin" not in refused.headers
        allowed = await ask("GET", origin=SCHOOL)
        assert allowed.headers["access-control-allow-origin"] == SCHOOL
        assert allowed.headers["vary"] == "Origin"
        assert "ETag" in allowed.headers["access-control-expose-headers"]
        preflight = await ask("OPTIONS", origin=SCHOOL, access_control_request_method="PATCH")
        assert preflight.status == 204
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        refused = await ask("OPTIONS", origin=EVIL, access_control_request_method="PATCH")
        assert refused.status == 403
        assert "access-control-allow-origin" not in (await ask("GET")).headers


async def test_sockets_of_one_address(strict: LyceumServer) -> None:
    """The client's address counts, as the trusted proxy tells it, whatever the client claims."""
    url = f"{strict.ws}/hocuspocus"

    def via(forwarded: str) -> dict[str, Any]:
        return {"additional_headers": {"X-Forwarded-For": forwarded}}

    async with AsyncExitStack() as open_sockets:
        first = await open_sockets.enter_async_context(connect(url, **via("198.51.100.1")))
        await open_sockets.enter_async_context(connect(url, **via("198.51.100.1")))
        assert await refused_at_the_door(url, **via("198.51.100.1")) == 429
        assert await refused_at_the_door(url, **via("192.0.2.66, 198.51.100.1")) == 429
        await open_sockets.enter_async_context(connect(url, **via("198.51.100.2")))
        await first.close()

        async def has_room() -> bool:
            async with connect(url, **via("198.51.100.1")):
                return True

        await eventually(has_room)
        for _ in range(5):  # this machine's own are not counted
            await open_sockets.enter_async_context(connect(url))


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side ends it."""
    async with asyncio.timeout(30):
        return await reader.read()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"GET /hocuspocus HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgr",
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{",
    ],
    ids=["nothing", "headers", "upgrade", "body"],
)
async def test_slow_requests_are_ended(strict: LyceumServer, begun: bytes) -> None:
    """A request that does not come whole in time loses its connection, though bytes trickle in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", strict.port)
    writer.write(begun)
    answer = asyncio.create_task(read_all(reader))
    while not answer.done():
        if begun:
            writer.write(b"x")
        await asyncio.wait([answer], timeout=0.2)
    assert answer.result().startswith(b"HTTP/1.1 408") or b"Content-Length" in begun
    writer.close()
    assert await strict.status("/healthz")


async def test_endless_headers(server: LyceumServer) -> None:
    """A head that does not end is not kept in memory."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 80_000)
    assert (await read_all(reader)).startswith(b"HTTP/1.1 431")
    writer.close()


async def test_ten_thousand_documents_without_a_token(server: LyceumServer) -> None:
    """One socket that opens documents and never says who it is loses that socket, soon."""
    async with connect(f"{server.ws}/hocuspocus", compression=None) as socket:
        with suppress(ConnectionClosed):
            for number in range(10_000):
                await socket.send(varstring(f"pending {number}") + varuint(3))
        code, reason = await closed_with(socket)
        assert code == 1013
        assert reason == "More than 100 documents of one socket wait for their token."


async def test_a_socket_that_never_says_who_it_is(strict: LyceumServer) -> None:
    """With no document, or with one that waits for its token, it is closed; others stay."""
    url = f"{strict.ws}/hocuspocus"
    async with connect(url) as silent, connect(url) as waiting, connect(url) as inside:
        await waiting.send(varstring("lesson") + varuint(3))
        await inside.send(auth("lesson"))
        for socket in (silent, waiting):
            assert await closed_with(socket) == (4408, "No token came in time.")
        await inside.send(b"\x00\x09")  # a ping
        await inside.recv()


async def test_bytes_before_the_token_are_counted_over_the_socket(strict: LyceumServer) -> None:
    """Many documents that each send a little are as good as one that sends much."""
    async with connect(f"{strict.ws}/hocuspocus", compression=None) as socket:
        for number in range(50):
            name = varstring(f"doc {number}")
            await socket.send(name + varuint(5) + varstring("x" * 1000))
        code, reason = await closed_with(socket)
        assert code == 1009
        assert "10000 bytes" in reason


async def test_compressed_requests_are_not_unpacked(server: LyceumServer) -> None:
    """Nothing that is small on the wire becomes large in memory (sockets: test_deflate.py)."""
    bomb = gzip.compress(json.dumps({"name": "x" * 50_000_000}).encode())
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{server.http}/api/v1/sessions",
            data=bomb,
            headers={"content-type": "application/json", "content-encoding": "gzip"},
        ) as response,
    ):
        assert response.status in (400, 415)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/yjs/", 4400),
        ("/yjs/%00", 4400),
        ("/yjs/a%0Ab", 4400),
        ("/yjs/" + "x" * 256, 4400),
    ],
    ids=["none", "NUL", "newline", "long"],
)
async def test_names_that_play_tricks(server: LyceumServer, path: str, code: int) -> None:
    """They are refused for good, with the reason."""
    async with connect(server.ws + path) as socket:
        assert (await closed_with(socket))[0] == code


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "'; drop table documents; --"])
async def test_names_lead_nowhere_else(server: LyceumServer, driver: Driver, name: str) -> None:
    """A name is a name: whatever it looks like, it is a session of its own."""
    async with raw_client(server, name, hocuspocus=True) as client:
        await client.send_sync(SyncType.UPDATE, typed("found again"))
        reader = await driver.join("hp4", server.ws, name)
        await reader.wait_text(equals="found again")


async def test_no_token_in_the_log(make_server: MakeServer, driver: Driver) -> None:
    """Neither good nor bad ones, in URLs, messages or headers, are written down."""
    server = make_server(auth_secret=SECRET)
    await server.start()
    bad = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.c2VjcmV0LXNpZ25hdHVyZQ"
    async with connect(f"{server.ws}/yjs/lesson?token={bad}") as socket:
        assert (await closed_with(socket))[0] == 4401
    async with connect(f"{server.ws}/hocuspocus") as socket:
        await socket.send(auth("lesson", bad))
        await socket.recv()
        await socket.send(b"\xff" * 11 + bad.encode())
        await closed_with(socket)
    async with aiohttp.ClientSession() as http:
        for headers in ({"authorization": f"Bearer {bad}"}, {"authorization": bad}):
            async with http.get(f"{server.http}/api/v1/sessions", headers=headers) as response:
                assert response.status == 401
        async with http.get(f"{server.http}/api/v1/sessions?token={bad}") as response:
            await response.read()
    log = server.log_path.read_text()
    assert log
    for part in bad.split("."):
        assert part not in log
