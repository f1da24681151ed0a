"""Chat with real clients: one order for everybody, each message once, whatever breaks."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from server.domain.roles import Role
from server.persistence.embedded import EmbeddedPostgres
from server.sessions.tokens import make_token
from tests.clients.driver import Driver, Kind
from tests.integration.clients.accounts import SECRET, token
from tests.integration.clients.chatting import Chatter, all_equal
from tests.integration.clients.kinds import HOCUSPOCUS
from tests.support.server import LyceumServer

SEED = 20261125
STORED = """
select seq, revision, user_id, client_message_id, coalesce(body, '') as body
from chat_messages
join collaboration_sessions on collaboration_sessions.id = session_id
where collaboration_sessions.name = $1
order by seq
"""


def person(user: str, role: Role = Role.EDITOR) -> str:
    """A token of somebody with a name, for all sessions."""
    return make_token(SECRET, user, user.title(), {"*": role}, 600.0)


async def stored(server: LyceumServer, session: str) -> list[dict[str, Any]]:
    """The chat of a session as the table has it."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(STORED, session)
    await connection.close()
    return [dict(row) for row in rows]


def as_stored(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a client shows, in the columns of `stored`."""
    names = {"user_id": "user"}
    columns = ("seq", "revision", "user_id", "client_message_id", "body")
    return [{column: m[names.get(column, column)] for column in columns} for m in shown]


async def test_everybody_present_is_told_once(guarded: LyceumServer, driver: Driver) -> None:
    """Names come from the token; the sender hears that it is saved; y-websocket hears nothing."""
    session = "chat"
    chatters = [
        Chatter(await driver.join(kind, guarded.ws, session, token=person(f"user-{kind}")))
        for kind in HOCUSPOCUS
    ]
    quiet = await driver.join("yws", guarded.ws, session, token=person("quiet"))
    printed = await driver.printed()
    await chatters[0].say("m1", "  hello 👋 <b>you</b>\r\n ", mentions=["user-hp3", "user-hp3"])
    await chatters[0].settle()
    await chatters[1].say("m1", "the same id of another person", reply_to=1)
    await chatters[1].settle()
    first, second = await all_equal(*chatters)
    assert (first["body"], first["name"]) == ("hello 👋 <b>you</b>", "User-Hp2")
    assert (first["user"], first["mentions"]) == ("user-hp2", ["user-hp3"])
    assert (second["seq"], second["reply_to"]) == (2, 1)
    for chatter in chatters:
        assert chatter.broadcasts == [(1, 1), (2, 2)]
    await quiet.insert("still connected")
    await chatters[0].client.wait_text(equals="still connected")
    assert await driver.printed() == printed
    assert (await quiet.info())["sockets_opened"] == 1


async def test_random_breaks_lose_and_double_nothing(guarded: LyceumServer, driver: Driver) -> None:
    """Three people chat while their sockets are cut: equal lists, equal to the table, once each."""
    rng = random.Random(SEED)
    session = "broken chat"
    chatters = [
        Chatter(
            await driver.join(kind, guarded.ws, session, token=person(f"user-{kind}")), patient=True
        )
        for kind in HOCUSPOCUS
    ]
    said: dict[str, str] = {}

    async def chat(number: int, chatter: Chatter) -> None:
        for count in range(8):
            name = f"{number}-{count}"
            said[name] = f"message {name}{'x' * rng.randrange(50)}"
            await chatter.say(name, said[name])
            if rng.random() < 0.5:
                await chatter.client.terminate(reset=rng.random() < 0.5)
            await chatter.settle()

    await asyncio.gather(*(chat(number, chatter) for number, chatter in enumerate(chatters)))
    for chatter in chatters:
        await chatter.catch_up()
        assert chatter.refused == []
    shown = await all_equal(*chatters)
    assert [message["seq"] for message in shown] == list(range(1, len(said) + 1))
    assert {message["client_message_id"]: message["body"] for message in shown} == said
    assert as_stored(shown) == await stored(guarded, session)
    for chatter in chatters:
        assert len(set(chatter.broadcasts)) == len(chatter.broadcasts)


async def test_edits_and_deletions(guarded: LyceumServer, driver: Driver) -> None:
    """One's own; a teacher anyone's; nobody else. A deleted body is gone from the table as well."""
    session = "edits"
    ann, bob, eve = [
        Chatter(await driver.join("hp4", guarded.ws, session, token=person(user, role)))
        for user, role in (
            ("ann", Role.COMMENTER),
            ("bob", Role.EDITOR),
            ("eve", Role.TEACHER),
        )
    ]
    for name, body in (("a1", "first"), ("a2", "secret")):
        await ann.say(name, body)
        await ann.settle()
    await bob.command(type="chat.edit", seq=1, body="not mine", client_message_id="b1")
    await bob.command(type="chat.delete", seq=1, client_message_id="b2")
    await ann.command(type="chat.edit", seq=1, body="first, better")
    await eve.command(type="chat.delete", seq=2)
    await ann.settle()
    await bob.settle()
    await eve.settle()
    for chatter in (ann, bob, eve):
        await chatter.catch_up()
    first, second = await all_equal(ann, bob, eve)
    assert first["body"] == "first, better"
    assert first["edited_at"]
    assert (second["body"], second["deleted_at"] is not None) == ("", True)
    assert [(r["client_message_id"], r["code"]) for r in bob.refused] == [
        ("b1", "forbidden"),
        ("b2", "forbidden"),
    ]
    assert as_stored([first, second]) == await stored(guarded, session)


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_refusals_say_why(guarded: LyceumServer, driver: Driver, kind: Kind) -> None:
    """Each with a code, a reason and the name of the message; the socket stays open."""
    session = f"refusals {kind}"
    viewer = Chatter(
        await driver.join(kind, guarded.ws, session, token=token(session, Role.VIEWER))
    )
    await viewer.say("v", "may I?")
    await viewer.settle()
    writer = Chatter(await driver.join(kind, guarded.ws, session, token=person(f"w-{kind}")))
    await writer.say("long", "x" * 4_001)
    await writer.say("blank", " \n ")
    await writer.say("reply", "to whom?", reply_to=7)
    await writer.say("n" * 65, "whose name is too long")
    await writer.say("bell", "ding\a")
    await writer.command(type="chat.delete", seq=9, client_message_id="gone")
    await writer.command(type="chat.dance")
    await writer.client.send_stateless("no JSON")
    await writer.settle()
    for chatter in (viewer, writer):
        await chatter.catch_up()
        assert (await chatter.client.info())["sockets_opened"] == 1
    assert [(r["client_message_id"], r["code"]) for r in viewer.refused] == [("v", "forbidden")]
    assert {r["client_message_id"] or r["reason"][:16]: r["code"] for r in writer.refused} == {
        "long": "too_long",
        "blank": "invalid",
        "reply": "not_found",
        "n" * 65: "invalid",
        "bell": "invalid",
        "gone": "not_found",
        "This is no messa": "invalid",
    }
    assert await stored(guarded, session) == []


async def test_too_many_messages_are_refused_for_a_moment(
    guarded: LyceumServer, driver: Driver
) -> None:
    """Whoever sends faster than allowed hears after what time it may; two windows count as one."""
    session = "fast"
    windows = [
        Chatter(await driver.join("hp4", guarded.ws, session, token=person("fast")))
        for _ in range(2)
    ]
    for count in range(8):
        for number, window in enumerate(windows):
            await window.say(f"{number}-{count}", "quick")
    for window in windows:
        await window.settle()
    refused = [r for window in windows for r in window.refused]
    assert refused
    assert {r["code"] for r in refused} == {"too_fast"}
    assert all(0 < r["retry_after"] <= 1 for r in refused)
    assert len(await stored(guarded, session)) == 16 - len(refused)


async def test_a_guest_changes_its_own_messages_only(server: LyceumServer, driver: Driver) -> None:
    """A guest is called what it calls itself, and another guest is somebody else."""
    session = "guests chat"
    one, two = [Chatter(await driver.join("hp4", server.ws, session)) for _ in range(2)]
    await one.say("one", "mine", name="Guest\u202e One")
    await one.settle()
    await two.command(type="chat.edit", seq=1, body="yours", client_message_id="two")
    await two.settle()
    await one.command(type="chat.edit", seq=1, body="mine, better")
    await two.catch_up()
    await one.settle()
    (message,) = await all_equal(one, two)
    assert (message["user"], message["name"]) == (None, "Guest One")
    assert message["body"] == "mine, better"
    assert [r["code"] for r in two.refused] == ["forbidden"]


async def test_history_goes_back_page_by_page(guarded: LyceumServer, driver: Driver) -> None:
    """The newest first, then what was before, each message once."""
    session = "history"
    pages = 0
    writers = [
        Chatter(await driver.join("hp4", guarded.ws, session, token=person(f"writer-{number}")))
        for number in range(3)
    ]
    for count in range(7):
        for number, writer in enumerate(writers):
            await writer.say(f"{number}-{count}", f"{count}")
    for writer in writers:
        await writer.settle()
    reader = Chatter(await driver.join("hp4", guarded.ws, session, token=person("reader")))
    seen: list[int] = []
    before: int | None = None
    while True:
        held = set(reader.messages)
        await reader.command(type="chat.history", before=before, limit=4)
        answers = reader.answers + 1
        while reader.answers < answers:
            await reader.look()
        page = sorted(set(reader.messages) - held)
        if not page:
            break
        seen = [*page, *seen]
        before = page[0]
        pages += 1
    assert seen == list(range(1, 22))
    assert pages == 6
