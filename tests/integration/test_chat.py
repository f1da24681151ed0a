"""The chat of a server: what is committed is told to all, whatever happens on the way."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio

from server.config import Limits
from server.domain import rates
from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import Closed, Forbidden, NotFound, Overloaded, TooFast
from server.ids import SessionName
from server.persistence import chat as stored
from server.persistence import collaboration
from server.persistence.collaboration import Changes
from server.persistence.database import Database
from server.protocol import hocuspocus, ywebsocket
from server.protocol.messages import ChatDelete, ChatEdit, ChatMessage, ChatSend
from server.sessions import chat as chat_module
from server.sessions import participant as participant_module
from server.sessions.chat import Chat, Speaker
from server.sessions.commands import Commands
from server.sessions.events import UNHEARD
from server.sessions.participant import Participant
from server.sessions.registry import Registry
from server.sessions.runs import Runs
from server.sessions.saver import Saver
from server.sessions.session import Session
from tests.support.waiting import eventually

LESSON = SessionName("lesson")
ANN = Identity(Role.EDITOR, "ann", "Ann")
GUEST = Identity(Role.EDITOR, None, None)


class Wire:
    """A socket that keeps the stateless messages written to it, and may be full."""

    def __init__(self) -> None:
        self.writable = True
        self.notices: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    def write(self, frames: bytes) -> None:
        """Take frames; only stateless messages end in JSON."""
        start = frames.find(b'{"type"')
        if start >= 0:
            self.notices.append(json.loads(frames[start:]))

    def close(self, code: int, reason: str) -> None:
        """Remember why."""
        self.closed = code, reason

    def said(self) -> list[tuple[int, str]]:
        """Revision and body of every chat.message."""
        return [
            (notice["message"]["revision"], notice["message"]["body"])
            for notice in self.notices
            if notice["type"] == "chat.message"
        ]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """All of one type."""
        return [notice for notice in self.notices if notice["type"] == kind]


class Server(NamedTuple):
    """What of a server has to do with chat."""

    database: Database
    registry: Registry
    chat: Chat
    commands: Commands
    session: Session

    def enter(self, identity: Identity = ANN) -> tuple[Participant, Wire]:
        """Somebody comes in."""
        wire = Wire()
        participant = Participant(wire, hocuspocus.Dialect(LESSON), identity)
        self.session.join(participant)
        return participant, wire

    def command(self, participant: Participant, kind: str, **fields: Any) -> None:
        """What a participant asks for in a stateless message."""
        self.commands.received(self.session, participant, json.dumps({"type": kind, **fields}))

    def say(self, name: str, body: str = "hello") -> "asyncio.Future[ChatMessage]":
        """Ann says something."""
        return self.chat.send(self.session, speaker(), ChatSend(name, body))


def speaker(identity: Identity = ANN, role: Role = Role.EDITOR) -> Speaker:
    """Somebody without a socket."""
    return Speaker(uuid4(), identity, role, identity.user, set())


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """A server without sockets whose chat is not saved before `saving` is asked for."""
    saver = Saver(database.connect)
    limits = Limits(chat_messages_per_second=0)
    registry = Registry(database, saver, limits, linger=0, history=86_400)
    chat = Chat(database, limits)
    yield Server(
        database, registry, chat, Commands(chat, Runs(0, UNHEARD)), await registry.visit(LESSON)
    )


@pytest_asyncio.fixture
async def saving(server: Server) -> AsyncIterator[None]:
    """Chat is saved from now on."""
    task = asyncio.create_task(server.chat.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def elsewhere(server: Server, *names: str) -> None:
    """Another server saves messages of Bob's."""
    sender = stored.Sender("bob", "Bob")
    async with server.database.acquire() as connection:
        for name in names:
            send = stored.Send(server.session.document_id, sender, name, name, None, ())
            await stored.commit(connection, [send])


@pytest.mark.usefixtures("saving")
async def test_what_others_saved_is_told_in_order(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it takes several pages; each revision once, and nothing is left out."""
    monkeypatch.setattr(chat_module, "MAX_PAGE", 2)
    _, wire = server.enter()
    await server.say("1", "one")
    await elsewhere(server, "two", "three", "four", "five", "six")
    await server.say("7", "seven")
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    assert wire.said() == list(enumerate(words, 1))
    await server.say("8", "eight")
    assert wire.said()[7:] == [(8, "eight")]


@pytest.mark.usefixtures("saving")
async def test_what_is_missing_is_read_until_that_works(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails right after the commit delays the word, and loses none of it."""
    _, wire = server.enter()
    await elsewhere(server, "one", "two")
    reads, fails = stored.since, 3

    async def failing(*arguments: Any) -> stored.Page:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise ConnectionResetError
        return await reads(*arguments)

    monkeypatch.setattr(stored, "since", failing)
    await asyncio.wait_for(server.say("3", "three"), 10)
    assert wire.said() == [(1, "one"), (2, "two"), (3, "three")]


@pytest.mark.usefixtures("saving")
async def test_nobody_is_told_of_what_was_said_before(server: Server) -> None:
    """Who comes in later learns of the newest revision, and reads as much as it wants."""
    await server.say("1", "one")
    _, wire = server.enter()
    assert wire.said() == []
    assert server.session.chat_revision == 1
    await server.say("2", "two")
    assert wire.said() == [(2, "two")]


@pytest.mark.usefixtures("saving")
async def test_a_full_socket_gets_everything_later(server: Server) -> None:
    """Chat and answers wait for it in their order; y-websocket clients are owed nothing."""
    ann, wire = server.enter()
    quiet = Participant(Wire(), ywebsocket.DIALECT, ANN)
    server.session.join(quiet)
    wire.writable = quiet.socket.writable = False  # type: ignore[misc]
    server.command(ann, "chat.send", client_message_id="1", body="one")
    await server.say("2", "two")
    await eventually(lambda: len(ann._unsent) == 3, what="kept notices")
    assert wire.notices == []
    wire.writable = quiet.socket.writable = True  # type: ignore[misc]
    for participant in (ann, quiet):
        server.session.drained(participant)
    assert wire.said() == [(1, "one"), (2, "two")]
    assert [saved["seq"] for saved in wire.of("chat.saved")] == [1]
    assert quiet._unsent == []
    await server.say("3", "three")
    assert wire.said()[2:] == [(3, "three")]


@pytest.mark.usefixtures("saving")
async def test_past_the_bound_a_full_socket_is_told_to_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for it is bounded; session.state then says that there is more."""
    monkeypatch.setattr(participant_module, "UNSENT_NOTICES", 1_000)
    ann, wire = server.enter()
    wire.writable = False
    for number in range(20):
        await server.say(f"{number}", "x" * 100)
    assert ann._unsent_characters <= 1_000
    wire.writable = True
    server.session.drained(ann)
    told = wire.said()
    assert 0 < len(told) < 20
    assert [state["chat_revision"] for state in wire.of("session.state")] == [20]
    server.command(ann, "chat.read", since=told[-1][0])
    await eventually(lambda: wire.of("chat.messages"), what="the rest")
    rest = wire.of("chat.messages")[0]["messages"]
    assert [message["seq"] for message in rest] == list(range(told[-1][0] + 1, 21))


async def test_who_asks_on_without_reading_loses_its_socket(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer is kept whatever its size; beyond the bound the client has to come back."""
    monkeypatch.setattr(participant_module, "UNSENT_ANSWERS", 1_000)
    ann, wire = server.enter()
    wire.writable = False
    for _ in range(3):
        server.command(ann, "chat.send", client_message_id="1", body="")
    assert wire.closed is None
    for _ in range(20):
        server.command(ann, "chat.send", client_message_id="1", body="")
    assert wire.closed == (1013, "You ask for more than you read.")
    assert ann._unsent_characters <= 1_000


@pytest.mark.usefixtures("saving")
async def test_a_known_id_makes_no_guest_the_author(server: Server) -> None:
    """Everybody reads what messages are called; sending that again is answered, and no more."""
    one, _ = server.enter(GUEST)
    two, wire = server.enter(GUEST)
    server.command(one, "chat.send", client_message_id="secret", body="mine")
    await eventually(lambda: wire.said() == [(1, "mine")])
    server.command(two, "chat.send", client_message_id="secret", body="yours")
    await eventually(lambda: wire.of("chat.saved"))
    server.command(two, "chat.edit", seq=1, body="taken over")
    server.command(two, "chat.delete", seq=1)
    await eventually(lambda: len(wire.of("refused")) == 2)
    assert {refused["code"] for refused in wire.of("refused")} == {"forbidden"}
    server.command(one, "chat.edit", seq=1, body="still mine")
    await eventually(lambda: wire.said()[1:] == [(2, "still mine")])


@pytest.mark.parametrize("bound", ["QUEUE", "QUEUE_CHARACTERS"])
async def test_a_full_queue_refuses_for_now(
    server: Server, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """While Postgres is away memory is bounded; what was taken in is saved, the rest refused."""
    monkeypatch.setattr(chat_module, bound, 5 if bound == "QUEUE" else 500)
    ann, wire = server.enter()
    for number in range(20):
        server.command(ann, "chat.send", client_message_id=f"{number}", body="x" * 100)
    refused = wire.of("refused")
    assert {(one["code"], one["retry_after"]) for one in refused} == {("unavailable", 1.0)}
    assert len(refused) == 15
    with pytest.raises(Overloaded):
        server.say("one more")
    task = asyncio.create_task(server.chat.run())
    await asyncio.wait_for(server.chat.drain(), 10)
    assert [revision for revision, _ in wire.said()] == [1, 2, 3, 4, 5]
    assert server.chat._characters == 0
    await server.say("now")
    task.cancel()


@pytest.mark.usefixtures("saving")
async def test_what_postgres_never_takes_fails_alone(server: Server) -> None:
    """The others of its batch are saved, and nobody is told to try it again."""
    async with server.database.acquire() as connection:
        await connection.execute(
            "alter table chat_messages add constraint polite check (body <> 'damn')"
        )
    ann, wire = server.enter()
    for name, body in (("1", "one"), ("2", "damn"), ("3", "three")):
        server.command(ann, "chat.send", client_message_id=name, body=body)
    await asyncio.wait_for(server.chat.drain(), 10)
    await eventually(lambda: len(wire.of("chat.saved")) == 2)
    assert wire.said() == [(1, "one"), (2, "three")]
    assert [(one["client_message_id"], one["retry_after"]) for one in wire.of("refused")] == [
        ("2", None)
    ]


async def test_a_session_stays_while_its_chat_waits(server: Server) -> None:
    """It is let go, with nobody in it, only once all is saved."""
    saved = server.say("1")
    await server.registry.sweep()
    assert server.registry.peek(LESSON) is server.session
    task = asyncio.create_task(server.chat.run())
    await saved
    await server.chat.drain()
    await server.registry.sweep()
    assert server.registry.peek(LESSON) is None
    task.cancel()


async def test_a_session_deleted_meanwhile(server: Server) -> None:
    """What waits is refused: there is no such session any more."""
    saved = server.say("1")
    async with server.database.acquire() as connection:
        await collaboration.delete(connection, LESSON)
    task = asyncio.create_task(server.chat.run())
    with pytest.raises(NotFound):
        await asyncio.wait_for(saved, 10)
    task.cancel()


async def test_closed_sessions_and_lookers_on_are_refused(server: Server) -> None:
    """Every way to write asks; nothing is queued."""
    chat, session = server.chat, server.session
    writes = (
        lambda who: chat.send(session, who, ChatSend("1", "hello")),
        lambda who: chat.edit(session, who, ChatEdit(1, "hello")),
        lambda who: chat.delete(session, who, ChatDelete(1)),
    )
    for write in writes:
        with pytest.raises(Forbidden):
            write(speaker(role=Role.VIEWER))
    async with server.database.acquire() as connection:
        await collaboration.change(connection, LESSON, Changes(status="ARCHIVED"))
    await server.registry.refresh(LESSON)
    for write in writes:
        with pytest.raises(Closed, match="archived"):
            write(speaker(role=Role.TEACHER))
    assert session.chat_waiting == 0


async def test_rates_are_remembered_for_so_many_people_only(
    database: Database, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is at its bound stays there while others come and go, up to a number of people."""
    monkeypatch.setattr(rates, "MOST_PEOPLE", 10)
    chat = Chat(database, Limits(chat_messages_per_second=1))
    for _ in range(5):
        chat.send(server.session, speaker(), ChatSend("1", "hello"))
    with pytest.raises(TooFast) as error:
        chat.send(server.session, speaker(), ChatSend("1", "hello"))
    assert 0 < error.value.retry_after <= 1
    for number in range(50):
        chat.delete(server.session, speaker(Identity(None, f"{number}", None)), ChatDelete(1))
        assert len(chat._rates) <= 10


async def test_numbers_that_none_can_be(server: Server) -> None:
    """They are refused where they come in, and never trouble the database."""
    ann, wire = server.enter()
    for kind, fields in (
        ("chat.edit", {"seq": 10**30, "body": "x"}),
        ("chat.delete", {"seq": 0}),
        ("chat.read", {"since": -1}),
        ("chat.read", {"since": 2**63}),
        ("chat.history", {"before": 2**64}),
        ("chat.send", {"client_message_id": "1", "body": "x", "reply_to": 10**19}),
    ):
        server.command(ann, kind, **fields)
    assert [refused["code"] for refused in wire.of("refused")] == ["invalid"] * 6


async def test_one_page_at_a_time(server: Server) -> None:
    """Who asks for more before it has its answer is told to wait; a failing read says so."""
    ann, wire = server.enter()
    for _ in range(3):
        server.command(ann, "chat.read")
    await eventually(lambda: wire.of("chat.messages"))
    assert [refused["code"] for refused in wire.of("refused")] == ["too_fast"] * 2
    await server.database.close()
    server.command(ann, "chat.history")
    await eventually(lambda: len(wire.of("refused")) == 3)
    last = wire.of("refused")[-1]
    assert (last["request"], last["code"], last["retry_after"]) == (
        "chat.history",
        "unavailable",
        1.0,
    )
