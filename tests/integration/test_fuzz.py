"""Any bytes do no worse than close the socket that they came on."""

import asyncio
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest

from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.fuzzing import POISON, Closed, Grammar, RawSocket, frame, number
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

FRAMES = 100_000
AT_ONCE = 24
MOST = 200  # frames on one socket
GROWTH = 200 * 2**20  # bytes of memory; far below what keeping the frames' documents would take
GOODBYE = frame(8, b"\x03\xe8")
ALLOWED = {1000, 1009, 1013, 4400}  # 1000 answers ours; 1011 would be an error of the server's


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Fuzzer:
    """Sends bursts of frames until there were enough, and keeps how sockets ended."""

    def __init__(self, server: LyceumServer, seed: int, corpora: dict[str, list[bytes]]) -> None:
        self.server = server
        self.rng = Random(seed)
        self.corpora = corpora
        self.sent = 0
        self.poisoned = 0
        self.ends: Counter[int] = Counter()
        self.wrong: list[tuple[Closed, str, list[str]]] = []

    async def run(self, frames: int) -> None:
        """Send at least so many frames."""
        goal = self.sent + frames

        async def work() -> None:
            while self.sent < goal and not self.wrong:
                await self._socket()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _socket(self) -> None:
        rng = self.rng
        dialect = rng.choice(("yws", "hocuspocus"))
        updates = rng.random() < 0.2
        session = f"scratch {rng.randrange(100)}" if updates else "class"
        path = "/hocuspocus" if dialect == "hocuspocus" else f"/yjs/{quote(session)}"
        grammar = Grammar(rng, dialect, session, [] if updates else self.corpora[dialect])
        frames = grammar.burst(updates, MOST)
        self.sent += len(frames)
        self.poisoned += sum(POISON.encode() in one.payload for one in frames if one.refused)
        join = grammar.head + b"\x02\x00\x00" if dialect == "hocuspocus" else b"\x03"
        socket = await RawSocket.open(self.server.port, path)
        payloads = [join, *(one.payload for one in frames)]
        goodbye = b"" if frames[-1].refused else GOODBYE
        socket.writer.write(b"".join(frame(2, payload) for payload in payloads) + goodbye)
        async with asyncio.timeout(30):
            closed = await socket.closed()
        self.ends[closed.code] += 1
        well = closed.code in ALLOWED and (closed.code == 1000 or closed.reason)
        if not well:
            self.wrong.append((closed, dialect, [one.payload.hex() for one in frames]))


async def sent_by(client: Client) -> list[bytes]:
    """The frames that a real client sent so far."""
    return [one.data for one in await client.frames("out")]


async def test_any_frames_close_only_their_own_socket(server: LyceumServer, driver: Driver) -> None:
    """10^5 wrong frames of both dialects close their sockets with a code and a reason.

    The process lives, its memory stays bounded, a pair of real clients in the same session stays
    connected and converges, and nothing of what was refused is in the document.
    """
    seed = int(os.environ.get("LYCEUM_TEST_SEED") or Random().randrange(2**32))
    print(f"LYCEUM_TEST_SEED={seed}")  # noqa: T201 -- pytest shows it when the test fails
    pair = [await driver.join(kind, server.ws, "class", trace=True) for kind in ("yws", "hp4")]
    await pair[0].insert("before ")
    await pair[1].wait_text(equals="before ")
    await pair[1].set_awareness({"name": "Ann"})
    await pair[0].wait_awareness(match={"name": "Ann"})
    corpora = {"yws": await sent_by(pair[0]), "hocuspocus": await sent_by(pair[1])}
    for client in pair:
        await client.trace(False)
    fuzzer = Fuzzer(server, seed, corpora)
    await fuzzer.run(FRAMES // 10)
    before = memory(server.pid)
    await fuzzer.run(FRAMES - fuzzer.sent)
    assert not fuzzer.wrong, (seed, server.returncode, fuzzer.wrong[:2])
    assert server.returncode is None, seed
    assert fuzzer.ends[4400] > 1_000
    assert fuzzer.poisoned > 100
    assert await server.status("/readyz")
    assert not server.logs("message failed")
    assert not server.logs("session failed")
    assert memory(server.pid) - before < GROWTH, seed
    await pair[1].insert("after")
    await pair[0].wait_text(contains="after", timeout=30)
    await driver.wait_converged(*pair, timeout=30)
    assert await pair[0].text() == "before after"
    for client in pair:
        assert (await client.info())["sockets_opened"] == 1
    fresh = await driver.fresh_text(server.ws, "class", timeout=30)
    assert fresh.text == "before after"
    assert POISON not in fresh.text
    for client in pair:
        await client.destroy()


BROKEN_FRAMES = {
    "not masked": (b"\x82\x01x", 1002),
    "reserved bit": (b"\xc2\x81" + bytes(4) + b"x", 1002),
    "unknown opcode": (b"\x83\x81" + bytes(4) + b"x", 1002),
    "unknown control opcode": (b"\x8b\x80" + bytes(4), 1002),
    "control in fragments": (b"\x09\x80" + bytes(4), 1002),
    "long control": (b"\x89\xfe\x00\x7e" + bytes(4) + b"x" * 126, 1002),
    "continuation of nothing": (b"\x80\x81" + bytes(4) + b"x", 1002),
    "new message within another": (frame(2, b"\x03", fin=False) + frame(2, b"\x03"), 1002),
    "length of 2^62": (b"\x82\xff" + (2**62).to_bytes(8, "big") + bytes(4), 1009),
    "length of 2^63": (b"\x82\xff" + (2**63).to_bytes(8, "big") + bytes(4), 1009),
    "just too long": (b"\x82\xff" + (17 * 2**20).to_bytes(8, "big") + bytes(4), 1009),
    "text": (frame(1, b"hello"), 1003),
    "close code 1005": (frame(8, b"\x03\xed"), 1002),
    "half a close code": (frame(8, b"\x03"), 1002),
    "close reason not UTF-8": (frame(8, b"\x03\xe8\xff"), 1007),
    "number of 64 bits": (frame(2, number(2**63)), 4400),
}


@pytest.mark.parametrize("path", ["/yjs/frames", "/hocuspocus"])
@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_a_broken_frame_closes_its_socket(server: LyceumServer, path: str, name: str) -> None:
    """What breaks RFC 6455 is answered with its close code."""
    data, code = BROKEN_FRAMES[name]
    socket = await RawSocket.open(server.port, path)
    socket.writer.write(data)
    async with asyncio.timeout(10):
        assert (await socket.closed()).code == code


async def test_fragments_beyond_the_bound_close_the_socket(server: LyceumServer) -> None:
    """A message may not grow past the bound in small fragments either."""
    socket = await RawSocket.open(server.port, "/yjs/frames")
    socket.writer.write(frame(2, b"\x00" * 2**20, fin=False))
    for _ in range(17):
        socket.writer.write(frame(0, b"\x00" * 2**20, fin=False))
    async with asyncio.timeout(20):
        assert (await socket.closed()).code == 1009


REQUESTS = {
    "nothing": b"",
    "zeros": bytes(1_000),
    "TLS": bytes.fromhex("160301020001000001fc0303") + b"\xab" * 400,
    "no request": b"hello there\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a frame at once": frame(2, b"\x03"),
    "endless header": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    "bad upgrade": b"GET /yjs/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "old version": b"GET /yjs/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 8\r\n\r\n",
    "other protocol": b"GET /yjs/x HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
    b"Connection: Upgrade\r\n\r\n",
    "bad path": b"GET /yjs/%ff%00%zz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "chunks of nonsense": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_no_request_harms_the_server(server: LyceumServer, name: str) -> None:
    """Whatever comes instead of a request, the connection ends and the server serves on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(20):
        with suppress(OSError):  # it may be cut off while it still speaks
            writer.write(REQUESTS[name])
            writer.write_eof()
            await reader.read()
    writer.close()
    assert await server.status("/healthz")
    assert not server.logs("message failed")


async def test_random_bytes_instead_of_requests(server: LyceumServer) -> None:
    """A thousand connections with nonsense leave no socket behind."""
    rng = Random(7)

    async def send() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(rng.randbytes(rng.randrange(400)))
        writer.close()

    for _ in range(20):
        await asyncio.gather(*(send() for _ in range(50)))

    async def none_left() -> bool:
        return await server.metric("lyceum_connections") == 0

    await eventually(none_left, what="the end of all connections")
    assert await server.status("/healthz")
