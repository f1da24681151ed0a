"""Chat over REST: those who are there hear it, and it is the same chat."""

import asyncio
from typing import Any

import pytest

from server.domain.roles import Role
from tests.clients.driver import Driver
from tests.integration.clients.notices import newest, notices
from tests.support.api import Api
from tests.support.server import LyceumServer


@pytest.fixture
def teacher(server: LyceumServer, request: pytest.FixtureRequest) -> Api:
    """A teacher whom no other test has hurried."""
    return Api(server, {"*": Role.TEACHER}, request.node.name)


async def read(api: Api, name: str, query: str = "") -> Any:
    """A page of the chat."""
    answer = await api("GET", f"/sessions/{name}/chat{query}")
    assert answer.status == 200, answer
    return answer.body


async def test_live_clients_hear_it(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """What is said, edited and deleted over REST, as what was answered."""
    await teacher.make("heard")
    client = await driver.join("hp4", server.ws, "heard", token=teacher.token)
    path = "/sessions/heard/chat"
    said = await teacher("POST", path, {"body": " hello\r\n", "mentions": ["bob", "bob"]})
    assert said.status == 201
    assert (said.body["body"], said.body["mentions"], said.body["seq"]) == ("hello", ["bob"], 1)
    assert (await newest(client, "chat.message"))["message"] == said.body
    edited = await teacher("PATCH", f"{path}/1", {"body": "hello all"})
    assert (edited.status, edited.body["body"]) == (200, "hello all")
    await newest(client, "chat.message", message=edited.body)
    assert (await teacher("DELETE", f"{path}/1")).status == 204
    (gone,) = (await read(teacher, "heard"))["messages"]
    assert (gone["body"], gone["deleted_at"] is None) == ("", False)
    await newest(client, "chat.message", message=gone)
    for method, body in (("PATCH", {"body": "x"}), ("DELETE", None)):
        assert (await teacher(method, f"{path}/99", body)).problem == (404, "Not found")


async def test_sent_twice_is_said_once(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """Under one client_message_id, at the same moment too; the answer is that of the first."""
    await teacher.make("repeated")
    client = await driver.join("hp4", server.ws, "repeated", token=teacher.token)
    path, body = "/sessions/repeated/chat", {"body": "once", "client_message_id": "m1"}
    answers = await asyncio.gather(*(teacher("POST", path, body) for _ in range(4)))
    answers.append(await teacher("POST", path, body | {"body": "twice"}))
    assert {answer.status for answer in answers} == {201}
    assert len({str(answer.body) for answer in answers}) == 1
    other = await Api(server, {"*": Role.COMMENTER}, "bob", "Bob")("POST", path, body)
    assert (other.status, other.body["seq"]) == (201, 2)
    messages = (await read(teacher, "repeated"))["messages"]
    assert [(message["user"], message["body"]) for message in messages] == [
        (messages[0]["user"], "once"),
        ("bob", "once"),
    ]
    await newest(client, "chat.message", message=messages[-1])
    assert [notice["message"] for notice in await notices(client, "chat.message")] == messages


async def test_whose_messages(server: LyceumServer, teacher: Api) -> None:
    """One's own are changed by oneself, all by a teacher, a guest's by no guest over REST."""
    await teacher.make("owned")
    path = "/sessions/owned/chat"
    bob, eve = (Api(server, {"*": Role.COMMENTER}, user) for user in ("bob", "eve"))
    guest = Api(server, None)
    for api in (bob, guest):
        assert (await api("POST", path, {"body": "mine"})).status == 201
    for seq in (1, 2):
        for method, body in (("PATCH", {"body": "eve's"}), ("DELETE", None)):
            assert (await eve(method, f"{path}/{seq}", body)).problem == (403, "Forbidden")
            assert (await guest(method, f"{path}/{seq}", body)).problem == (403, "Forbidden")
    assert (await bob("PATCH", f"{path}/1", {"body": "still mine"})).status == 200
    for seq in (1, 2):
        assert (await teacher("DELETE", f"{path}/{seq}")).status == 204


async def test_pages(server: LyceumServer, teacher: Api) -> None:
    """Back through the order of the chat, and on through the order of changes."""
    await teacher.make("paged")
    path = "/sessions/paged/chat"
    people = [Api(server, {"*": Role.TEACHER}, f"pager-{number}") for number in range(3)]
    for number in range(12):
        said = await people[number % 3]("POST", path, {"body": f"m{number}"})
        assert said.status == 201
    assert (await people[0]("PATCH", f"{path}/2", {"body": "m1 again"})).status == 200
    back: list[int] = []
    query, more = "?limit=5", True
    while more:
        page = await read(teacher, "paged", query)
        back = [message["seq"] for message in page["messages"]] + back
        more, query = page["more"], f"?limit=5&before={back[0]}"
    assert back == list(range(1, 13))
    news: dict[int, Any] = {}
    since, more = 0, True
    while more:
        page = await read(teacher, "paged", f"?limit=5&since={since}")
        for message in page["messages"]:
            assert message["revision"] > since
            since = message["revision"]
            news[message["seq"]] = message
        more = page["more"]
    assert sorted(news) == list(range(1, 13))
    assert (news[2]["body"], since) == ("m1 again", 13)
    assert (await read(teacher, "paged", "?since=13")) == {"messages": [], "more": False}


async def test_what_can_not_be_said(teacher: Api) -> None:
    """Is refused with what is allowed."""
    await teacher.make("strict")
    for body, problem in (
        ({"body": "x" * 101}, (413, "Too long")),
        ({"body": " \n"}, (400, "Bad request")),
        ({"body": ""}, (400, "Invalid")),
        ({"body": "a\0"}, (400, "Bad request")),
        ({"body": "a", "client_message_id": ""}, (400, "Invalid")),
        ({"body": "a", "client_message_id": "x" * 65}, (400, "Invalid")),
        ({"body": "a", "client_message_id": "a\nb"}, (400, "Bad request")),
        ({"body": "a", "reply_to": 0}, (400, "Invalid")),
        ({"body": "a", "reply_to": 7}, (404, "Not found")),
        ({"body": "a", "mentions": ["b"] * 51}, (400, "Invalid")),
        ({"body": "a", "mentions": [""]}, (400, "Invalid")),
        ({"body": "a", "mentions": [7]}, (400, "Invalid")),
    ):
        assert (await teacher("POST", "/sessions/strict/chat", body)).problem == problem, body
    assert (await read(teacher, "strict"))["messages"] == []


async def test_too_fast(server: LyceumServer, teacher: Api) -> None:
    """Whoever says too much at once is told how long to wait; others speak on."""
    await teacher.make("hasty")
    hasty = Api(server, {"*": Role.EDITOR}, "hasty")
    path = "/sessions/hasty/chat"
    answers = await asyncio.gather(
        *(hasty("POST", path, {"body": f"{number}"}) for number in range(30))
    )
    refused = [answer for answer in answers if answer.status != 201]
    assert len(refused) >= 10
    for answer in refused:
        assert answer.problem == (429, "Too fast")
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert (await teacher("POST", path, {"body": "slowly"})).status == 201
