"""Who is what in a session, and when it is closed."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.details import Details, Permissions, RoleOrNone
from server.domain.identity import Identity
from server.domain.roles import Role
from server.ids import DocumentId, SessionName

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES: tuple[RoleOrNone, ...] = get_args(RoleOrNone)
GRANTS = (None, *Role)
MAYBE: tuple[RoleOrNone | None, ...] = (None, *NAMES)


def details(**others: Any) -> Details:
    """A session with these fields."""
    made: dict[str, Any] = {
        "id": DocumentId(1),
        "name": SessionName("lesson"),
        "title": "",
        "type": "code",
        "language": "",
        "status": "ACTIVE",
        "owner": None,
        "permissions": Permissions(),
        "roles": {},
        "capacity": None,
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "expires_at": None,
    }
    return Details(**{**made, **others})


def role(name: RoleOrNone) -> Role | None:
    """A role by its name; none is no role."""
    return None if name == "none" else Role.named(name)


@pytest.mark.parametrize(("grant", "own", "everyone"), [*product(GRANTS, MAYBE, NAMES)])
@pytest.mark.parametrize("owns", [True, False])
def test_every_combination_for_users(
    grant: Role | None, own: RoleOrNone | None, everyone: RoleOrNone, owns: bool
) -> None:
    """Owner or teacher by token; else the role of one's own; else the token's; else everyone's."""
    session = details(
        owner="ann" if owns else "bob",
        roles={} if own is None else {"ann": own},
        permissions=Permissions(everyone=everyone, guests="teacher"),
    )
    found = session.role_of(Identity(grant, "ann"))
    if owns or grant is Role.TEACHER:
        assert found is Role.TEACHER
    elif own is not None:
        assert found == role(own)
    elif grant is not None:
        assert found is grant
    else:
        assert found == role(everyone)


@pytest.mark.parametrize(("most", "guests"), [*product(Role, NAMES)])
def test_every_combination_for_guests(most: Role, guests: RoleOrNone) -> None:
    """A guest is what the server and the session both allow, and never anybody's namesake."""
    session = details(
        permissions=Permissions(everyone="teacher", guests=guests), roles={"": "teacher"}
    )
    found = session.role_of(Identity(most))
    allowed = role(guests)
    assert found == (None if allowed is None else min(most, allowed))


def test_whose_session_has_no_owner_is_nobodys() -> None:
    """A session that a join made gives no guest and no user the rights of an owner."""
    assert details().role_of(Identity(Role.EDITOR)) is Role.EDITOR
    assert details().role_of(Identity(None, "ann")) is Role.EDITOR


@given(st.sampled_from(["ACTIVE", "ARCHIVED", "EXPIRED"]), st.integers(-10, 10) | st.none())
def test_when_it_is_closed(status: Any, left: int | None) -> None:
    """Archived and expired sessions are closed, and an active one whose time is over."""
    expires_at = None if left is None else NOW + timedelta(seconds=left)
    session = details(status=status, expires_at=expires_at)
    over = left is not None and left <= 0
    expected = "EXPIRED" if over and status == "ACTIVE" else status
    assert session.status_at(NOW.timestamp()) == expected
    assert bool(session.closed_at(NOW.timestamp())) == (expected != "ACTIVE")


@pytest.mark.parametrize(
    ("identity", "may"),
    [
        (Identity(None, "ann"), True),
        (Identity(Role.TEACHER, "ann"), True),
        (Identity(Role.EDITOR, "ann"), False),
        (Identity(Role.EDITOR), True),
        (Identity(Role.VIEWER), False),
    ],
)
def test_who_may_create(identity: Identity, may: bool) -> None:
    """A token for some sessions must say teacher, so that no student owns what a teacher plans."""
    assert identity.may_create is may


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_permissions_survive_the_database(everyone: RoleOrNone, guests: RoleOrNone) -> None:
    """What is stored as JSON is read again; what is not said is an editor."""
    permissions = Permissions(everyone, guests)
    assert msgspec.json.decode(msgspec.json.encode(permissions), type=Permissions) == permissions
    assert msgspec.json.decode(b"{}", type=Permissions) == Permissions("editor", "editor")
