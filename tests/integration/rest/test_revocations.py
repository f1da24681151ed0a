"""Tokens are revoked over REST by whoever may, and count no more at once."""

import jwt
import pytest

from server.domain.roles import Role
from tests.clients.driver import Driver
from tests.support.api import SECRET, Api
from tests.support.server import LyceumServer


def token_id(api: Api) -> str:
    """The `jti` of somebody's token."""
    return str(jwt.decode(api.token, SECRET, algorithms=["HS256"])["jti"])


async def test_a_user_is_sent_away(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """From live sockets and from the API, before the request is answered."""
    mallory = Api.user(server, "mallory")
    await mallory.make("mallorys")
    client = await driver.join("yws", server.ws, "mallorys", token=mallory.token)
    answer = await teacher("POST", "/revocations", {"user": "mallory"})
    assert (answer.status, answer.body["user"], answer.body["token"]) == (200, "mallory", None)
    assert answer.body["issued_until"]
    refused = await mallory("GET", "/sessions/mallorys")
    assert refused.problem == (401, "Token revoked")
    close = await client.wait_closed()
    assert close.code == 4401
    assert (await teacher("GET", "/sessions/mallorys")).status == 200


async def test_one_token(server: LyceumServer, teacher: Api) -> None:
    """By its id; others of the same user stay good, and twice is no more than once."""
    lost, kept = Api.user(server, "loser"), Api.user(server, "loser")
    for _ in range(2):
        answer = await teacher("POST", "/revocations", {"token": token_id(lost)})
        assert (answer.status, answer.body["token"]) == (200, token_id(lost))
    assert (await lost("GET", "/sessions")).problem == (401, "Token revoked")
    assert (await kept("GET", "/sessions")).status == 200


async def test_ones_own(server: LyceumServer) -> None:
    """Anybody may end what is theirs: this token, or all."""
    one, other = Api.user(server, "logout"), Api.user(server, "logout")
    assert (await one("POST", "/revocations", {"token": token_id(one)})).status == 200
    assert (await one("GET", "/sessions")).problem == (401, "Token revoked")
    assert (await other("POST", "/revocations", {"user": "logout"})).status == 200
    assert (await other("GET", "/sessions")).problem == (401, "Token revoked")


@pytest.mark.parametrize("grants", [{"*": Role.EDITOR}, {"a*": Role.TEACHER}, {}])
async def test_nobody_elses(server: LyceumServer, grants: dict[str, Role]) -> None:
    """Takes teachers of all sessions; a teacher of some could else send away a whole school."""
    api = Api(server, grants, "some")
    for body in ({"user": "ann"}, {"token": "1234"}):
        assert (await api("POST", "/revocations", body)).problem == (403, "Forbidden")


async def test_what_is_no_revocation(server: LyceumServer, teacher: Api) -> None:
    """Guests have no token; and one thing is revoked at a time."""
    assert (await Api(server, None)("POST", "/revocations", {"user": "a"})).status == 401
    for body in ({}, {"user": "a", "token": "b"}, {"user": ""}, {"token": "a\0"}, {"users": "a"}):
        assert (await teacher("POST", "/revocations", body)).status == 400
