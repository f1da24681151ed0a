"""When a delivery is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.webhooks.schedule import PAUSES, pause_after


def test_the_pauses() -> None:
    """5 s, 30 s, 2 min, 10 min, 1 h, 6 h, 24 h; then no more."""
    pauses = [pause_after(attempts, 0.5) for attempts in range(1, 9)]
    assert pauses == [5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600, None]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_a_pause_is_spread(chance: float, pause: float) -> None:
    """By a fifth in both directions."""
    assert pause_after(1, chance) == pytest.approx(pause)


@given(st.integers(1, len(PAUSES) - 1), st.floats(0, 1), st.floats(0, 1))
def test_each_pause_is_longer_than_the_one_before(attempts: int, one: float, other: float) -> None:
    """Whatever chance says."""
    before, after = pause_after(attempts, one), pause_after(attempts + 1, other)
    assert before is not None
    assert after is not None
    assert 0 < before < after
