"""How much may be done a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.buckets import TokenBucket

steps = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20)), max_size=50)


@given(steps=steps, rate=st.floats(0.1, 100), burst=st.floats(1, 100))
def test_never_more_than_the_rate_and_one_burst(
    steps: list[tuple[float, float]], rate: float, burst: float
) -> None:
    """However it is asked, what was granted over a time stays below rate × time + burst."""
    bucket, now, granted = TokenBucket(rate, burst), 0.0, 0.0
    for pause, amount in steps:
        now += pause
        wait = bucket.take(now, amount)
        if not wait:
            granted += amount
        assert granted <= burst + rate * now + 1e-6


@given(steps=steps, rate=st.floats(0.1, 100), burst=st.floats(20, 100))
def test_who_waits_as_told_gets_it(
    steps: list[tuple[float, float]], rate: float, burst: float
) -> None:
    """A refusal says after how long it would be granted, and takes nothing."""
    bucket, now = TokenBucket(rate, burst), 0.0
    for pause, amount in steps:
        now += pause
        wait = bucket.take(now, amount)
        if wait:
            now += wait + 1e-6
            assert bucket.take(now, amount) == 0


@given(steps=steps, rate=st.floats(0.1, 100), burst=st.floats(1, 100))
def test_debts_are_paid_at_the_rate(
    steps: list[tuple[float, float]], rate: float, burst: float
) -> None:
    """Who is held back for as long as is told never gets more than rate × time + burst, though
    each charge may overdraw.
    """
    bucket, now, charged = TokenBucket(rate, burst), 0.0, 0.0
    for pause, amount in steps:
        now += pause
        before = charged
        charged += amount
        now += bucket.charge(now, amount)
        assert before <= burst + rate * now + 1e-6
        assert charged <= burst + rate * now + 1e-6


def test_quiet_ones_are_as_new() -> None:
    """A bucket is full again once all came back, so nothing has to be kept of it."""
    bucket = TokenBucket(2, 4)
    assert bucket.is_full(0)
    bucket.take(0, 4)
    assert not bucket.is_full(1)
    assert bucket.is_full(2)


def test_the_clock_may_stand() -> None:
    """Nothing comes back while no time passes."""
    bucket = TokenBucket(1, 1)
    assert bucket.take(5) == 0
    assert bucket.take(5) == pytest.approx(1)
