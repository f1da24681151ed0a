"""Who may do what over REST: every route with every kind of caller."""

from typing import Any, NamedTuple
from uuid import UUID

import pytest

from server.domain.roles import Role
from tests.support.api import Api
from tests.support.server import LyceumServer

NOBODY = str(UUID(int=0))


class Route(NamedTuple):
    """A route and the least role that it takes. last: it leaves nothing to try again."""

    method: str
    path: str
    least: Role
    body: Any = None
    done: int = 200

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = [
    Route("GET", "", Role.VIEWER),
    Route("GET", "/participants", Role.VIEWER),
    Route("GET", "/document", Role.VIEWER),
    Route("GET", "/document?format=update", Role.VIEWER),
    Route("GET", "/document?format=state-vector", Role.VIEWER),
    Route("GET", "/chat", Role.VIEWER),
    Route("POST", "/chat", Role.COMMENTER, {"body": "hello"}, 201),
    Route("POST", "/runs", Role.VIEWER, {"outcome": "passed"}, 202),
    Route("GET", "/activity", Role.TEACHER),
    Route("GET", "/activity/participants", Role.TEACHER),
    Route("GET", "/document?format=json", Role.VIEWER),
    Route("GET", "/document?format=markdown", Role.VIEWER),
    Route("PUT", "/document/prosemirror", Role.EDITOR, {"type": "doc", "content": []}),
    Route("PUT", "/document/markdown", Role.EDITOR, {"markdown": "a"}),
    Route("PUT", "/document/text", Role.EDITOR, {"text": "a"}),
    Route("PATCH", "/document/text", Role.EDITOR, {"patches": [{"at": 0, "insert": "b"}]}),
    Route("POST", "/document/updates", Role.EDITOR, b"\0\0"),
    Route("PATCH", "", Role.TEACHER, {"title": "Two"}),
    Route("PUT", "/participants/bob", Role.TEACHER, {"role": "viewer"}, 204),
    Route("DELETE", "/participants/bob", Role.TEACHER, None, 204),
    Route("DELETE", f"/guests/{NOBODY}", Role.TEACHER, None, 404),
    Route("DELETE", "", Role.TEACHER, None, 204),
]
everywhere = pytest.mark.parametrize("route", ROUTES, ids=str)


async def ask(api: Api, name: str, route: Route) -> Any:
    """Use a route on a session."""
    path = f"/sessions/{name}{route.path}"
    if isinstance(route.body, bytes):
        return await api.send(
            route.method, path, route.body, content_type="application/octet-stream"
        )
    return await api(route.method, path, route.body)


@everywhere
async def test_roles(server: LyceumServer, teacher: Api, route: Route) -> None:
    """Those below the least role are told so, those from there on may; lowest first."""
    name = f"roles-{ROUTES.index(route)}"
    await teacher.make(name, permissions={"everyone": "none", "guests": "none"})
    others = [
        Api(server, {"other": Role.TEACHER}, "out"),
        Api.user(server, "stranger"),
        Api(server, None),
    ]
    for api in others:
        assert (await ask(api, name, route)).problem == (403, "Forbidden")
    for role in Role:
        answer = await ask(Api(server, {name: role}, f"u-{role.label}"), name, route)
        if role < route.least:
            assert answer.problem == (403, "Forbidden")
            assert route.least.label in answer.body["detail"]
        else:
            assert answer.status == route.done, answer


@everywhere
async def test_tokens(server: LyceumServer, teacher: Api, route: Route) -> None:
    """One that is none is refused with what is needed, on every route, before anything else."""
    api = Api(server, None)
    api.token = "e30.e30.e30"
    answer = await ask(api, "nowhere", route)
    assert answer.problem == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lyceum", error="invalid_token"'


@everywhere
async def test_sessions_that_are_not_there(teacher: Api, route: Route) -> None:
    """404 where none ever was, 410 where one was deleted; nothing is created by asking."""
    assert (await ask(teacher, "nowhere", route)).problem == (404, "Not found")
    name = f"deleted-{ROUTES.index(route)}"
    await teacher.make(name)
    assert (await teacher("DELETE", f"/sessions/{name}")).status == 204
    assert (await ask(teacher, name, route)).problem == (410, "Gone")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "token"])
async def test_other_ways_to_authorize(server: LyceumServer, header: str) -> None:
    """Only bearer tokens are known; nobody who tries otherwise is taken for a guest."""
    answer = await Api(server, None)("GET", "/sessions/any", authorization=header)
    assert answer.problem == (401, "Unauthorized")


async def test_only_the_header_counts(server: LyceumServer, teacher: Api) -> None:
    """In any case of the word; a token in the query, where logs would keep it, is nobody's."""
    await teacher.make("header-only", permissions={"guests": "none"})
    guest = Api(server, None)
    path = f"/sessions/header-only?token={teacher.token}"
    assert (await guest("GET", path)).problem == (403, "Forbidden")
    read = await guest("GET", "/sessions/header-only", authorization=f"bearer  {teacher.token}")
    assert (read.status, read.body["role"]) == (200, "teacher")


async def test_guests(server: LyceumServer, teacher: Api) -> None:
    """They are what the session lets them be; lists of one's own take a token."""
    guest = Api(server, None)
    await teacher.make("with-guests", permissions={"guests": "commenter"})
    assert (await guest("GET", "/sessions/with-guests")).body["role"] == "commenter"
    said = await guest("POST", "/sessions/with-guests/chat", {"body": "hi", "name": "Gil"})
    assert (said.status, said.body["user"], said.body["name"]) == (201, None, "Gil")
    answer = await guest("PUT", "/sessions/with-guests/document/text", {"text": "x"})
    assert answer.problem == (403, "Forbidden")
    answer = await guest("GET", "/sessions")
    assert answer.problem == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lyceum"'


async def test_roles_given_in_the_session(server: LyceumServer, teacher: Api) -> None:
    """Count at once, are shown in the list of one's own too, and are taken back by null."""
    await teacher.make("given", permissions={"everyone": "viewer"})
    bob, path = Api.user(server, "bob"), "/sessions/given/participants/bob"
    for given, role in (("commenter", "commenter"), ("teacher", "teacher"), (None, "viewer")):
        assert (await teacher("PUT", path, {"role": given})).status == 204
        assert (await bob("GET", "/sessions/given")).body["role"] == role
        mine = (await bob("GET", "/sessions")).body["items"]
        assert ("given", role) in [(item["name"], item["role"]) for item in mine]
    assert (await teacher("DELETE", path)).status == 204
    assert (await bob("GET", "/sessions/given")).problem == (403, "Forbidden")
    mine = (await bob("GET", "/sessions")).body["items"]
    assert "given" not in [item["name"] for item in mine]
    (listed,) = (await teacher("GET", "/sessions/given/participants")).body["items"]
    assert (listed["user"], listed["role"], listed["present"]) == ("bob", "none", False)


async def test_the_owner_stays_teacher(server: LyceumServer, teacher: Api) -> None:
    """Nobody changes that, so nobody is told that it was changed."""
    owner = Api.user(server, "olga")
    await owner.make("olgas")
    for api in (owner, teacher):
        for method, body in (("PUT", {"role": "viewer"}), ("DELETE", None)):
            answer = await api(method, "/sessions/olgas/participants/olga", body)
            assert answer.problem == (409, "Conflict")
    assert (await owner("GET", "/sessions/olgas")).body["role"] == "teacher"


async def test_who_may_create(server: LyceumServer) -> None:
    """Users whose token names no sessions, teachers where it says so, and guests who may write."""
    for number, (grants, status) in enumerate(
        [({"made*": role}, 201 if role is Role.TEACHER else 403) for role in Role]
        + [({"other": Role.TEACHER}, 403), (None, 201)]
    ):
        answer = await Api(server, grants)("POST", "/sessions", {"name": f"made-{number}"})
        assert answer.status == status, (grants, answer)
    made = await Api.user(server, "una")("POST", "/sessions", {"name": "made-by-una"})
    assert (made.status, made.body["owner"], made.body["role"]) == (201, "una", "teacher")
