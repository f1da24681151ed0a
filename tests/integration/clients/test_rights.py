"""Rights in a session change while its sockets are open: every kind of client sees it.

The changes are made in the database, as another server or a person with SQL makes them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from server.domain.details import Permissions, RoleOrNone
from server.domain.roles import Role
from server.ids import SessionName
from server.persistence import collaboration
from server.persistence.collaboration import Changes, NewSession
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.types import Connection
from server.sessions.tokens import make_token
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.integration.clients.accounts import SECRET
from tests.integration.clients.kinds import HOCUSPOCUS, KINDS
from tests.integration.clients.notices import newest, notices
from tests.support.server import LyceumServer
from tests.support.waiting import eventually


@asynccontextmanager
async def database_of(server: LyceumServer) -> AsyncIterator[Connection]:
    """A connection to a server's database."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def sql(guarded: LyceumServer) -> AsyncIterator[Connection]:
    """A connection to the database of `guarded`."""
    async with database_of(guarded) as connection:
        yield connection


def unscoped(user: str) -> str:
    """A token that names no sessions: each session decides what its user is there."""
    return make_token(SECRET, user, None, None, 600.0)


async def set_role(sql: Connection, session: str, user: str, role: RoleOrNone | None) -> None:
    """Give a user a role in a session."""
    details = await collaboration.read(sql, SessionName(session))
    await collaboration.set_role(sql, details.id, user, role)


async def is_read_only(client: Client) -> bool:
    """Whether a client was told last that it may not write."""
    if client.kind == "yws":
        return bool([e for e in await client.events() if e["event"] == "permissionDenied"])
    return (await client.info())["scope"] == "readonly"


async def refused_write(client: Client, word: str) -> None:
    """Write something that is not taken; a Hocuspocus client hears so."""
    before = (await client.info())["refused"]
    await client.insert(word)
    if client.kind != "yws":
        await client.wait_settled()
        assert (await client.info())["refused"] == before + 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_role_of_ones_own_is_taken_and_given_live(
    guarded: LyceumServer, driver: Driver, sql: Connection, kind: Kind
) -> None:
    """Down: edits are refused at once. Up again: those refused meanwhile arrive as well."""
    session = f"roles live {kind}"
    client = await driver.join(kind, guarded.ws, session, token=unscoped("ann"))
    peer = await driver.join("hp4", guarded.ws, session, token=unscoped("bob"))
    await client.insert("first ")
    await peer.wait_text(equals="first ")
    await set_role(sql, session, "ann", "viewer")
    await eventually(lambda: is_read_only(client), what="the loss of the role")
    await refused_write(client, "held back ")
    await peer.insert("peer ", 0)
    await client.wait_text(contains="peer ")
    assert "held back" not in await peer.text()
    await set_role(sql, session, "ann", None)
    await peer.wait_text(contains="held back ")
    await driver.wait_converged(client, peer)
    assert (await client.info())["sockets_opened"] == (2 if kind == "yws" else 1)
    if kind != "yws":
        state = await newest(client, "session.state", may_write=True)
        assert (state["role"], state["reason"]) == ("editor", "")


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_removed_is_out_and_stays_out(
    guarded: LyceumServer, driver: Driver, sql: Connection, kind: Kind
) -> None:
    """Its socket closes, its next try is refused with the reason, and it makes no third one.

    The other documents of its socket find their way back.
    """
    session, key = f"removed {kind}", f"beside removed {kind}"
    shared = None if kind == "yws" else key
    client = await driver.join(kind, guarded.ws, session, token=unscoped("ann"), socket=shared)
    other = await driver.join(kind, guarded.ws, key, token=unscoped("ann"), socket=shared)
    await set_role(sql, session, "ann", "none")
    event = "closed" if kind == "yws" else "authenticationFailed"
    told = await client.wait_event(event)
    assert told["reason"] == "You are not let into this session."
    await other.wait_synced()
    await other.insert("goes on")
    onlooker = await driver.join("hp4", guarded.ws, key, token=unscoped("bob"))
    await onlooker.wait_text(equals="goes on")
    await client.insert("let me in")
    assert (await client.info())["sockets_opened"] == (1 if kind == "yws" else 2)
    fresh = await driver.fresh_text(guarded.ws, session, token=unscoped("bob"))
    assert fresh.text == ""


async def archive(sql: Connection, session: str) -> None:
    """A person archives it."""
    await collaboration.change(sql, SessionName(session), Changes(status="ARCHIVED"))


async def expire(sql: Connection, session: str) -> None:
    """Its time is over."""
    now = datetime.now(UTC) + timedelta(seconds=0.5)
    await collaboration.change(sql, SessionName(session), Changes(expires_at=now))


@pytest.mark.parametrize(("close", "word"), [(archive, "archived"), (expire, "expired")])
async def test_a_closed_session_is_read_and_not_written(
    guarded: LyceumServer,
    driver: Driver,
    sql: Connection,
    close: Callable[[Connection, str], Awaitable[None]],
    word: str,
) -> None:
    """All kinds are told why, live and when they come; opened again, all may write again."""
    session = f"closed {word}"
    clients = await asyncio.gather(
        *(driver.join(kind, guarded.ws, session, token=unscoped("ann")) for kind in KINDS)
    )
    await clients[0].insert("before ")
    await driver.wait_converged(*clients)
    await close(sql, session)
    for client in clients:
        await eventually(lambda client=client: is_read_only(client), what="being closed")
        await refused_write(client, "after ")
        if client.kind == "yws":
            denied = await client.wait_event("permissionDenied")
            assert word in denied["reason"]
        else:
            state = await newest(client, "session.state", may_write=False, may_chat=False)
            assert word in state["reason"]
            assert state["status"] == word.upper()
    late = await driver.join("hp4", guarded.ws, session, token=unscoped("late"))
    assert await late.text() == "before "
    assert word in (await newest(late, "session.state"))["reason"]
    teacher = make_token(SECRET, "eve", None, {"*": Role.TEACHER}, 600.0)
    also = await driver.join("hp4", guarded.ws, session, token=teacher)
    await refused_write(also, "teachers neither ")

    reopened = Changes(status="ACTIVE") if word == "archived" else Changes(expires_at=None)
    await collaboration.change(sql, SessionName(session), reopened)
    await driver.wait_converged(*clients, late, also)
    assert (await late.text()).count("after ") == len(KINDS)
    assert "teachers neither" in await late.text()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_full_session_lets_in_who_waits(
    guarded: LyceumServer, driver: Driver, sql: Connection, kind: Kind
) -> None:
    """One more is told so, gives up never, and is in once somebody has left."""
    session = f"full {kind}"
    await collaboration.create(sql, NewSession(SessionName(session), capacity=2), None, None)
    inside = [
        await driver.join("hp4", guarded.ws, session, token=unscoped(user)) for user in ("a", "b")
    ]
    waiting = await driver.open(kind, guarded.ws, session, token=unscoped("c"))
    if kind == "yws":
        closed = await waiting.wait_event("connection-close")
        assert (closed["code"], closed["reason"]) == (
            1013,
            "The session is full: at most 2 may be here at once.",
        )
    else:
        full = await newest(waiting, "session.full")
        assert full["reason"] == "The session is full: at most 2 may be here at once."
    assert not (await waiting.info())["synced"]
    await waiting.insert("from the door")
    assert await inside[0].text() == ""
    await inside[1].destroy()
    await waiting.wait_synced()
    await inside[0].wait_text(equals="from the door")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_deleted_session_is_not_brought_back(
    guarded: LyceumServer, driver: Driver, sql: Connection, kind: Kind
) -> None:
    """Who was in it is told, and neither it nor a newcomer makes the session again."""
    session = f"deleted {kind}"
    client = await driver.join(kind, guarded.ws, session, token=unscoped("ann"))
    await client.insert("content")
    if kind != "yws":
        await client.wait_settled()
    await collaboration.delete(sql, SessionName(session))
    for told in (client, await driver.open(kind, guarded.ws, session, token=unscoped("bob"))):
        event = "closed" if kind == "yws" else "authenticationFailed"
        assert (await told.wait_event(event))["reason"] == "This session was deleted."
    assert await sql.fetchval("select count(*) from documents where name = $1", session) == 0
    await collaboration.create(sql, NewSession(SessionName(session)), "ann", None)
    fresh = await driver.fresh_text(guarded.ws, session, token=unscoped("bob"))
    assert fresh.text == ""


async def test_permissions_of_guests_and_everyone(
    guarded: LyceumServer, driver: Driver, sql: Connection
) -> None:
    """A session that lets no guests in refuses them; everyone may be less than an editor."""
    session = "permissions"
    permissions = Permissions(everyone="commenter", guests="none")
    new = NewSession(SessionName(session), permissions=permissions)
    await collaboration.create(sql, new, "owner", None)
    for kind in KINDS:
        guest = await driver.open(kind, guarded.ws, session)
        event = "closed" if kind == "yws" else "authenticationFailed"
        assert (await guest.wait_event(event))["reason"] == "You are not let into this session."
    user = await driver.join("hp4", guarded.ws, session, token=unscoped("ann"))
    state = await newest(user, "session.state")
    assert (state["role"], state["may_write"], state["may_chat"]) == ("commenter", False, True)
    owner = await driver.join("hp4", guarded.ws, session, token=unscoped("owner"))
    assert (await newest(owner, "session.state"))["role"] == "teacher"


async def test_sessions_only_over_rest(
    make_server: Callable[..., LyceumServer], driver: Driver
) -> None:
    """Where joins make no sessions, an unknown name is refused for good, and leaves no trace."""
    async with make_server(sessions="created") as server, database_of(server) as connection:
        for kind in KINDS:
            client = await driver.open(kind, server.ws, "nowhere")
            event = "closed" if kind == "yws" else "authenticationFailed"
            assert (await client.wait_event(event))["reason"].startswith("There is no session ")
            assert (await client.info())["sockets_opened"] == 1
        assert await connection.fetchval("select count(*) from documents") == 0
        await collaboration.create(connection, NewSession(SessionName("made")), None, None)
        await driver.join("hp4", server.ws, "made")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_full_document_takes_only_deletions(
    make_server: Callable[..., LyceumServer], driver: Driver, kind: Kind
) -> None:
    """Who goes past the bound is told and may read on; others may, and what was saved stays."""
    async with make_server(limit_document_bytes="20000") as server:
        client = await driver.join(kind, server.ws, "big")
        peer = await driver.join("hp4", server.ws, "big")
        await client.insert("x" * 15_000)
        await peer.wait_text(length=15_000)
        await client.insert("y" * 15_000)
        await eventually(lambda: is_read_only(client), what="being stopped")
        if kind == "yws":
            assert "largest size" in (await client.wait_event("permissionDenied"))["reason"]
        else:
            assert "largest size" in (await newest(client, "session.state"))["reason"]
            assert (await client.info())["refused"] == 1
        await peer.delete(0, 14_000)
        await peer.insert("there is room again")
        await peer.wait_settled()
        assert (await peer.info())["refused"] == 0
        fresh = await driver.fresh_text(server.ws, "big")
        assert "there is room again" in fresh.text
        assert "y" not in fresh.text


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_the_state_comes_with_the_join(
    guarded: LyceumServer, driver: Driver, sql: Connection, kind: Kind
) -> None:
    """Title, language, role and rights are told once at the start, and again when they change."""
    session = f"state {kind}"
    new = NewSession(SessionName(session), title="Lesson", language="solidity")
    await collaboration.create(sql, new, None, None)
    client = await driver.join(kind, guarded.ws, session, token=unscoped("ann"))
    state = await newest(client, "session.state", title="Lesson")
    assert state == {
        "type": "session.state",
        "role": "editor",
        "status": "ACTIVE",
        "may_write": True,
        "may_chat": True,
        "reason": "",
        "title": "Lesson",
        "language": "solidity",
        "chat_revision": 0,
    }
    await collaboration.change(sql, SessionName(session), Changes(title="Lesson two"))
    await newest(client, "session.state", title="Lesson two")
    assert len(await notices(client, "session.state")) == 2
