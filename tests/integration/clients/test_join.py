"""Joining: names of all sorts, and how a name that can't be is refused."""

import asyncio
from urllib.parse import quote

import pytest

from tests.clients.driver import Driver, Kind
from tests.integration.clients.kinds import HOCUSPOCUS, KINDS
from tests.support.server import LyceumServer

NAMES = (
    "Übung 3 – 例題 👋",
    "a/b/c",
    "/leading//and/trailing/",
    "with  two spaces",
    "100%",
    "50%41 is not 50A",
    "what? & why#now=1+1",
    "x" * 255,
    "ü" * 255,
    "👋" * 255,
)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_edit_is_found_again(server: LyceumServer, driver: Driver, kind: Kind) -> None:
    """What one client typed is there for the next, names and texts beyond ASCII included."""
    session = f"Übung {kind} – 例"
    client = await driver.join(kind, server.ws, session)
    await client.insert("grüße 👋 данные \u0000 \u2028")
    other = await driver.join(kind, server.ws, session)
    await other.wait_text(equals="grüße 👋 данные \u0000 \u2028")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
async def test_both_dialects_mean_the_same_session(
    server: LyceumServer, driver: Driver, name: str
) -> None:
    """A name is one session for all kinds; in y-websocket's URL it is percent-encoded once."""
    rooms = {kind: quote(name, safe="") if kind == "yws" else name for kind in KINDS}
    clients = await asyncio.gather(
        *(driver.join(kind, server.ws, room) for kind, room in rooms.items())
    )
    for client in clients:
        await client.insert(f"[{client.kind}]")
    await driver.wait_converged(*clients)
    text = await clients[0].text()
    assert sorted(text) == sorted("[yws][hp2][hp3][hp4]")


@pytest.mark.parametrize("room", ["a/b/c", "Übung 3 – 例題 👋", "two  spaces", "100%"])
async def test_a_room_name_needs_no_encoding_by_hand(
    server: LyceumServer, driver: Driver, room: str
) -> None:
    """What y-websocket puts into the URL as it is, is the session of that name."""
    session = f"unencoded {room}"
    ywebsocket = await driver.join("yws", server.ws, session)
    await ywebsocket.insert("the same")
    hocuspocus = await driver.join("hp4", server.ws, session)
    assert await hocuspocus.text() == "the same"


async def test_names_that_differ_are_different_sessions(
    server: LyceumServer, driver: Driver
) -> None:
    """Case, slashes, spaces and the Unicode form count."""
    names = ("Éa", "éa", "e\u0301a", "e\u0301a ", "é/a", "é%2Fa")
    clients = await asyncio.gather(*(driver.join("hp4", server.ws, name) for name in names))
    for client, name in zip(clients, names, strict=True):
        await client.insert(name)
    found = await asyncio.gather(
        *(driver.fresh_text(server.ws, quote(name, safe=""), kind="yws") for name in names)
    )
    assert [fresh.text for fresh in found] == list(names)


@pytest.mark.parametrize("room", ["", "x" * 256, "line%0Abreak", "nul%00byte"])
async def test_ywebsocket_is_told_that_a_name_cannot_be(
    server: LyceumServer, driver: Driver, room: str
) -> None:
    """The socket closes with 4400 and a reason; the client takes that as final."""
    client = await driver.open("yws", server.ws, room)
    closed = await client.wait_event("closed", code=4400)
    assert "1 to 255 characters" in closed["reason"]
    assert (await client.info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", HOCUSPOCUS)
@pytest.mark.parametrize("name", ["", "x" * 256, "line\nbreak", "\u0085"])
async def test_hocuspocus_is_told_that_a_name_cannot_be(
    server: LyceumServer, driver: Driver, kind: Kind, name: str
) -> None:
    """That document is refused with a reason; another one on the same socket works."""
    key = f"refused {kind} {name[:3]!r}"
    refused = await driver.open(kind, server.ws, name, socket=key)
    failed = await refused.wait_event("authenticationFailed")
    assert "1 to 255 characters" in failed["reason"]
    other = await driver.join(kind, server.ws, key, socket=key)
    await other.insert("works")
    await other.wait_settled()
    assert (await other.info())["sockets_opened"] == 1


async def test_elsewhere_there_is_no_websocket(server: LyceumServer, driver: Driver) -> None:
    """Another path is answered with 404, for which clients wait longer and longer."""
    client = await driver.open("yws", server.ws, "lesson", path="/elsewhere")
    error = await client.wait_event("connection-error")
    assert "404" in error["message"]
