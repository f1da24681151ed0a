"""Activity from sockets and requests to the rows, and over REST to those who may read it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from server.domain.roles import Role
from tests.clients.driver import Driver
from tests.integration.clients.notices import notices
from tests.integration.clients.raw import raw_client
from tests.support.api import SECRET, Api
from tests.support.server import LyceumServer
from tests.support.waiting import eventually


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens and saves activity almost at once."""
    environ = {
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_GUESTS": "editor",
        "LYCEUM_ACTIVITY_SECONDS": "0.1",
    }
    async with LyceumServer(tmp_path_factory.mktemp("active"), environ) as server:
        yield server


@pytest.fixture
def teacher(server: LyceumServer) -> Api:
    """A teacher of all sessions."""
    return Api(server, {"*": Role.TEACHER}, "eve")


@pytest.fixture
def ann(server: LyceumServer) -> Api:
    """An editor."""
    return Api(server, {"*": Role.EDITOR})


async def made(teacher: Api, name: str) -> str:
    """A new session's path."""
    answer = await teacher("POST", "/sessions", {"name": name})
    assert answer.status == 201, answer
    return f"/sessions/{name}"


async def totals(api: Api, path: str, query: str = "") -> dict[str, int]:
    """What the last hour counts up to."""
    answer = await api("GET", f"{path}/activity?seconds=3600{query}")
    assert answer.status == 200, answer
    sums: dict[str, int] = {}
    for interval in answer.body["intervals"]:
        for name, value in interval.items():
            if name != "start":
                sums[name] = sums.get(name, 0) + value
    return sums


def shown(sums: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in sums.items() if count}


async def test_what_happens_in_a_session_is_shown(
    server: LyceumServer, teacher: Api, ann: Api, driver: Driver
) -> None:
    """Joins, leaves, characters, chat, runs and roles, of sockets and of requests."""
    path = await made(teacher, "shown")
    bob = Api(server, {"*": Role.EDITOR}, "bob", "Bob")
    client = await driver.join("hp4", server.ws, "shown", token=bob.token)
    await client.insert("hello 👋")
    await client.send_stateless(
        json.dumps({"type": "run.report", "outcome": "failed", "seconds": 0.1})
    )
    await client.send_stateless(
        json.dumps({"type": "chat.send", "client_message_id": "1", "body": "look"})
    )
    async with raw_client(server, "shown"):
        pass
    assert (await ann("PUT", f"{path}/document/text", {"text": "HELLO"})).status == 200
    assert (await ann("POST", f"{path}/runs", {"outcome": "passed"})).status == 202
    assert (await teacher("PUT", f"{path}/participants/bob", {"role": "viewer"})).status == 204
    assert (await teacher("DELETE", f"{path}/participants/bob")).status == 204
    await client.destroy()

    async def all_of_it() -> bool:
        return shown(await totals(teacher, path)) == {
            "joins": 2,
            "leaves": 2,
            "updates": 2,
            "inserted": 13,
            "deleted": 8,
            "messages": 1,
            "runs_passed": 1,
            "runs_failed": 1,
            "roles": 2,
        }

    await eventually(all_of_it)
    answer = await teacher("GET", f"{path}/activity/participants")
    people = {person["user"]: person for person in answer.body["participants"]}
    assert set(people) == {"ann", "bob", None}
    assert people["bob"]["name"] == "Bob"
    assert people["bob"]["first_at"] < people["bob"]["last_at"]
    assert (people["bob"]["inserted"], people["bob"]["runs_failed"]) == (8, 1)
    assert (people["ann"]["inserted"], people["ann"]["deleted"]) == (5, 8)
    assert (people["ann"]["joins"], people["ann"]["runs_passed"]) == (0, 1)
    assert people[None]["guest"]
    assert (people[None]["joins"], people[None]["leaves"], people[None]["updates"]) == (1, 1, 0)
    assert not answer.body["more"]
    first = await teacher("GET", f"{path}/activity/participants?limit=1")
    assert len(first.body["participants"]) == 1
    assert first.body["more"]


async def test_intervals(server: LyceumServer, teacher: Api, ann: Api) -> None:
    """They begin at `from`; what is outside the time asked for is not in them."""
    path = await made(teacher, "intervals")
    assert (await ann("POST", f"{path}/runs", {"outcome": "error"})).status == 202
    await eventually(lambda: totals(teacher, path))
    now = datetime.now(UTC)

    async def asked(start: datetime, end: datetime, seconds: int) -> Any:
        query = f"from={quote(start.isoformat())}&to={quote(end.isoformat())}&seconds={seconds}"
        answer = await teacher("GET", f"{path}/activity?{query}")
        assert answer.status == 200, answer
        return answer.body

    body = await asked(now - timedelta(seconds=300), now, 7)
    (interval,) = body["intervals"]
    start = datetime.fromisoformat(interval["start"])
    assert interval["runs_error"] == 1
    assert (start - datetime.fromisoformat(body["since"])).total_seconds() % 7 == 0
    assert (await asked(now, now + timedelta(days=1), 60))["intervals"] == []


BAD = [
    "seconds=0",
    "seconds=1.5",
    "seconds=86401",
    "from=yesterday",
    "from=2026-03-01T10:00:00",
    "from=2026-03-01T10:00:00Z&to=2026-03-01T10:00:00Z",
    "from=2026-03-02T10:00:00Z&to=2026-03-01T10:00:00Z",
    "from=2026-01-01T00:00:00Z&to=2026-03-01T10:00:00Z",
    "from=0001-01-01T00:00:00%2B14:00",
    "to=0001-01-01T00:00:00Z",
    "to=9999-12-31T23:59:59-14:00",
    "from=null",
    "to=null",
    "to=",
    f"user={256 * 'x'}",
    "user=a%00b",
    "user=",
]


@pytest.mark.parametrize("query", BAD)
async def test_what_can_not_be_asked(teacher: Api, query: str) -> None:
    """It is refused with a problem that says what is wrong."""
    answer = await teacher("GET", f"/sessions/asked/activity?{query}")
    if answer.status == 404:
        await made(teacher, "asked")
        answer = await teacher("GET", f"/sessions/asked/activity?{query}")
    assert answer.status == 400, answer
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.body["detail"]


async def test_who_may_read(server: LyceumServer, teacher: Api, ann: Api) -> None:
    """Teachers all, users what they did themselves, guests nothing."""
    path = await made(teacher, "private")
    assert (await ann("POST", f"{path}/runs", {"outcome": "passed"})).status == 202
    assert (await teacher("POST", f"{path}/runs", {"outcome": "failed"})).status == 202

    async def both() -> bool:
        return shown(await totals(teacher, path)) == {"runs_passed": 1, "runs_failed": 1}

    await eventually(both)
    assert shown(await totals(ann, path, "&user=ann")) == {"runs_passed": 1}
    assert shown(await totals(teacher, path, "&user=ann")) == {"runs_passed": 1}
    guest = Api(server, None)
    for who in (ann, guest):
        for question in ("activity", "activity?user=eve", "activity/participants"):
            answer = await who("GET", f"{path}/{question}")
            assert answer.status == 403, (question, answer)
            assert "teacher" in answer.body["detail"]
    assert (await teacher("GET", "/sessions/nothing/activity")).status == 404


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"outcome": "won"},
        {"outcome": "passed", "seconds": -1},
        {"outcome": "passed", "seconds": 1e9},
        {"outcome": "passed", "language": 65 * "x"},
        {"outcome": "passed", "language": "a\x00b"},
        {"outcome": "passed", "more": 1},
    ],
)
async def test_runs_that_are_none(
    server: LyceumServer, teacher: Api, driver: Driver, run: dict[str, Any]
) -> None:
    """They are refused with the reason, over REST and over the socket."""
    if (await teacher("GET", "/sessions/runs")).status == 404:
        await made(teacher, "runs")
    answer = await teacher("POST", "/sessions/runs/runs", run)
    assert answer.status == 400, answer
    if "more" in run:
        return
    client = await driver.join("hp4", server.ws, "runs", token=teacher.token)
    await client.send_stateless(json.dumps({"type": "run.report", **run}))
    (refused,) = await eventually(lambda: notices(client, "refused"))
    assert refused["code"] == "invalid"
    assert refused["reason"]
    await client.destroy()


async def test_runs_have_a_rate(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """A user who reports many is told to wait, wherever it does; others are not. Viewers too."""
    path = await made(teacher, "often")
    bob = Api(server, {"*": Role.VIEWER}, "bob")
    client = await driver.join("hp4", server.ws, "often", token=bob.token)
    for _ in range(20):
        await client.send_stateless(json.dumps({"type": "run.report", "outcome": "passed"}))
    refused = await eventually(lambda: notices(client, "refused"))
    assert {(notice["request"], notice["code"]) for notice in refused} == {
        ("run.report", "too_fast")
    }
    assert all(0 < notice["retry_after"] <= 1 for notice in refused)
    answers = [await bob("POST", f"{path}/runs", {"outcome": "passed"}) for _ in range(8)]
    slowed = [answer for answer in answers if answer.status == 429]
    assert slowed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in slowed)
    assert (await teacher("POST", f"{path}/runs", {"outcome": "passed"})).status == 202
    await client.destroy()


async def test_participants_are_listed_with_their_times(
    server: LyceumServer, teacher: Api, driver: Driver
) -> None:
    """Users who are there at once, present and seen now; those who left when they were."""
    path = await made(teacher, "listed")
    tokens = {
        user: Api(server, {"*": Role.EDITOR}, user, user.title()).token
        for user in ("ann", "bob", "cy")
    }
    clients = {
        user: await driver.join("hp4", server.ws, "listed", token=token)
        for user, token in tokens.items()
    }
    async with raw_client(server, "listed"):
        guest, *users = (await teacher("GET", f"{path}/participants")).body["items"]
    assert (guest["user"], guest["present"]) == (None, True)
    assert guest["first_seen_at"] <= guest["last_seen_at"]
    assert [(user["user"], user["name"], user["present"]) for user in users] == [
        ("ann", "Ann", True),
        ("bob", "Bob", True),
        ("cy", "Cy", True),
    ]
    assert all(user["first_seen_at"] < user["last_seen_at"] for user in users)
    await clients["bob"].destroy()

    async def bob() -> Any:
        first = await teacher("GET", f"{path}/participants?limit=1")
        page = await teacher("GET", f"{path}/participants?limit=1&cursor={first.body['next']}")
        (bob,) = page.body["items"]
        return bob if not bob["present"] and bob["last_seen_at"] else None

    left = await eventually(bob)
    assert left["user"] == "bob"
    assert users[1]["first_seen_at"][:21] <= left["first_seen_at"][:21] < left["last_seen_at"]
    mine = await Api(server, {"*": Role.EDITOR}, "bob", "Bob")("GET", "/sessions")
    assert "listed" in [session["name"] for session in mine.body["items"]]
    await driver_gone(clients["ann"], clients["cy"])


async def driver_gone(*clients: Any) -> None:
    """These leave."""
    for client in clients:
        await client.destroy()
