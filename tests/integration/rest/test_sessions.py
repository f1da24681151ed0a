"""The life of a session over REST, and what those who are in it see of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.clients.driver import Driver, Kind
from tests.integration.clients.notices import newest
from tests.support.api import Api
from tests.support.server import LyceumServer
from tests.support.waiting import eventually


def hence(**time: float) -> str:
    """A moment from now."""
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


async def test_what_was_created_is_read(teacher: Api) -> None:
    """All that was said, with what was not said as the documentation says."""
    fields = {
        "name": "complete",
        "title": "Lesson one",
        "type": "prose",
        "language": "markdown",
        "permissions": {"everyone": "viewer", "guests": "none"},
        "capacity": 7,
        "expires_at": "2040-01-01T10:00:00+02:00",
    }
    made = await teacher("POST", "/sessions", {**fields, "starting_code": "# One\n"})
    assert made.status == 201
    expected = fields | {"expires_at": "2040-01-01T08:00:00Z", "owner": "ann", "role": "teacher"}
    assert {key: made.body[key] for key in expected} == expected
    read = await teacher("GET", "/sessions/complete")
    assert (read.body, read.headers["ETag"]) == (made.body, made.headers["ETag"])
    plain = await teacher.make("plain")
    assert (plain["title"], plain["type"], plain["capacity"]) == ("", "code", None)
    assert plain["permissions"] == {"everyone": "editor", "guests": "editor"}


async def test_creating_twice(teacher: Api, editor: Api) -> None:
    """Gives the name to one; the others are told, and nothing of theirs is taken over."""
    answers = await asyncio.gather(
        *(
            teacher("POST", "/sessions", {"name": "twice", "starting_code": f"{number}"})
            for number in range(8)
        )
    )
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] + [409] * 7
    won = next(number for number, answer in enumerate(answers) if answer.status == 201)
    assert (await teacher("GET", "/sessions/twice/document")).body == str(won).encode()


async def test_of_two_writers_one_is_told(teacher: Api) -> None:
    """Both read, both change with If-Match: one gets through, the other reads again."""
    await teacher.make("contended")
    etag = (await teacher("GET", "/sessions/contended")).headers["ETag"]
    answers = await asyncio.gather(
        *(
            teacher("PATCH", "/sessions/contended", {"title": f"by {who}"}, if_match=etag)
            for who in range(5)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 4
    refused = next(answer for answer in answers if answer.status == 412)
    assert refused.problem == (412, "Version mismatch")
    read = await teacher("GET", "/sessions/contended")
    title = read.body["title"]
    assert title in [f"by {who}" for who in range(5)]
    for matching in (f"W/{read.headers['ETag']}", "*"):
        answer = await teacher("PATCH", "/sessions/contended", {}, if_match=matching)
        assert answer.status == 200
    assert (await teacher("PATCH", "/sessions/contended", {}, if_match="again")).status == 400


async def test_a_name_that_is_used_again_is_another_session(teacher: Api) -> None:
    """Who read the old one does not change the new one."""
    await teacher.make("reborn")
    etag = (await teacher("GET", "/sessions/reborn")).headers["ETag"]
    await teacher("PATCH", "/sessions/reborn", {"title": "changed since"})
    stale = await teacher("DELETE", "/sessions/reborn", if_match=etag)
    assert stale.problem == (412, "Version mismatch")
    newer = (await teacher("GET", "/sessions/reborn")).headers["ETag"]
    assert (await teacher("DELETE", "/sessions/reborn", if_match=newer)).status == 204
    assert (await teacher("DELETE", "/sessions/reborn")).problem == (410, "Gone")
    await teacher.make("reborn")
    assert (await teacher("GET", "/sessions/reborn")).headers["ETag"] != etag
    answer = await teacher("PATCH", "/sessions/reborn", {"title": "x"}, if_match=etag)
    assert answer.problem == (412, "Version mismatch")


async def test_a_change_changes_nothing_else(teacher: Api) -> None:
    """Not even within the permissions: to let guests look on lets nobody else in."""
    made = await teacher.make("private", permissions={"everyone": "none", "guests": "none"})
    changed = await teacher(
        "PATCH", "/sessions/private", {"permissions": {"guests": "viewer"}, "capacity": 3}
    )
    assert changed.body["permissions"] == {"everyone": "none", "guests": "viewer"}
    same = set(made) - {"permissions", "capacity", "version", "updated_at"}
    assert {key: changed.body[key] for key in same} == {key: made[key] for key in same}
    lifted = await teacher("PATCH", "/sessions/private", {"capacity": None})
    assert (lifted.body["capacity"], lifted.body["version"]) == (None, 3)


async def test_archived(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """Read, not written, by nobody; whoever is there is told, and goes on when it is opened."""
    await teacher.make("archive", starting_code="kept")
    client = await driver.join("hp4", server.ws, "archive", token=teacher.token)
    answer = await teacher("PATCH", "/sessions/archive", {"status": "ARCHIVED"})
    assert (answer.status, answer.body["status"]) == (200, "ARCHIVED")
    state = await newest(client, "session.state", status="ARCHIVED", may_write=False)
    assert "archived" in state["reason"]
    writes = [
        ("PUT", "/document/text", {"text": "x"}),
        ("PATCH", "/document/text", {"patches": [{"at": 0, "insert": "x"}]}),
        ("POST", "/chat", {"body": "x"}),
    ]
    for method, path, body in writes:
        refused = await teacher(method, f"/sessions/archive{path}", body)
        assert refused.problem == (409, "Closed")
        assert "archived" in refused.body["detail"]
    octets = "application/octet-stream"
    path = "/sessions/archive/document/updates"
    refused = await teacher.send("POST", path, b"\0\0", content_type=octets)
    assert refused.problem == (409, "Closed")
    assert (await teacher("GET", "/sessions/archive/document")).body == b"kept"
    answer = await teacher("PATCH", "/sessions/archive", {"status": "ACTIVE"})
    assert answer.body["status"] == "ACTIVE"
    await newest(client, "session.state", status="ACTIVE", may_write=True)
    assert (await teacher("PUT", "/sessions/archive/document/text", {"text": "x"})).status == 200
    await client.wait_text(equals="x")


async def test_expired(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """By its time, for those who are there too; only another time opens it again."""
    await teacher.make("expiring", expires_at=hence(hours=1))
    client = await driver.join("hp4", server.ws, "expiring", token=teacher.token)
    path = "/sessions/expiring"
    answer = await teacher("PATCH", path, {"expires_at": hence(seconds=-1)})
    assert (answer.status, answer.body["status"]) == (200, "EXPIRED")
    await newest(client, "session.state", status="EXPIRED", may_write=False)
    assert (await teacher("PUT", f"{path}/document/text", {"text": "x"})).problem == (409, "Closed")
    refused = await teacher("PATCH", path, {"status": "ACTIVE"})
    assert refused.problem == (409, "Conflict")
    assert "expires_at" in refused.body["detail"]

    async def listed() -> bool:
        items = (await teacher("GET", "/sessions?status=EXPIRED")).body["items"]
        return "expiring" in [item["name"] for item in items]

    await eventually(listed)
    answer = await teacher("PATCH", path, {"expires_at": None})
    assert (answer.body["status"], answer.body["expires_at"]) == ("ACTIVE", None)
    await newest(client, "session.state", status="ACTIVE", may_write=True)


@pytest.mark.parametrize("kind", ["hp4", "yws"])
async def test_deleted(server: LyceumServer, teacher: Api, driver: Driver, kind: Kind) -> None:
    """Whoever is there is sent away for good, and coming back does not bring it to life."""
    name = f"deleted under {kind}"
    await teacher.make(name, starting_code="gone soon")
    client = await driver.join(kind, server.ws, name, token=teacher.token)
    path = f"/sessions/{name.replace(' ', '%20')}"
    assert (await teacher("GET", path)).body["present"] == 1
    assert (await teacher("DELETE", path)).status == 204
    await client.wait_closed()

    async def told() -> bool:
        events = {event["event"] for event in await client.events()}
        return bool(events & {"authenticationFailed", "closed"})

    await eventually(told)
    for where in ("", "/document", "/chat", "/participants"):
        assert (await teacher("GET", path + where)).problem == (410, "Gone")
    names = [item["name"] for item in (await teacher("GET", "/sessions?limit=200")).body["items"]]
    assert name not in names


async def test_present(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """Users and guests who are there are listed, and sent away, as long as they are there."""
    await teacher.make("attended")
    bob = Api.user(server, "bob")
    user = await driver.join("yws", server.ws, "attended", token=bob.token)
    guest = await driver.join("yws", server.ws, "attended")
    rows = (await teacher("GET", "/sessions/attended/participants")).body["items"]
    (listed,) = [row for row in rows if row["guest"]]
    assert (listed["user"], listed["role"], listed["present"]) == (None, "editor", True)
    assert (await teacher("GET", "/sessions/attended")).body["present"] == 2
    sent = await teacher("DELETE", f"/sessions/attended/guests/{listed['guest']}")
    assert sent.status == 204
    await guest.wait_closed()
    assert (await teacher("DELETE", "/sessions/attended/participants/bob")).status == 204
    await user.wait_closed()
    again = await teacher("DELETE", f"/sessions/attended/guests/{listed['guest']}")
    assert again.problem == (404, "Not found")
