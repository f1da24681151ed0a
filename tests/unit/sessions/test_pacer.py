"""Ticks follow at once after silence, and leave the loop its share under load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Pace
from server.sessions.pacer import Pacer

SHARE, LONGEST = Pace.fanout_share, Pace.fanout_longest_seconds
COSTS = st.lists(st.floats(min_value=0, max_value=10), min_size=1, max_size=50)


def test_the_first_tick_runs_at_once() -> None:
    """Nobody waits in a session where nothing happened yet."""
    assert Pacer(SHARE, LONGEST).pause(now=123.0) == 0


@given(COSTS)
def test_nobody_waits_long(costs: list[float]) -> None:
    """Whatever ticks cost, the next may run soon, and at once after that time."""
    pacer, now = Pacer(SHARE, LONGEST), 1.0
    for cost in costs:
        now += pacer.pause(now)
        pacer.ran(now, now + cost)
        now += cost
        assert 0 <= pacer.pause(now) <= LONGEST + 1e-9
        assert pacer.pause(now + LONGEST + 1e-9) == 0


@given(st.floats(min_value=1e-6, max_value=LONGEST * SHARE))
def test_ticks_take_no_more_than_their_share(cost: float) -> None:
    """With ticks of one cost, the pause becomes what keeps the share, and not more."""
    pacer, now = Pacer(SHARE, LONGEST), 1.0
    for _ in range(60):
        pacer.ran(now, now + cost)
        now += cost
        pause = pacer.pause(now)
        now += pause
    assert pause == pytest.approx(cost / SHARE, rel=1e-3)


def test_one_expensive_tick_does_not_set_the_pace() -> None:
    """Costs are smoothed: a single slow tick among cheap ones counts in part."""
    pacer = Pacer(SHARE, LONGEST)
    pacer.ran(0.0, 0.01)
    assert 0 < pacer.pause(0.01) < 0.01 / SHARE
