"""Sessions come and go by the thousand, and leave nothing behind in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from pycrdt import Doc, Text, create_sync_message, create_update_message, handle_sync_message
from websockets.asyncio.client import ClientConnection, connect

from tests.chaos.victims import Victim
from tests.support.waiting import eventually

AT_ONCE = 50
DOCUMENTS = 1_500
LINE = "x" * 2_000
MIB = 2**20
SYNC = 0
STEP2, UPDATE = 1, 2


@asynccontextmanager
async def joined(server: Victim, name: str) -> AsyncIterator[tuple[ClientConnection, Doc[Text]]]:
    """A bare socket in a session, and what the server sent."""
    document: Doc[Text] = Doc()
    url = f"{server.ws}/yjs/{name}"
    async with connect(url, compression=None, ping_interval=None) as socket:
        await socket.send(create_sync_message(document))
        while True:
            message = await socket.recv(decode=False)
            if message[0] == SYNC and message[1] in (STEP2, UPDATE):
                handle_sync_message(message[1:], document)
                if message[1] == STEP2:
                    break
        yield socket, document


async def write(server: Victim, name: str) -> None:
    """Come, write a line, and go without waiting for anything."""
    async with joined(server, name) as (socket, _):
        document: Doc[Text] = Doc()
        document.get("content", type=Text).insert(0, LINE)
        await socket.send(create_update_message(document.get_update()))


async def read(server: Victim, name: str) -> str:
    """Come, read, and go."""
    async with joined(server, name) as (_, document):
        return str(document.get("content", type=Text))


async def in_crowds(work: Callable[[str], Awaitable[object]], names: Iterable[str]) -> list[object]:
    """Do something for each name, for some of them at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> object:
        async with places:
            return await work(name)

    return list(await asyncio.gather(*(one(name) for name in names)))


async def nothing_is_open(server: Victim) -> bool:
    """Whether all sockets and sessions are gone and everything is saved."""
    left = [
        await server.metric(f"lyceum_{name}")
        for name in ("connections", "participants", "sessions_open", "journal_queue_bytes")
    ]
    return not any(left)


async def test_thousands_of_documents(make_victim: Callable[..., Victim]) -> None:
    """Memory after the second half of them is what it was after the first."""
    server = make_victim(linger_seconds="0")
    await server.start()
    memory = []
    for half in range(2):
        names = [f"document-{half}-{number}" for number in range(DOCUMENTS)]
        await in_crowds(lambda name: write(server, name), names)
        await eventually(lambda: nothing_is_open(server), 30, "the sessions' end")
        memory.append(server.rss)
    assert await server.metric("lyceum_sessions_opened_total") >= 2 * DOCUMENTS
    assert memory[1] - memory[0] < 4 * MIB, [f"{size / MIB:.1f} MiB" for size in memory]


async def test_five_hundred_idle_sessions(make_victim: Callable[..., Victim]) -> None:
    """Sessions that were let go come back with what they held."""
    server = make_victim(linger_seconds="0")
    await server.start()
    names = [f"document-{number}" for number in range(500)]
    await in_crowds(lambda name: write(server, name), names)
    await eventually(lambda: nothing_is_open(server), 30, "the sessions' end")
    assert await in_crowds(lambda name: read(server, name), names) == [LINE] * len(names)
    assert await server.metric("lyceum_sessions_opened_total") >= 2 * len(names)
