"""From clients in a session to a receiver: what is told, to whom, and what never is."""

from typing import Any

from server.domain.roles import Role
from server.sessions.access import make_token
from tests.clients.driver import Driver
from tests.integration.webhooks.api import SECRET, Api
from tests.support.receiver import Receiver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

TYPED = "pragma solidity"


def person(user: str) -> str:
    return make_token(SECRET, user, user.title(), {"*": Role.EDITOR}, 600.0)


def editors(receiver: Receiver) -> set[str]:
    """Who is said to have changed something."""
    changes = receiver.events("session.changed")
    return {who["user"] for change in changes for who in change["participants"]}


async def test_the_life_of_a_session(
    server: LyceumServer, teacher: Api, receiver: Receiver, driver: Driver
) -> None:
    """Opened once, changed, chatted in, closed after the last one left; the text is never told."""
    hook = await teacher.hook(receiver.url, "life*")
    elsewhere = await driver.join("hp4", server.ws, "elsewhere", token=person("eve"))
    ann = await driver.join("hp4", server.ws, "life", token=person("ann"))
    bob = await driver.join("yws", server.ws, "life", token=person("bob"))
    await elsewhere.insert(TYPED)
    await ann.insert(TYPED)
    await bob.insert(TYPED)
    await eventually(lambda: editors(receiver) == {"ann", "bob"})
    said = {"body": "look, @bob", "mentions": ["bob"]}
    assert (await teacher("POST", "/sessions/life/chat", said)).status == 201
    edited = await teacher("PATCH", "/sessions/life/chat/1", {"body": "look"})
    assert edited.status == 200
    assert (await teacher("DELETE", "/sessions/life/chat/1")).status in (200, 204)
    await eventually(lambda: len(receiver.events("chat.message")) == 3)
    await elsewhere.destroy()
    await ann.destroy()
    await bob.insert(TYPED)
    await bob.destroy()
    (closed,) = await eventually(lambda: receiver.events("session.closed"))

    (opened,) = receiver.events("session.opened")
    assert (opened["session"], opened["participant"]["user"]) == ("life", "ann")
    assert opened["participant"]["name"] == "Ann"
    assert closed == {"session": "life"}
    last = receiver.events("session.changed")[-1]
    assert [who["user"] for who in last["participants"]] == ["bob"]
    chats = receiver.events("chat.message")
    told = sorted((chat["message"]["revision"], chat["action"]) for chat in chats)
    assert told == [(1, "new"), (2, "edited"), (3, "deleted")]
    assert {chat["message"]["user"] for chat in chats} == {"ann"}
    assert next(chat for chat in chats if chat["action"] == "new")["message"]["mentions"] == ["bob"]
    assert all(got.is_signed(hook["secret"]) for got in receiver.got)
    assert {got.event["data"]["session"] for got in receiver.got} == {"life"}
    assert not any(TYPED.encode() in got.body for got in receiver.got)


async def test_an_edit_over_rest_is_a_change(
    server: LyceumServer, teacher: Api, receiver: Receiver
) -> None:
    """By whoever the token says; nobody came in, so nothing opened or closed."""
    await teacher.hook(receiver.url, "rest")
    made = await teacher("POST", "/sessions", {"name": "rest", "starting_code": TYPED})
    assert made.status == 201
    put = await teacher("PUT", "/sessions/rest/document/text", {"text": "new"})
    assert put.status == 200
    (changed,) = await eventually(lambda: receiver.events("session.changed"))
    assert [who["user"] for who in changed["participants"]] == ["ann"]
    assert {got.event["type"] for got in receiver.got} == {"session.changed"}


async def test_what_nothing_was_to_be_told_of(
    server: LyceumServer, teacher: Api, receiver: Receiver, driver: Driver
) -> None:
    """Only the kinds asked for come, and none while the webhook is paused."""
    hook = await teacher.hook(receiver.url, "some", events=["session.closed"])
    path = f"/webhooks/{hook['id']}"

    async def visit() -> None:
        client = await driver.join("hp4", server.ws, "some", token=person("ann"))
        await client.insert(TYPED)
        await client.destroy()

    await visit()
    await eventually(lambda: receiver.events("session.closed"))
    await teacher("PATCH", path, {"status": "PAUSED"})
    opened = await server.metric("lyceum_sessions_opened_total")
    await visit()

    async def let_go() -> bool:
        return await server.metric("lyceum_sessions_open") == 0

    assert await server.metric("lyceum_sessions_opened_total") > opened
    await eventually(let_go)
    await teacher("PATCH", path, {"status": "ACTIVE"})
    tested: Any = (await teacher("POST", f"{path}/test")).body
    await eventually(lambda: receiver.got[-1].id == tested["id"])
    assert [got.event["type"] for got in receiver.got] == ["session.closed", "webhook.test"]


async def test_metrics(server: LyceumServer, teacher: Api, receiver: Receiver) -> None:
    """What was delivered and what was not is counted by outcome."""
    hook = await teacher.hook(receiver.url, "counted")
    receiver.answers.extend([500, 410])
    for _ in range(2):
        await teacher("POST", f"/webhooks/{hook['id']}/test")
    await eventually(lambda: len(receiver.got) >= 2)

    async def counted() -> bool:
        _, text = await server.get("/metrics")
        kinds = [f'lyceum_webhook_deliveries_total{{outcome="{kind}"}}' for kind in KINDS]
        return all(kind in text for kind in kinds)

    async def nothing_waits() -> bool:
        return await server.metric("lyceum_webhook_events_queued") == 0

    await eventually(counted)
    await eventually(nothing_waits)


KINDS = ("retried", "gone")
