"""Roles and the grants of a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.roles import Role, granted

NAMES = st.text("ab*", min_size=1, max_size=4)


def test_roles_are_ordered() -> None:
    """Teacher stands above editor, editor above commenter, commenter above viewer."""
    assert sorted(Role, reverse=True) == [Role.TEACHER, Role.EDITOR, Role.COMMENTER, Role.VIEWER]


def test_editors_and_above_may_write() -> None:
    """A higher role may do all that a lower one may."""
    assert [role for role in Role if role.may_write] == [Role.EDITOR, Role.TEACHER]


@pytest.mark.parametrize("role", Role)
def test_roles_are_known_by_name(role: Role) -> None:
    """The names are those of the documentation, in lower case."""
    assert Role.named(role.name.lower()) is role


@pytest.mark.parametrize("name", ["", "admin", "viewer ", "3"])
def test_an_unknown_role_is_explained(name: str) -> None:
    """The error names what was given and what is allowed."""
    with pytest.raises(ValueError, match="viewer, commenter, editor, teacher") as error:
        Role.named(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("session", "role"),
    [
        ("math-1", Role.TEACHER),
        ("math-2", Role.EDITOR),
        ("maths", Role.VIEWER),
        ("math-", Role.EDITOR),
        ("physics", None),
        ("", None),
        ("math-*", Role.EDITOR),
    ],
)
def test_the_most_exact_grant_counts(session: str, role: Role | None) -> None:
    """A full name goes before a prefix, a longer prefix before a shorter one."""
    grants = {"math-1": Role.TEACHER, "math-*": Role.EDITOR, "math*": Role.VIEWER}
    assert granted(grants, session) is role


@given(st.dictionaries(NAMES, st.sampled_from(Role)), st.text("ab", max_size=5))
def test_what_is_granted_was_granted(grants: dict[str, Role], session: str) -> None:
    """A role comes from the exact name or from a prefix that fits; without one there is none."""
    fitting = {
        name: role
        for name, role in grants.items()
        if name == session or (name[-1] == "*" and session.startswith(name[:-1]))
    }
    role = granted(grants, session)
    assert role in fitting.values() if fitting else role is None


def test_a_star_alone_is_every_session() -> None:
    """`*` is the prefix that all names have."""
    assert granted({"*": Role.VIEWER}, "anything") is Role.VIEWER
