"""Many who join one session at once: it is opened once, and those who are in notice nothing."""

import asyncio
from contextlib import AsyncExitStack

from pycrdt import Doc, Text

from server.protocol.yjs import SyncType
from tests.integration.clients.raw import raw_client
from tests.support.server import LyceumServer

NEWCOMERS = 200
EDITS = 50


def typing(client: int, count: int) -> tuple[Doc[Text], list[bytes]]:
    """A document that grew by so many edits, and these."""
    doc: Doc[Text] = Doc(client_id=client)
    text, updates = doc.get("content", type=Text), []
    for number in range(count):
        before = doc.get_state()
        text += f"<{number}>"
        updates.append(doc.get_update(before))
    return doc, updates


async def test_many_who_join_at_once_open_it_once(server: LyceumServer) -> None:
    """However many wait for a session that is not in memory, it is read from the database once."""
    opened = await server.metric("lyceum_sessions_opened_total")
    async with AsyncExitStack() as stack:
        await asyncio.gather(
            *(
                stack.enter_async_context(raw_client(server, "storm", number % 2 == 0))
                for number in range(NEWCOMERS)
            )
        )
        assert await server.metric("lyceum_sessions_opened_total") - opened == 1
        assert await server.metric("lyceum_participants") == NEWCOMERS


async def test_who_is_in_goes_on_while_many_join(server: LyceumServer) -> None:
    """Every edit that is made meanwhile reaches those who were in, and all who have come."""
    doc, updates = typing(7, EDITS)
    async with (
        raw_client(server, "crowded") as author,
        raw_client(server, "crowded", hocuspocus=True) as watcher,
        AsyncExitStack() as stack,
    ):

        async def type_on() -> None:
            """Each edit once the one before has reached the other who is in."""
            seen: Doc[Text] = Doc()
            for update in updates:
                await author.send_sync(SyncType.UPDATE, update)
                while f"<{updates.index(update)}>" not in str(seen.get("content", type=Text)):
                    seen.apply_update(await watcher.update())

        async def come(number: int) -> None:
            newcomer = await stack.enter_async_context(
                raw_client(server, "crowded", number % 2 == 0)
            )
            await newcomer.send_sync(SyncType.STEP1, b"\x00")
            mine: Doc[Text] = Doc()
            while mine.get_state() != doc.get_state():
                mine.apply_update(await newcomer.update())

        async with asyncio.timeout(120):
            await asyncio.gather(type_on(), *(come(number) for number in range(NEWCOMERS)))
