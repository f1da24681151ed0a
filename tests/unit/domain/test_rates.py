"""How fast many people may do something: a bound for each, whatever the others do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain import rates
from server.domain.rates import BURST, Rates
from server.errors import TooFast

tries = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=80)


def passes(bound: Rates, key: str, now: float) -> bool:
    try:
        bound.take(key, now)
    except TooFast:
        return False
    return True


@given(tries=tries, rate=st.integers(1, 5))
def test_no_stretch_of_time_has_more_than_the_rate_and_one_burst(
    tries: list[tuple[str, float]], rate: int
) -> None:
    """Counted between any two moments, for each person alone."""
    bound, now = Rates(rate, "things"), 1.0
    passed: list[tuple[str, float]] = []
    for key, pause in tries:
        now += pause
        if passes(bound, key, now):
            passed.append((key, now))
    for key in "abc":
        times = [at for who, at in passed if who == key]
        for first in range(len(times)):
            for last in range(first, len(times)):
                most = rate * BURST + rate * (times[last] - times[first])
                assert last - first + 1 <= most + 1e-6


@given(rate=st.integers(1, 5), key=st.sampled_from("abc"))
def test_who_waits_as_told_gets_through(rate: int, key: str) -> None:
    """The wait in the refusal is enough."""
    bound = Rates(rate, "things")
    for _ in range(rate * BURST):
        bound.take(key, 1.0)
    with pytest.raises(TooFast) as refused:
        bound.take(key, 1.0)
    assert str(rate) in str(refused.value)
    bound.take(key, 1.0 + refused.value.retry_after + 1e-6)


def test_no_bound() -> None:
    """A rate of 0 lets everything through and remembers nobody."""
    bound = Rates(0, "things")
    for _ in range(1_000):
        bound.take("a", 1.0)
    assert len(bound) == 0


def test_people_who_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who were quiet are forgotten first; if nobody was, the older half."""
    monkeypatch.setattr(rates, "MOST_PEOPLE", 10)
    bound = Rates(1, "things")
    for _ in range(BURST):
        bound.take("busy", 100.0)
    for number in range(9):
        bound.take(f"{number}", 1.0)
    bound.take("new", 100.0)
    assert len(bound) == 2
    assert not passes(bound, "busy", 100.0)
    for number in range(50):
        bound.take(f"{number}", 100.0)
        assert len(bound) <= 10
