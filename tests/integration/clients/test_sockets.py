"""One socket with many documents, and sockets that are handled in every unusual way."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pycrdt import Doc, Text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.ids import ClientId
from server.protocol import hocuspocus, yjs, ywebsocket
from server.protocol.yjs import AwarenessEntry, SyncType
from tests.clients.driver import Driver, Kind
from tests.integration.clients.kinds import HOCUSPOCUS, KINDS, one_of_each
from tests.integration.clients.raw import auth, raw_client
from tests.support.server import LyceumServer

LEAVING: tuple[Kind, ...] = ("hp3", "hp4")


def typed(text: str) -> bytes:
    """The update of somebody who typed this into an empty document."""
    document: Doc[None] = Doc()
    document.get("content", type=Text).insert(0, text)
    return document.get_update()


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_many_documents_on_one_socket(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Each has its own content and presence, and leaving one keeps the others."""
    key = f"many {kind}"
    names = [f"{key} – {number}" for number in range(12)]
    clients = await asyncio.gather(
        *(driver.join(kind, server.ws, name, socket=key, state={"in": name}) for name in names)
    )
    peers = await asyncio.gather(*(driver.join("yws", server.ws, name) for name in names))
    for client, peer, name in zip(clients, peers, names, strict=True):
        await client.insert(f"text of {name}")
        await peer.wait_text(equals=f"text of {name}")
        assert await peer.wait_awareness(count=1) == {client.client_id: {"in": name}}
    await asyncio.gather(*(client.wait_settled() for client in clients))

    await clients[0].destroy(keep_socket=True)
    await peers[0].wait_awareness(count=0)
    for client, peer in list(zip(clients, peers, strict=True))[1:]:
        await client.insert("!", 0)
        await peer.wait_text(contains="!text")
        await client.wait_settled()
        assert (await client.info())["sockets_opened"] == 1

    again = await driver.join(kind, server.ws, names[0], socket=key, state={"in": "again"})
    assert await again.text() == f"text of {names[0]}"
    await peers[0].wait_awareness(match={"in": "again"})
    await again.insert("!", 0)
    await peers[0].wait_text(contains="!text")
    assert (await again.info())["connected"]


@pytest.mark.parametrize("kind", LEAVING)
async def test_a_document_is_left_and_entered_again(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """After CLOSE the client hears no more of it, and on its return all that it missed."""
    session = f"left {kind}"
    client = await driver.join(kind, server.ws, session, state={"name": "guest"})
    peer = await driver.join("yws", server.ws, session)
    await peer.wait_awareness(match={"name": "guest"})
    for round in range(3):
        await client.detach()
        await peer.wait_awareness(count=0)
        await peer.insert(f"missed {round} ")
        await client.attach()
        await client.wait_text(contains=f"missed {round} ")
        await client.insert(f"back {round} ")
        await peer.wait_text(contains=f"back {round} ")
        await client.set_awareness({"name": "guest", "round": round})
        await peer.wait_awareness(match={"round": round})
    assert (await client.info())["sockets_opened"] == 1


async def test_one_document_twice_on_one_session_aware_socket(
    server: LyceumServer, driver: Driver
) -> None:
    """Two version 4 providers share a socket and a document, each with its own presence."""
    first, second = await asyncio.gather(
        *(
            driver.join(
                "hp4",
                server.ws,
                "aware",
                socket="aware",
                session_aware=True,
                state={"name": name},
            )
            for name in ("first", "second")
        )
    )
    addresses = {(await client.info())["address"] for client in (first, second)}
    assert len(addresses) == 2
    assert {address.partition("\0")[0] for address in addresses} == {"aware"}
    watchers = await one_of_each(driver, server.ws, "aware")
    for watcher in watchers:
        states = await watcher.wait_awareness(count=2)
        assert states[first.client_id] == {"name": "first"}
        assert states[second.client_id] == {"name": "second"}
    await first.wait_awareness(match={"name": "second"}, count=1)
    await first.insert("one ")
    await second.wait_text(equals="one ")
    await second.insert("two")
    await first.wait_text(equals="one two")
    await asyncio.gather(first.wait_settled(), second.wait_settled())

    await first.destroy(keep_socket=True)
    for watcher in [*watchers, second]:
        await watcher.wait_awareness(absent={"name": "first"})
    await second.insert(" three")
    for watcher in watchers:
        await watcher.wait_text(equals="one two three")
    assert (await second.info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_one_document_twice_on_two_sockets(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Two windows of one person are two participants; closing one leaves the other."""
    session = f"twice {kind}"
    one, two = [
        await driver.join(kind, server.ws, session, state={"window": window}) for window in (1, 2)
    ]
    await one.wait_awareness(match={"window": 2}, count=1)
    await two.wait_awareness(match={"window": 1}, count=1)
    await asyncio.gather(one.insert("a"), two.insert("b"))
    await driver.wait_converged(one, two)
    await one.destroy()
    await two.wait_awareness(count=0)
    await two.insert("!", 2)
    fresh = await driver.fresh_text(server.ws, session)
    assert sorted(fresh.text) == ["!", "a", "b"]


async def test_several_messages_in_one_frame(server: LyceumServer, driver: Driver) -> None:
    """A y-websocket frame may hold presence, an edit and a question one behind the other."""
    watcher = await driver.join("hp4", server.ws, "one frame")
    async with raw_client(server, "one frame") as raw:
        dialect = ywebsocket.DIALECT
        presence = yjs.awareness([AwarenessEntry(ClientId(77), 1, '{"name":"raw"}')])
        await raw.socket.send(
            dialect.awareness(presence)
            + dialect.sync(SyncType.UPDATE, typed("in one frame"))
            + dialect.sync(SyncType.STEP1, b"\x00")
        )
        answer: Doc[None] = Doc()
        answer.apply_update(await raw.update())
        assert str(answer.get("content", type=Text)) == "in one frame"
        await watcher.wait_text(equals="in one frame")
        await watcher.wait_awareness(ids=[77])


async def test_messages_in_fragments(server: LyceumServer, driver: Driver) -> None:
    """A message that comes in many WebSocket frames, pings between them, is one message."""
    watcher = await driver.join("hp4", server.ws, "fragments")
    message = ywebsocket.DIALECT.sync(SyncType.UPDATE, typed("in fragments"))

    async def fragments() -> AsyncIterator[bytes]:
        for byte in message:
            yield bytes((byte,))
            yield b""
            await (await raw.socket.ping())

    async with raw_client(server, "fragments") as raw:
        await raw.socket.send(fragments())
        await watcher.wait_text(equals="in fragments")


async def test_text_is_refused(server: LyceumServer, driver: Driver) -> None:
    """A text message closes its socket with 1003 and a reason; others notice nothing."""
    other = await driver.join("yws", server.ws, "binary only")
    async with raw_client(server, "binary only") as raw:
        await raw.socket.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(raw.wait_gone(0), 10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1003, "Messages are binary.")
    await other.insert("fine")
    assert (await driver.fresh_text(server.ws, "binary only")).text == "fine"
    assert (await other.info())["sockets_opened"] == 1


async def test_pings_are_answered(server: LyceumServer) -> None:
    """WebSocket pings with their payload, and Hocuspocus's own with its pong."""
    async with raw_client(server, "pings") as raw:
        await asyncio.wait_for(await raw.socket.ping(b"payload"), 10)
    async with connect(server.ws + "/hocuspocus") as socket:
        await asyncio.wait_for(await socket.ping(), 10)
        for _ in range(3):
            await socket.send(hocuspocus.PING)
            assert await asyncio.wait_for(socket.recv(decode=False), 10) == hocuspocus.PONG
        await socket.send(auth("pings"))
        assert b"read-write" in await asyncio.wait_for(socket.recv(decode=False), 10)
        assert b"session.state" in await asyncio.wait_for(socket.recv(decode=False), 10)
        await socket.send(hocuspocus.PING)
        assert await asyncio.wait_for(socket.recv(decode=False), 10) == hocuspocus.PONG


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bad_message_closes_only_its_socket(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Bytes without meaning end one connection with 4400; the others and the text are unharmed."""
    session = f"bad message {kind}"
    other = await driver.join("yws", server.ws, session)
    await other.insert("unharmed")
    client = await driver.join(kind, server.ws, session)
    await client.send_raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
    close = await client.wait_closed(4400)
    assert close.reason
    await other.insert(" still")
    assert (await driver.fresh_text(server.ws, session, kind=kind)).text == "unharmed still"
    assert (await other.info())["sockets_opened"] == 1


async def test_a_message_that_is_too_large(
    make_server: Callable[..., LyceumServer], driver: Driver
) -> None:
    """It closes its socket with 1009; what is smaller passes, and the others notice nothing."""
    server = make_server(limit_message_bytes="100000")
    await server.start()
    others = await one_of_each(driver, server.ws, "limited")
    for kind in KINDS:
        client = await driver.join(kind, server.ws, "limited")
        await client.paste(50_000)
        if kind != "yws":
            await client.wait_settled()
        await client.paste(150_000)
        await client.wait_closed(1009)
        await client.destroy()
    await others[0].insert("fine")
    digest = await driver.wait_converged(*others)
    fresh = await driver.fresh_text(server.ws, "limited")
    assert fresh.digest == digest
    assert len(fresh.text) == len(KINDS) * 50_000 + len("fine")
    for other in others:
        assert (await other.info())["sockets_opened"] == 1
