"""However receivers read, slowly, in bursts or not at all for a while, all end with the same."""

import asyncio
import socket
from collections.abc import AsyncIterator
from itertools import zip_longest

import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from server.protocol.yjs import SyncType
from tests.integration.clients.raw import RawClient, raw_client
from tests.support.server import LyceumServer

CHUNK = 1_000_000  # characters of one paste; the kernel's buffers take a few of them
BOUND = 64 * 1024  # bytes: what a socket may be owed in this server
PATTERNS = st.lists(st.sampled_from(["pause", "one", "all"]), min_size=1, max_size=6)


@pytest_asyncio.fixture(scope="module")
async def tight(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that holds little for those who don't read."""
    environ = {"LYCEUM_LIMIT_OUTBOX_BYTES": str(BOUND)}
    async with LyceumServer(tmp_path_factory.mktemp("tight"), environ) as server:
        yield server


class Reading:
    """A client with a document of its own that takes in frames when it is told to."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.doc: Doc[Text] = Doc()

    async def until(self, state: bytes) -> None:
        """Read until the document is as new as another."""
        while self.doc.get_state() != state:
            self.doc.apply_update(await self.client.update())

    async def step(self, how: str, state: bytes) -> None:
        """Read nothing, one frame if one has come, or all that there is."""
        match how:
            case "pause":
                self.client.socket.transport.pause_reading()
            case "one":
                self.client.socket.transport.resume_reading()
                if self.doc.get_state() != state:
                    self.doc.apply_update(await self.client.update())
            case "all":
                self.client.socket.transport.resume_reading()
                await self.until(state)


def small_buffer(server: LyceumServer) -> socket.socket:
    """A connected socket for which the kernel holds as little as it may."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", server.port))
    return made


@settings(max_examples=6, deadline=None)
@example(["pause"] * 6, ["pause", "one"] * 3)
@given(PATTERNS, PATTERNS)
async def test_any_way_of_reading_ends_with_the_same(
    tight: LyceumServer, ways: list[str], other_ways: list[str]
) -> None:
    """Both dialects; who reads all the time gets every edit meanwhile."""
    session = f"reading {ways} {other_ways}"
    doc: Doc[Text] = Doc()
    text = doc.get("content", type=Text)
    async with (
        asyncio.timeout(60),
        raw_client(tight, session) as author,
        raw_client(tight, session) as watching,
        raw_client(tight, session, sock=small_buffer(tight)) as one,
        raw_client(tight, session, hocuspocus=True, sock=small_buffer(tight)) as other,
    ):
        watcher, reader, other_reader = Reading(watching), Reading(one), Reading(other)
        for way, other_way in zip_longest(ways, other_ways, fillvalue="one"):
            before = doc.get_state()
            text.insert(0, "x" * CHUNK)
            await author.send_sync(SyncType.UPDATE, doc.get_update(before))
            before = doc.get_state()
            del text[0:CHUNK]
            text += f"<{len(text)}>"
            await author.send_sync(SyncType.UPDATE, doc.get_update(before))
            await watcher.until(doc.get_state())
            await reader.step(way, doc.get_state())
            await other_reader.step(other_way, doc.get_state())
        for one_reader in (watcher, reader, other_reader):
            await one_reader.step("all", doc.get_state())
            assert str(one_reader.doc.get("content", type=Text)) == str(text)
