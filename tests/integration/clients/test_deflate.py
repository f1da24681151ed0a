"""Compression between real clients and a server: less on the wire, the same in the documents."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from server.protocol import ywebsocket
from server.protocol.deflate import deflated
from server.protocol.yjs import SyncType
from tests.clients.driver import Driver, Kind
from tests.integration.clients.kinds import KINDS, fresh_digests, one_of_each
from tests.integration.clients.raw import EMPTY_STATE_VECTOR, RawClient, raw_client
from tests.integration.fuzzing import RawSocket, frame, typed
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

WORDS = "".join(random.Random(7).choice("abcdefghij \n") for _ in range(400_000))
MESSAGE_BYTES = 2**20


@pytest_asyncio.fixture(scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that takes neither large messages nor many bytes."""
    environ = {
        "LYCEUM_LIMIT_MESSAGE_BYTES": str(MESSAGE_BYTES),
        "LYCEUM_LIMIT_BYTES_PER_SECOND": "100000",
    }
    async with LyceumServer(tmp_path_factory.mktemp("strict"), environ) as server:
        yield server


def compressible(size: int) -> bytes:
    """A message of y-websocket's that types `size` characters."""
    return ywebsocket.DIALECT.sync(SyncType.UPDATE, typed("x" * size, 1))


async def compressed(server: LyceumServer) -> float:
    """How many messages it has compressed."""
    return await server.metric("lyceum_deflated_messages_total")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_large_document_arrives_with_fewer_bytes(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Equal for those who compress and those who don't; both may write, and both are heard."""
    session = f"large {kind}"
    author = await driver.join(kind, server.ws, session, deflate=True)
    await author.insert(WORDS)
    plain = await driver.join(kind, server.ws, session)
    packed = await driver.join(kind, server.ws, session, deflate=True)
    assert [(await client.info())["deflates"] for client in (plain, packed)] == [False, True]
    digest = await driver.wait_converged(author, plain, packed)
    sizes = [(await client.info())["bytes_read"] for client in (plain, packed)]
    assert sizes[0] > len(WORDS)
    assert sizes[1] < 0.6 * sizes[0]
    fresh = await driver.fresh_text(server.ws, session, kind=kind, deflate=True)
    assert (fresh.digest, fresh.pending) == (digest, False)  # synced means that all is there
    await packed.insert("<packed>")
    await plain.insert("<plain>")
    assert await driver.wait_converged(author, plain, packed) != digest
    for client in (author, packed, plain):
        assert not await client.has_pending()
        assert (await client.info())["sockets_opened"] == 1


async def test_a_paste_is_compressed_once_for_all(server: LyceumServer, driver: Driver) -> None:
    """Ten others of all kinds get it from one compression; what is small is never compressed."""
    clients = [
        *await one_of_each(driver, server.ws, "pasted", deflate=True),
        *await one_of_each(driver, server.ws, "pasted", deflate=True),
        await driver.join("hp4", server.ws, "pasted", deflate=True, session_aware=True),
        await driver.join("hp4", server.ws, "pasted", deflate=True, session_aware=True),
    ]
    author = await driver.join("yws", server.ws, "pasted", deflate=True)
    before = await compressed(server)
    for number in range(20):
        await author.insert(f"small {number} ")
    await driver.wait_converged(author, *clients)
    assert await compressed(server) == before
    saved = await server.metric("lyceum_deflate_saved_bytes_total")
    await author.insert(WORDS)
    await driver.wait_converged(author, *clients)
    assert await compressed(server) == before + 1
    saved = await server.metric("lyceum_deflate_saved_bytes_total") - saved
    assert saved > 0.4 * len(WORDS) * len(clients)


async def test_who_comes_while_others_type(server: LyceumServer, driver: Driver) -> None:
    """Edits that come while the answer to a newcomer is compressed disturb no kind of client."""
    author = await driver.join("hp4", server.ws, "busy", deflate=True)
    for _ in range(2):
        await author.insert(WORDS)
    await author.wait_settled()

    async def type_on() -> None:
        for number in range(200):
            await author.insert(f"{number} ")

    typing = asyncio.create_task(type_on())
    rounds = [await one_of_each(driver, server.ws, "busy", deflate=True) for _ in range(2)]
    newcomers = [client for clients in rounds for client in clients]
    await typing
    for number, client in enumerate(newcomers):
        await client.insert(f"<{number}>")
    digest = await driver.wait_converged(author, *newcomers, timeout=30)
    for client in newcomers:
        assert not await client.has_pending()
        assert (await client.info())["sockets_opened"] == 1
    assert await fresh_digests(driver, server.ws, "busy", deflate=True) == {digest}


async def test_off_means_off(make_server: Callable[..., LyceumServer], driver: Driver) -> None:
    """Nobody is offered compression then, and who sends it all the same has no valid frame."""
    server = make_server(deflate="off")
    await server.start()
    clients = await one_of_each(driver, server.ws, "plain", deflate=True)
    assert not any([(await client.info())["deflates"] for client in clients])
    await clients[0].insert(WORDS)
    await driver.wait_converged(*clients)
    assert await compressed(server) == 0
    socket = await RawSocket.open(server.port, "/yjs/plain")
    socket.writer.write(frame(2, deflated(b"\x03"), rsv1=True))
    assert (await socket.closed()).code == 1002


async def test_messages_in_compressed_fragments(server: LyceumServer) -> None:
    """They may come in any pieces, with control frames between them."""
    message = ywebsocket.DIALECT.sync(SyncType.UPDATE, typed("in pieces", 1))
    packed = deflated(message)
    socket = await RawSocket.open(server.port, "/yjs/pieces", deflate=True)
    pieces = [packed[at : at + 1] for at in range(len(packed))]
    socket.writer.write(frame(2, pieces[0], fin=False, rsv1=True))
    for piece in pieces[1:-1]:
        socket.writer.write(frame(9, b"ping") + frame(0, piece, fin=False))
    socket.writer.write(frame(0, pieces[-1]) + frame(2, b"\x03"))
    async with raw_client(server, "pieces") as other:
        await eventually(lambda: found(other, b"in pieces"))
    socket.writer.close()


async def found(client: RawClient, text: bytes) -> bool:
    """Whether the document holds a text now."""
    await client.send_sync(SyncType.STEP1, EMPTY_STATE_VECTOR)
    return text in await client.update()


async def test_bombs_and_nonsense(strict: LyceumServer, driver: Driver) -> None:
    """What would become too large, and what can't be unpacked, closes its own socket only."""
    others = await one_of_each(driver, strict.ws, "bombed", deflate=True)
    await others[0].insert("unharmed")
    bomb = deflated(compressible(64 * MESSAGE_BYTES))
    assert len(bomb) < MESSAGE_BYTES / 2
    middle = len(bomb) // 2
    refused = {
        "bomb": (frame(2, bomb, rsv1=True), 1009),
        "bomb in pieces": (
            frame(2, bomb[:middle], fin=False, rsv1=True) + frame(0, bomb[middle:]),
            1009,
        ),
        "nonsense": (frame(2, b"\xff\xff\xff", rsv1=True), 1007),
        "breaks off": (frame(2, deflated(compressible(1000))[:-9], rsv1=True), 1007),
        "marked ping": (frame(9, deflated(b""), rsv1=True), 1002),
        "marked continuation": (
            frame(2, bomb[:9], fin=False, rsv1=True) + frame(0, b"", rsv1=True),
            1002,
        ),
        "text": (frame(1, deflated(b"hello"), rsv1=True), 1003),
        "no message": (frame(2, deflated(b"\xff" * 11), rsv1=True), 4400),
    }
    for name, (sent, code) in refused.items():
        socket = await RawSocket.open(strict.port, "/yjs/bombed", deflate=True)
        socket.writer.write(sent)
        async with asyncio.timeout(10):
            closed = await socket.closed()
        assert closed.code == code, (name, closed)
        assert closed.reason, name
    await others[1].insert(" still ")
    digest = await driver.wait_converged(*others)
    assert await fresh_digests(driver, strict.ws, "bombed", deflate=True) == {digest}
    for client in others:
        assert (await client.info())["sockets_opened"] == 1


async def test_what_is_unpacked_counts(strict: LyceumServer) -> None:
    """A socket may not send more by compressing it: past its bytes a second it is read later."""
    before = await strict.metric("lyceum_throttled_total")
    socket = await RawSocket.open(strict.port, "/yjs/counted", deflate=True)
    for _ in range(3):
        socket.writer.write(frame(2, deflated(compressible(500_000)), rsv1=True))
    await eventually(lambda: throttled(strict, before))
    socket.writer.close()


async def throttled(server: LyceumServer, before: float) -> bool:
    """Whether somebody was held back since."""
    return await server.metric("lyceum_throttled_total") > before
