"""Levels follow from points."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.xp import level, needed


def test_the_first_levels() -> None:
    """Level 2 takes 100 points, and each further one 100 more than the one before."""
    assert [needed(number) for number in range(1, 6)] == [0, 100, 300, 600, 1000]
    assert [level(xp) for xp in (0, 99, 100, 299, 300, 599, 600)] == [1, 1, 2, 2, 3, 3, 4]


@given(xp=st.integers(0, 2**62))
def test_a_level_is_the_highest_that_was_reached(xp: int) -> None:
    """Its points are there, those of the next are not, however many there are."""
    assert needed(level(xp)) <= xp < needed(level(xp) + 1)
