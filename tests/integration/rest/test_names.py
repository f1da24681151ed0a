"""Names of sessions and users in paths: any that may be, as they are; none that may not."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.clients.driver import Driver
from tests.support.api import Api
from tests.support.server import LyceumServer

NAMES = [
    "a/b",
    "/",
    "//",
    "..",
    "../../etc/passwd",
    ".",
    "%2F",
    "%",
    "%zz",
    "a b",
    "+",
    "?x=1#y",
    "a;b=c",
    "Grüße 👩‍🏫",
    "\u202eabc",
    "null",
    "document",
    "\\",
    "'; drop table documents; --",
    "é" * 255,
    "𝒳" * 255,
]
WRONG = ["a\nb", "\0", "\x7f", "\x85", "x" * 256]


def encoded(text: str) -> str:
    """All of it percent-encoded."""
    return quote(text, safe="").replace(".", "%2E")


@pytest.mark.parametrize("name", NAMES)
async def test_all_names_that_may_be(server: LyceumServer, name: str) -> None:
    """Are found again by exactly that name, and by no other way to write it."""
    owner = Api.user(server, "namer")
    await owner.make(name, starting_code=name)
    path = f"/sessions/{encoded(name)}"
    read = await owner("GET", path)
    assert (read.status, read.body["name"]) == (200, name)
    again = await owner("POST", "/sessions", {"name": name})
    assert again.problem == (409, "Conflict")
    assert (await owner("GET", f"{path}/document")).body.decode() == name
    assert (await owner("GET", f"{path}/participants")).body["items"] == []
    assert name in [item["name"] for item in (await owner("GET", "/sessions")).body["items"]]
    if encoded(name) != name:
        twice = await owner("GET", f"/sessions/{encoded(encoded(name))}")
        assert twice.status in (400, 404)  # 400: too long, so written
    assert (await owner("DELETE", path)).status == 204


async def test_where_it_is(server: LyceumServer) -> None:
    """The Location of a new session leads to it."""
    owner = Api.user(server, "namer")
    made = await owner("POST", "/sessions", {"name": "here/ü"})
    assert made.headers["Location"] == "/api/v1/sessions/here%2F%C3%BC"
    assert (await owner("GET", "/sessions/here%2F%C3%BC")).body == made.body


async def test_clients_mean_the_same_session(server: LyceumServer, driver: Driver) -> None:
    """A name with a slash is the same one over both dialects and over REST."""
    owner = Api.user(server, "namer")
    await owner.make("slash/in it", starting_code="one")
    for kind, name in (("hp4", "slash/in it"), ("yws", "slash%2Fin%20it")):
        client = await driver.join(kind, server.ws, name, token=owner.token)
        assert await client.text() == "one"
        await client.destroy()


@pytest.mark.parametrize("name", WRONG)
async def test_names_that_may_not_be(teacher: Api, name: str) -> None:
    """Neither in a path nor in a body, with the reason."""
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/sessions", {"name": name}),
        ("GET", f"/sessions/{encoded(name)}", None),
        ("GET", f"/sessions/{encoded(name)}/document", None),
        ("PUT", f"/sessions/{encoded(name)}/document/text", {"text": ""}),
    ]
    for method, path, body in asked:
        assert (await teacher(method, path, body)).status == 400


@pytest.mark.parametrize("path", ["%ff", "%c0%ae", "a%ed%a0%80"])
async def test_paths_that_are_no_utf_8(teacher: Api, path: str) -> None:
    """Are refused, also as a user's id; nothing is read into them."""
    await teacher("POST", "/sessions", {"name": "utf"})
    for method, where in (
        ("GET", f"/sessions/{path}"),
        ("PUT", f"/sessions/utf/participants/{path}"),
    ):
        answer = await teacher(method, where, None if method == "GET" else {"role": "viewer"})
        assert answer.problem == (400, "Bad request")


@pytest.mark.parametrize("user", WRONG)
async def test_users_that_can_not_be(teacher: Api, user: str) -> None:
    """No token could be theirs, so they get no role."""
    await teacher("POST", "/sessions", {"name": "users"})
    path = f"/sessions/users/participants/{encoded(user)}"
    assert (await teacher("PUT", path, {"role": "viewer"})).problem == (400, "Bad request")
    assert (await teacher("DELETE", path)).problem == (400, "Bad request")


async def test_any_other_user(server: LyceumServer, teacher: Api) -> None:
    """Is named as in the token."""
    await teacher.make("odd-users", permissions={"everyone": "viewer"})
    for user in ("a/b", "..", "ü@example.org", "%41", "x" * 255):
        path = f"/sessions/odd-users/participants/{encoded(user)}"
        assert (await teacher("PUT", path, {"role": "commenter"})).status == 204
        assert (await Api.user(server, user)("GET", "/sessions/odd-users")).body["role"] == (
            "commenter"
        )
