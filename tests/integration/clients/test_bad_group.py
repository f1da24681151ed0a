"""A bad update among good ones that the server takes in together costs only its sender."""

import asyncio
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from server.protocol.lib0 import Reader
from server.protocol.yjs import SyncType
from tests.integration.clients.raw import RawClient, raw_client
from tests.support.server import LyceumServer
from tests.unit.sessions.histories import text_of, typed
from tests.unit.sessions.test_bad_updates import BREAKING, WRONG_PARENT

LARGE = "x" * 1_000_000  # taken in slowly, so that what comes next is gathered for a while
SYNC_STATUS = 8


async def saved(client: RawClient) -> None:
    """Until a Hocuspocus client hears that an update of its own is saved."""
    while True:
        frame = await client.socket.recv(decode=False)
        assert isinstance(frame, bytes)
        reader = Reader(frame)
        reader.varstring()
        if reader.varuint() == SYNC_STATUS:
            assert reader.varuint() == 1
            return


async def close_code(client: RawClient) -> int:
    """Read on until the server closes the socket; its code."""
    try:
        while True:
            await client.update()
    except ConnectionClosed as closed:
        return 1006 if closed.rcvd is None else closed.rcvd.code


@pytest.mark.parametrize("bad", [BREAKING, WRONG_PARENT], ids=["panic", "error"])
async def test_only_the_sender_of_a_bad_update_loses_its_socket(
    make_server: Callable[..., LyceumServer], bad: bytes
) -> None:
    """It is closed with 4400; the others' updates are saved, acknowledged and found again."""
    server = make_server(fanout_share="0.01", fanout_longest_seconds="10")
    await server.start()
    async with (
        raw_client(server, "group", hocuspocus=True) as ann,
        raw_client(server, "group", hocuspocus=True) as bob,
        raw_client(server, "group") as eve,
    ):
        await ann.send_sync(SyncType.UPDATE, typed(11, LARGE)[0])
        await saved(ann)
        await ann.send_sync(SyncType.UPDATE, typed(12, "A")[0])
        await eve.send_sync(SyncType.UPDATE, bad)
        await bob.send_sync(SyncType.UPDATE, typed(13, "B")[0])
        async with asyncio.timeout(30):
            await asyncio.gather(saved(ann), saved(bob))
            assert await close_code(eve) == 4400
    await server.kill()
    await server.start()
    async with raw_client(server, "group") as fresh:
        assert sorted(text_of(await fresh.document())) == sorted(LARGE + "AB")
