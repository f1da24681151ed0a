"""Webhooks over REST: who may do what, and what comes of it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from server.domain.roles import Role
from tests.integration.webhooks.api import SECRET, Api
from tests.support.receiver import Receiver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

URL = "http://127.0.0.1:9/"
EVENTS = ["session.opened", "session.changed", "session.closed", "chat.message"]
A, AB = {"a*": Role.TEACHER}, {"ab*": Role.TEACHER}


async def test_the_secret_is_shown_once(teacher: Api) -> None:
    """When the webhook is made; all else can be read again."""
    answer = await teacher("POST", "/webhooks", {"url": URL, "sessions": "lesson*"})
    assert answer.status == 201
    assert answer.headers["Cache-Control"] == "no-store"
    made, secret = answer.body["webhook"], answer.body["secret"]
    assert secret.startswith("whsec_")
    assert (made["url"], made["sessions"], made["events"]) == (URL, "lesson*", EVENTS)
    assert (made["status"], made["owner"], made["version"]) == ("ACTIVE", "ann", 1)
    again = await teacher("GET", f"/webhooks/{made['id']}")
    assert (again.status, again.body, again.headers["ETag"]) == (200, made, '"1"')
    assert secret not in str(again)


async def test_they_are_changed_by_version(teacher: Api) -> None:
    """With If-Match only the version that was read; what is not mentioned stays."""
    made = await teacher.hook(URL)
    path = f"/webhooks/{made['id']}"
    paused = await teacher("PATCH", path, {"status": "PAUSED"}, if_match='"1"')
    assert (paused.status, paused.body["status"], paused.body["url"]) == (200, "PAUSED", URL)
    assert paused.headers["ETag"] == '"2"'
    stale = await teacher("PATCH", path, {"status": "ACTIVE"}, if_match='"1"')
    assert (stale.status, stale.body["title"]) == (412, "Version mismatch")
    changed = await teacher("PATCH", path, {"events": ["chat.message"], "sessions": "b"})
    assert (changed.body["events"], changed.body["sessions"]) == (["chat.message"], "b")


async def test_deleted_is_gone(teacher: Api) -> None:
    """It can't be found any more, as one that never was."""
    made = await teacher.hook(URL)
    assert (await teacher("DELETE", f"/webhooks/{made['id']}")).status == 204
    for id in (made["id"], uuid4()):
        assert (await teacher("GET", f"/webhooks/{id}")).status == 404
        assert (await teacher("DELETE", f"/webhooks/{id}")).status == 404
        assert (await teacher("PATCH", f"/webhooks/{id}", {})).status == 404
        assert (await teacher("POST", f"/webhooks/{id}/test")).status == 404


@pytest.mark.parametrize(
    ("grants", "pattern", "status"),
    [
        ({"*": Role.TEACHER}, "*", 201),
        (A, "a1", 201),
        (A, "ab*", 201),
        (AB, "a*", 403),
        (A, "*", 403),
        (A, "b", 403),
        ({"a*": Role.EDITOR}, "a1", 403),
        ({"*": Role.TEACHER, "a1": Role.VIEWER}, "*", 403),
        (None, "a", 401),
    ],
)
async def test_who_may_make_one(
    server: LyceumServer, grants: dict[str, Role] | None, pattern: str, status: int
) -> None:
    """Who shows a token that says teacher for all sessions of it; guests may not."""
    answer = await Api(server, grants)("POST", "/webhooks", {"url": URL, "sessions": pattern})
    assert answer.status == status


async def test_who_may_do_anything_else(server: LyceumServer) -> None:
    """The same people; nobody else sees that it is there, nor widens what they have."""
    owner, narrower, guest = Api(server, A), Api(server, AB), Api(server, None)
    made = await owner.hook(URL, "a*")
    path = f"/webhooks/{made['id']}"
    for method, below in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/deliveries"),
        ("POST", "/test"),
        ("POST", f"/deliveries/{uuid4()}/redeliver"),
    ):
        body: dict[str, Any] | None = {} if method == "PATCH" else None
        assert (await narrower(method, path + below, body)).status == 403
        assert (await guest(method, path + below, body)).status == 401
    listed = (await narrower("GET", "/webhooks?limit=200")).body["items"]
    assert made["id"] not in [hook["id"] for hook in listed]
    assert (await guest("GET", "/webhooks")).status == 401
    mine = await narrower.hook(URL, "ab1")
    wider = await narrower("PATCH", f"/webhooks/{mine['id']}", {"sessions": "a*"})
    assert wider.status == 403


async def test_they_are_listed_by_pages(server: LyceumServer) -> None:
    """Newest first, each once, only the caller's."""
    mine, others = Api(server, {"paged*": Role.TEACHER}), Api(server, {"*": Role.TEACHER})
    made = []
    for number in range(5):
        made.append((await mine.hook(URL, f"paged{number}"))["id"])
        await others.hook(URL, "other")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await mine("GET", f"/webhooks?limit=2{cursor}")).body
        seen += [hook["id"] for hook in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"url": "ftp://a.example/", "sessions": "a"}, "https://"),
        ({"url": "http://user:pw@127.0.0.1/", "sessions": "a"}, "user name"),
        ({"url": "http://2130706433/", "sessions": "a"}, "four decimal numbers"),
        ({"url": "http://lyceum.invalid/", "sessions": "a"}, "no address"),
        ({"url": URL, "sessions": "a\n"}, "session's name"),
        ({"url": URL, "sessions": ""}, ""),
        ({"url": URL, "sessions": "a", "events": []}, ""),
        ({"url": URL, "sessions": "a", "events": ["session.exploded"]}, ""),
        ({"url": URL, "sessions": "a", "secret": "mine"}, ""),
        ({"url": URL}, ""),
    ],
)
async def test_what_can_not_be_is_refused(teacher: Api, body: dict[str, Any], why: str) -> None:
    """With a word about what is wrong, the same when it is changed into that."""
    answer = await teacher("POST", "/webhooks", body)
    assert answer.status == 400
    assert why in answer.body["detail"]
    if why:
        made = await teacher.hook(URL)
        answer = await teacher("PATCH", f"/webhooks/{made['id']}", body)
        assert answer.status == 400
        assert why in answer.body["detail"]


async def test_private_addresses_are_refused_unless_allowed(
    make_server: Callable[..., LyceumServer],
) -> None:
    """This machine by name, its metadata, and what looks otherwise."""
    server = make_server(auth_secret=SECRET)
    await server.start()
    teacher = Api(server, {"*": Role.TEACHER})
    for host in ("169.254.169.254", "localhost", "[::ffff:10.0.0.1]", "127.0.0.1"):
        body = {"url": f"http://{host}/latest/meta-data/", "sessions": "*"}
        answer = await teacher("POST", "/webhooks", body)
        assert (answer.status, answer.body["title"]) == (400, "Address refused")
        assert "LYCEUM_WEBHOOKS_PRIVATE" in answer.body["detail"]


async def test_a_test_and_what_came_of_it(teacher: Api, receiver: Receiver) -> None:
    """It is signed like everything; it can be sent again, under the same id."""
    hook = await teacher.hook(receiver.url)
    path = f"/webhooks/{hook['id']}"
    asked = await teacher("POST", f"{path}/test")
    assert (asked.status, asked.body["status"], asked.body["event"]) == (
        202,
        "PENDING",
        "webhook.test",
    )
    await eventually(lambda: receiver.got)
    (got,) = receiver.got
    assert got.is_signed(hook["secret"])
    assert got.id == asked.body["id"]
    assert got.event == asked.body["payload"]
    assert got.event["data"] == {"webhook": hook["id"]}

    async def delivered() -> Any:
        (delivery,) = await teacher.deliveries(hook)
        return delivery if delivery["status"] == "DELIVERED" else None

    done = await eventually(delivered)
    assert (done["attempts"], done["last_status"], done["next_attempt_at"]) == (1, 200, None)
    again = await teacher("POST", f"{path}/deliveries/{got.id}/redeliver")
    assert (again.status, again.body["status"]) == (202, "PENDING")
    await eventually(lambda: receiver.ids == {got.id: 2})
    unknown = await teacher("POST", f"{path}/deliveries/{uuid4()}/redeliver")
    assert unknown.status == 404


async def test_deliveries_are_listed_by_pages_and_status(teacher: Api, receiver: Receiver) -> None:
    """Newest first; 410 has ended one for good, and the webhook is paused."""
    hook = await teacher.hook(receiver.url)
    path = f"/webhooks/{hook['id']}"
    ids = [(await teacher("POST", f"{path}/test")).body["id"] for _ in range(3)]

    async def all_delivered() -> bool:
        return len(await teacher.deliveries(hook, "?status=DELIVERED")) == 3

    await eventually(all_delivered)
    receiver.answers.append(410)
    ids.append((await teacher("POST", f"{path}/test")).body["id"])

    async def gone() -> Any:
        return await teacher.deliveries(hook, "?status=FAILED")

    (failed,) = await eventually(gone)
    assert (failed["id"], failed["last_status"]) == (ids[-1], 410)
    first = (await teacher("GET", f"{path}/deliveries?limit=3")).body
    rest = (await teacher("GET", f"{path}/deliveries?limit=3&cursor={first['next']}")).body
    assert [entry["id"] for entry in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    paused = (await teacher("GET", path)).body
    assert (paused["status"], paused["reason"]) == ("PAUSED", "The receiver answered 410 Gone.")
    for below in ("/test", f"/deliveries/{ids[0]}/redeliver"):
        refused = await teacher("POST", path + below)
        assert refused.status == 409
        assert "paused" in refused.body["detail"]


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_cursors_of_ones_own_making(teacher: Api, cursor: str) -> None:
    """Are refused or find nothing; they break nothing."""
    hook = await teacher.hook(URL)
    for path in ("/webhooks", f"/webhooks/{hook['id']}/deliveries"):
        assert (await teacher("GET", f"{path}?cursor={cursor}")).status in (200, 400)
