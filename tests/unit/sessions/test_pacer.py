"""Ticks follow at once after silence, and leave the loop its share under load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Pace
from server.sessions.pacer import Pacer
from server.sessions.session import BURST

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
    """With ticks of one cost, they come as often as the share allows, and not less often."""
    pacer, now = Pacer(SHARE, LONGEST), 1.0
    for _ in range(60):
        pacer.ran(now, now + cost)
        began, now = now, now + cost
        now += pacer.pause(now)
    assert cost / (now - began) == pytest.approx(SHARE, rel=1e-3)


@given(
    cost=st.floats(min_value=1e-5, max_value=LONGEST * SHARE),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.02, 0.1]), min_size=20, max_size=50),
)
def test_a_burst_is_paid_for(cost: float, pauses: list[float]) -> None:
    """Whenever ticks are wanted, they take little more than their share from any moment on."""
    pacer, now, began = Pacer(SHARE, LONGEST, BURST), 1.0, list[float]()
    for _ in range(60):  # until it knows what a tick costs
        pacer.ran(now, now + cost)
        now += 1.0
    for pause in pauses:
        now += max(pause, pacer.pause(now))
        began.append(now)
        pacer.ran(now, now + cost)
        now += cost
    for first in range(len(began)):
        for last in range(first, len(began)):
            ticks = last - first
            assert ticks * cost <= SHARE * (began[last] - began[first] + BURST) + cost + 1e-9


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=2, max_size=50))
def test_rare_ticks_never_wait(moments: list[float]) -> None:
    """Where ticks take less than their share, two that come close to each other run at once."""
    pacer, cost = Pacer(SHARE, LONGEST, BURST), BURST * SHARE / 2
    for second, moment in enumerate(moments, 1):
        for now in (second * 2 + moment, second * 2 + moment + cost):
            assert pacer.pause(now) == 0
            pacer.ran(now, now + cost)


def test_what_was_too_much_is_soon_forgotten() -> None:
    """After ticks that took far more than their share for long, rare cheap ones don't wait."""
    pacer, now = Pacer(SHARE, LONGEST, BURST), 1.0
    for _ in range(100):
        now += pacer.pause(now)
        pacer.ran(now, now + 1.0)
        now += 1.0
    for _ in range(60):
        now += 0.1
        pacer.ran(now, now + 1e-4)
    assert pacer.pause(now) == 0


@given(late=st.floats(1e-3, 1e-2))
def test_a_busy_loop_takes_larger_steps(late: float) -> None:
    """Ticks that had to wait for others come less often than those that had not."""
    free, busy, now = Pacer(SHARE, LONGEST), Pacer(SHARE, LONGEST), 1.0
    for _ in range(60):
        for pacer, wanted in ((free, now), (busy, now - late)):
            pacer.ran(now, now + 1e-4, wanted)
        now += 1.0
    assert busy.pause(now - 1.0) == pytest.approx(min(LONGEST, (late + 1e-4) / SHARE), rel=1e-3)
    assert busy.pause(now - 1.0) > free.pause(now - 1.0)


def test_waiting_for_its_own_pause_is_not_late() -> None:
    """What a tick waited because of the pacer itself does not make the next one wait longer."""
    pacer = Pacer(SHARE, LONGEST)
    pacer.ran(1.0, 1.001)
    pause = pacer.pause(1.0)
    once = Pacer(SHARE, LONGEST)
    once.ran(1.0, 1.001)
    for one, wanted in ((pacer, 1.0), (once, None)):
        one.ran(1.0 + pause, 1.0 + pause + 0.001, wanted)
    assert pacer.pause(2.0) == once.pause(2.0)
    assert pacer.pause(1.0 + pause) == pytest.approx(once.pause(1.0 + pause))


def test_one_expensive_tick_does_not_set_the_pace() -> None:
    """Costs are smoothed: a single slow tick among cheap ones counts in part."""
    pacer = Pacer(SHARE, LONGEST)
    pacer.ran(0.0, 0.01)
    assert 0 < pacer.pause(0.0) < 0.01 / SHARE
