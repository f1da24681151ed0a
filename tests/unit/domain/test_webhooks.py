"""Which sessions a webhook is told of, and whose token may say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.roles import Role, granted
from server.domain.webhooks import matches, teaches

NAMES = st.text("ab", max_size=4)
PATTERNS = st.one_of(NAMES.filter(bool), NAMES.map(lambda prefix: prefix + "*"))
GRANTS = st.dictionaries(PATTERNS, st.sampled_from([Role.TEACHER, Role.TEACHER, Role.EDITOR]))


@pytest.mark.parametrize(
    ("pattern", "session", "fits"),
    [
        ("lesson", "lesson", True),
        ("lesson", "lesson 2", False),
        ("lesson*", "lesson", True),
        ("lesson*", "lesson 2", True),
        ("lesson*", "a lesson", False),
        ("*", "anything", True),
        ("lesson", "Lesson", False),
    ],
)
def test_a_pattern_is_a_name_or_a_prefix(pattern: str, session: str, fits: bool) -> None:
    """Nothing else in it has a meaning."""
    assert matches(pattern, session) is fits


@pytest.mark.parametrize(
    ("grants", "pattern", "may"),
    [
        ({}, "a", False),
        ({"a": Role.TEACHER}, "a", True),
        ({"a": Role.TEACHER}, "a*", False),
        ({"a": Role.TEACHER}, "b", False),
        ({"a": Role.EDITOR}, "a", False),
        ({"a*": Role.TEACHER}, "a", True),
        ({"a*": Role.TEACHER}, "ab*", True),
        ({"ab*": Role.TEACHER}, "a*", False),
        ({"a*": Role.TEACHER}, "*", False),
        ({"*": Role.TEACHER}, "*", True),
        ({"*": Role.TEACHER, "exam": Role.VIEWER}, "*", False),
        ({"*": Role.TEACHER, "exam": Role.VIEWER}, "a*", True),
        ({"*": Role.TEACHER, "ab*": Role.EDITOR}, "a*", False),
        ({"*": Role.EDITOR, "ab*": Role.TEACHER}, "abc*", True),
    ],
)
def test_a_teacher_of_all_that_fits_may_have_a_webhook(
    grants: dict[str, Role], pattern: str, may: bool
) -> None:
    """The pattern must lie within the grant, and no lesser grant within the pattern."""
    assert teaches(grants, pattern) is may


@given(GRANTS, PATTERNS, NAMES.filter(bool))
def test_no_webhook_hears_of_a_session_that_its_maker_does_not_teach(
    grants: dict[str, Role], pattern: str, session: str
) -> None:
    """Whatever the grants, if a pattern is allowed each session that fits it is the teacher's."""
    if teaches(grants, pattern) and matches(pattern, session):
        assert granted(grants, session) is Role.TEACHER
