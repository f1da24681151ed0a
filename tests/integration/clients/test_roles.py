"""What a participant may do, and how it changes while the socket is open."""

import asyncio
from typing import Any

import asyncpg
import pytest
from pycrdt import Doc, Text
from websockets.asyncio.client import connect

from server.domain.roles import Role
from server.persistence.embedded import EmbeddedPostgres
from server.protocol import hocuspocus
from server.protocol.yjs import SyncType
from tests.clients.driver import Driver, Kind
from tests.integration.clients.accounts import token
from tests.integration.clients.kinds import HOCUSPOCUS, KINDS
from tests.integration.clients.raw import auth
from tests.support.server import LyceumServer

REFRESHING: tuple[Kind, ...] = ("hp3", "hp4")


async def stored_text(server: LyceumServer, session: str) -> str:
    """The text that the journal makes."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "select payload from document_updates join documents on documents.id = document_id"
        " where name = $1 order by seq",
        session,
    )
    await connection.close()
    document: Doc[Any] = Doc()
    for row in rows:
        document.apply_update(row["payload"])
    return str(document.get("content", type=Text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("guest", [True, False], ids=["guest", "token"])
async def test_a_viewer_changes_nothing(
    guarded: LyceumServer, driver: Driver, kind: Kind, guest: bool
) -> None:
    """Its edits reach nobody and no row, and a Hocuspocus client is told; it still sees all."""
    session = f"viewed {kind} {guest}"
    editor = await driver.join(
        "hp4", guarded.ws, session, token=token(session, Role.EDITOR), state={"name": "editor"}
    )
    await editor.insert("written ")
    await editor.wait_settled()
    viewer = await driver.join(
        kind, guarded.ws, session, token=None if guest else token(session, Role.VIEWER)
    )
    await viewer.wait_text(equals="written ")
    if kind != "yws":
        await viewer.wait_settled()  # its step 2 has nothing new, and is saved
        assert (await viewer.info())["refused"] == 0
        if kind != "hp2" or not guest:
            assert (await viewer.info())["scope"] == "readonly"
    await viewer.insert("scribbled ", 0)
    await viewer.map_set("scribbled", 1)
    if kind != "yws":
        await viewer.wait_settled()
        assert (await viewer.info())["refused"] == 2
        assert await viewer.has_unsynced_changes()
    await viewer.set_awareness({"name": "viewer"})
    await editor.wait_awareness(match={"name": "viewer"})
    await editor.insert("after")
    await viewer.wait_text(equals="scribbled written after")
    await editor.wait_settled()
    assert await editor.text() == "written after"
    assert await stored_text(guarded, session) == "written after"
    fresh = await driver.fresh_text(guarded.ws, session)
    assert fresh.text == "written after"

    await viewer.terminate()  # its step 2 now has what was refused
    await viewer.wait_closed()
    await viewer.wait_synced()
    await viewer.set_awareness({"name": "back"})
    await editor.wait_awareness(match={"name": "back"})
    if kind != "yws":
        await viewer.wait_settled()
        assert (await viewer.info())["refused"] > 0
    assert await editor.text() == "written after"
    assert await stored_text(guarded, session) == "written after"


@pytest.mark.parametrize("role", [Role.TEACHER, Role.EDITOR, Role.COMMENTER])
async def test_who_may_write(guarded: LyceumServer, driver: Driver, role: Role) -> None:
    """Teachers and editors do, commenters don't, with all kinds of clients."""
    session = f"writing {role.name}"
    for kind in KINDS:
        client = await driver.join(kind, guarded.ws, session, token=token(session, role))
        await client.insert(f"{kind} ")
        if kind != "yws":
            await client.wait_settled()
            expected = "read-write" if role.may_write else "readonly"
            assert (await client.info())["scope"] == expected
    onlooker = await driver.join("hp4", guarded.ws, session)
    if role.may_write:
        for kind in KINDS:
            await onlooker.wait_text(contains=f"{kind} ")
    else:
        assert await onlooker.text() == ""


@pytest.mark.parametrize("kind", REFRESHING)
async def test_a_fresh_token_changes_the_role_of_an_open_document(
    guarded: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Up: edits are taken from then on, those refused before as well. Down: no more."""
    session = f"refresh {kind}"
    client = await driver.join(kind, guarded.ws, session, token=token(session, Role.VIEWER))
    peer = await driver.join("yws", guarded.ws, session, token=token(session, Role.EDITOR))
    await client.insert("refused at first ")
    await client.wait_settled()
    assert (await client.info())["refused"] == 1

    await client.set_token(token(session, Role.EDITOR), send=True)
    await client.wait_event("authenticated", scope="read-write")
    await client.insert("accepted")
    await peer.wait_text(equals="refused at first accepted")
    await client.wait_settled()
    assert (await client.info())["refused"] == 1
    assert not await peer.has_pending()

    seen = len(await client.events())
    await client.set_token(token(session, Role.VIEWER), send=True)
    await client.wait_event("authenticated", scope="readonly", after=seen)
    await client.insert(" refused")
    await client.wait_settled()
    assert (await client.info())["refused"] == 2
    assert await peer.text() == "refused at first accepted"
    assert (await client.info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", REFRESHING)
async def test_a_bad_fresh_token_ends_the_document_only(
    guarded: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Rubbish as the next token is refused with a reason; the socket's other documents go on."""
    session, key = f"bad refresh {kind}", f"bad refresh socket {kind}"
    good = token(session, Role.EDITOR)
    client = await driver.join(kind, guarded.ws, session, token=good, socket=key)
    peer = await driver.join("yws", guarded.ws, session, token=good)
    other = await driver.join(kind, guarded.ws, key, token=token(key, Role.EDITOR), socket=key)
    await client.set_token("rubbish", send=True)
    failed = await client.wait_event("authenticationFailed")
    assert "token is not valid" in failed["reason"]
    await client.insert("no more")
    await other.insert("goes on")
    await other.wait_settled()
    assert await peer.text() == ""
    assert (await other.info())["sockets_opened"] == 1


async def test_an_expired_token_ends_the_connection(guarded: LyceumServer, driver: Driver) -> None:
    """Every kind is told with 4401 and stays out; who renewed the token in time stays in.

    The token of a document that was left does not matter any more.
    """
    session = "expiry"
    short = token(session, Role.EDITOR, ttl=2)
    clients = await asyncio.gather(
        *(driver.join(kind, guarded.ws, session, token=short) for kind in KINDS)
    )
    renewed = await asyncio.gather(
        *(driver.join(kind, guarded.ws, session, token=short) for kind in REFRESHING)
    )
    for client in renewed:
        await client.set_token(token(session, Role.EDITOR), send=True)
    for kind in REFRESHING:
        key = f"left {kind}"
        left = await driver.join(kind, guarded.ws, session, token=short, socket=key)
        stays = await driver.join(kind, guarded.ws, key, token=token(key, Role.EDITOR), socket=key)
        await left.destroy(keep_socket=True)
        renewed.append(stays)
    closes = await asyncio.gather(*(client.wait_closed(4401) for client in clients))
    assert {close.reason for close in closes} == {"The token has expired."}
    for client in renewed:
        await client.insert("still here")
        await client.wait_settled()
        assert (await client.info())["sockets_opened"] == 1
    for client in clients:
        if client.kind in REFRESHING:  # they come back by themselves, with the same token
            failed = await client.wait_event("authenticationFailed")
            assert "expired" in failed["reason"]
    assert (await clients[0].info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_wrong_tokens_are_refused(guarded: LyceumServer, driver: Driver, kind: Kind) -> None:
    """Rubbish, a foreign signature, an old one, one for another session: each with its reason."""
    session = f"refused {kind}"
    wrong = {
        "not valid": "rubbish",
        "signature does not fit": token(session, Role.EDITOR, secret="x" * 32),
        "expired": token(session, Role.EDITOR, ttl=-60),
        "not for this session": token("elsewhere", Role.EDITOR),
    }
    for reason, bad in wrong.items():
        client = await driver.open(kind, guarded.ws, session, token=bad)
        if kind == "yws":
            closed = await client.wait_event("closed")
            assert closed["code"] == (4403 if "session" in reason else 4401)
            assert reason in closed["reason"]
        else:
            assert reason in (await client.wait_event("authenticationFailed"))["reason"]
        await client.insert("let me in")
        assert not (await client.info())["synced"]
        assert (await client.info())["sockets_opened"] == 1
    fresh = await driver.fresh_text(
        guarded.ws, session, kind=kind, token=token(session, Role.EDITOR)
    )
    assert fresh.text == ""


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_documents_of_one_socket_have_tokens_of_their_own(
    guarded: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """One is written, one is only read, one is refused, all on one socket."""
    key = f"own tokens {kind}"
    names = [f"{key} {number}" for number in range(3)]
    written = await driver.join(
        kind, guarded.ws, names[0], socket=key, token=token(names[0], Role.EDITOR)
    )
    read = await driver.join(
        kind, guarded.ws, names[1], socket=key, token=token(names[1], Role.VIEWER)
    )
    refused = await driver.open(
        kind, guarded.ws, names[2], socket=key, token=token(names[0], Role.EDITOR)
    )
    await refused.wait_event("authenticationFailed")
    for client in (written, read):
        await client.insert("text")
        await client.wait_settled()
    assert [(await client.info())["refused"] for client in (written, read)] == [0, 1]
    assert (await written.info())["sockets_opened"] == 1


async def test_what_follows_a_refused_token_opens_no_other_way_in(guarded: LyceumServer) -> None:
    """A step 1 that arrives behind the refusal does not make its sender a guest."""
    async with connect(guarded.ws + "/hocuspocus") as socket:
        await socket.send(auth("late step 1", "rubbish"))
        assert b"not valid" in await socket.recv(decode=False)
        await socket.send(hocuspocus.Dialect("late step 1").sync(SyncType.STEP1, b"\x00"))
        await socket.send(hocuspocus.PING)
        assert await socket.recv(decode=False) == hocuspocus.PONG
        await socket.send(auth("late step 1", token("late step 1", Role.EDITOR)))
        assert b"read-write" in await socket.recv(decode=False)
