"""Who asks for more than it reads costs the server no memory."""

import asyncio

import pytest
from pycrdt import Doc, Text

from server.protocol.yjs import SyncType
from tests.integration.clients.raw import EMPTY_STATE_VECTOR, raw_client
from tests.integration.clients.test_slow_reader import resident
from tests.support.server import LyceumServer

SIZE = 1_000_000
QUESTIONS = 200
OWED = 60 * SIZE  # bytes: unbounded, nearly SIZE * QUESTIONS would wait


@pytest.mark.parametrize("hocuspocus", [False, True], ids=["yws", "hocuspocus"])
async def test_who_asks_without_reading_gets_one_answer(
    server: LyceumServer, hocuspocus: bool
) -> None:
    """Hundreds of questions for a large document: what waits is bounded, the last is answered."""
    session = f"asking {hocuspocus}"
    doc: Doc[Text] = Doc()
    doc.get("content", type=Text).insert(0, "x" * SIZE)
    async with (
        raw_client(server, session) as author,
        raw_client(server, session, hocuspocus) as one,
    ):
        await author.send_sync(SyncType.UPDATE, doc.get_update())
        await one.update()
        before = resident(server.pid)
        one.socket.transport.pause_reading()
        for _ in range(QUESTIONS):
            await one.send_sync(SyncType.STEP1, EMPTY_STATE_VECTOR)
        state = doc.get_state()
        doc.get("content", type=Text).insert(0, "last ")
        await one.send_sync(SyncType.UPDATE, doc.get_update(state))
        await author.update()  # so all the questions have come
        assert resident(server.pid) - before < OWED
        one.socket.transport.resume_reading()
        heard: Doc[Text] = Doc()
        async with asyncio.timeout(30):
            while not str(heard.get("content", type=Text)).startswith("last "):
                heard.apply_update(await one.update())
        assert heard.get_update() == doc.get_update()
