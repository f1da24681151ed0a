"""Who is let in, and as what."""

import time
from typing import Any

import jwt
import pytest

from server.config import Config
from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import Forbidden, TokenRevoked, Unauthorized
from server.ids import SessionName
from server.sessions.access import Access
from server.sessions.tokens import Tokens, make_token

SECRET = "0123456789abcdef0123456789abcdef"
LESSON = SessionName("lesson")
ACCESS = Access(Tokens(SECRET), "off")


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token with these claims."""
    return jwt.encode(claims, secret, algorithm=algorithm)


def claims(**others: Any) -> dict[str, Any]:
    """What a token needs at least, and more; None leaves one out. Good for long."""
    made = {"sub": "u1", "exp": int(time.time()) + 86_400, **others}
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
    ("token", "why"),
    [
        ("x", "no JWT"),
        (signed(claims(), secret="f" * 32), "signature"),
        (signed(claims(exp=int(time.time()) - 10)), "expired"),
        (signed(claims(sessions={"lesson": "admin"})), "a role that does not exist"),
    ],
    ids=["word", "other secret", "expired", "unknown role"],
)
def test_a_bad_token_is_no_way_in(token: str, why: str) -> None:
    """Each is refused with a reason, also where guests may enter without any."""
    for guests in ("off", "editor"):
        with pytest.raises(Unauthorized, match=why):
            Access(Tokens(SECRET), guests).identify(token, LESSON)  # type: ignore[arg-type]


def test_a_revoked_token_is_no_way_in() -> None:
    """Asked with who it is, its id and when it was issued; and again for who is in."""
    asked: list[Any] = []
    revoked = True

    def is_revoked(bearer: Any) -> bool:
        asked.append((bearer.user, bearer.token_id, bearer.issued_at))
        return revoked

    access = Access(Tokens(SECRET), "editor", is_revoked)
    token = signed(claims(jti="t1", iat=7, sessions={"lesson": "viewer"}))
    with pytest.raises(TokenRevoked, match="The token was revoked"):
        access.identify(token, LESSON)
    revoked = False
    identity = access.identify(token, LESSON)
    access.confirm(identity)
    revoked = True
    with pytest.raises(TokenRevoked):
        access.confirm(identity)
    assert asked == [("u1", "t1", 7.0)] * 4


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
