"""Who is let in, and as what."""

import time
from typing import Any

import jwt
import pytest

from server.config import Config
from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import Forbidden, Unauthorized
from server.ids import SessionName
from server.sessions.access import MAX_TOKEN, Access, make_token

SECRET = "0123456789abcdef0123456789abcdef"
LESSON = SessionName("lesson")
ACCESS = Access(SECRET, "off")


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with these claims."""
    return jwt.encode(claims, secret, algorithm=algorithm)


def claims(**others: Any) -> dict[str, Any]:
    """What a token needs at least, and more; None leaves one out."""
    made = {"sub": "u1", "exp": int(time.time()) + 60, **others}
    return {name: value for name, value in made.items() if value is not None}


def test_our_own_tokens_are_good() -> None:
    """What `lyceum token` prints lets its user in with name, role and expiry."""
    token = make_token(SECRET, "u1", "Ann", {"les*": Role.TEACHER}, ttl=60)
    identity = ACCESS.identify(token, LESSON)
    assert identity[:3] == (Role.TEACHER, "u1", "Ann")
    assert identity.expires_at == jwt.decode(token, SECRET, ["HS256"])["exp"]


def test_a_token_without_sessions_names_no_role() -> None:
    """The session's own permissions decide; the same for one without a name."""
    identity = ACCESS.identify(make_token(SECRET, "u1", None, None, ttl=60), LESSON)
    assert identity[:3] == (None, "u1", None)


@pytest.mark.parametrize("sessions", [{}, {"other": "teacher"}, {"lesson-*": "teacher"}])
def test_a_token_for_other_sessions_is_forbidden_here(sessions: dict[str, str]) -> None:
    """It is valid, but not for this session."""
    with pytest.raises(Forbidden, match="not for this session"):
        ACCESS.identify(signed(claims(sessions=sessions)), LESSON)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        signed(claims(), secret="f" * 32),
        signed(claims(exp=int(time.time()) - 10)),
        signed(claims(exp=None)),
        signed(claims(sub=None)),
        signed(claims(sub=7)),
        signed(claims(name=7)),
        signed(claims(sessions=["lesson"])),
        signed(claims(sessions={"lesson": 3})),
        signed(claims(sessions={"lesson": "admin"})),
        signed(claims(nbf=int(time.time()) + 60)),
        signed(claims(), secret=SECRET * 2, algorithm="HS512"),
        jwt.encode(claims(), None, algorithm="none"),
        "é" * 10,
    ],
    ids=[
        "word",
        "dots",
        "other secret",
        "expired",
        "no expiry",
        "no subject",
        "subject a number",
        "name a number",
        "sessions a list",
        "role a number",
        "unknown role",
        "not yet",
        "other algorithm",
        "unsigned",
        "not ASCII",
    ],
)
def test_a_bad_token_is_no_way_in(token: str) -> None:
    """Each is refused with a reason, also where guests may enter without any."""
    for guests in ("off", "editor"):
        with pytest.raises(Unauthorized, match="token is not valid"):
            Access(SECRET, guests).identify(token, LESSON)  # type: ignore[arg-type]


def test_a_huge_token_is_not_even_looked_at() -> None:
    """Beyond a bound nothing is decoded."""
    with pytest.raises(Unauthorized, match="too long"):
        ACCESS.identify("x" * (MAX_TOKEN + 1), LESSON)


@pytest.mark.parametrize(("guests", "role"), [("editor", Role.EDITOR), ("viewer", Role.VIEWER)])
def test_guests_enter_as_configured(guests: str, role: Role) -> None:
    """With a secret or without, someone without a token is a guest."""
    for secret in (SECRET, None):
        access = Access.of(Config(auth_secret=secret, guests=guests))  # type: ignore[arg-type]
        assert access.identify("", LESSON) == Identity(role)


def test_where_no_tokens_are_accepted_a_token_makes_a_guest() -> None:
    """Nobody could check it, so it gives nothing beyond what guests have."""
    assert Access(None, "viewer").identify("whatever", LESSON) == Identity(Role.VIEWER)


def test_guests_that_are_not_let_in_are_told_why() -> None:
    """Without a token one is needed; with one, none would help where there is no secret."""
    with pytest.raises(Unauthorized, match="a token is needed"):
        ACCESS.identify("", LESSON)
    with pytest.raises(Unauthorized, match="no tokens are accepted here"):
        Access(None, "off").identify("whatever", LESSON)
