"""Streaks are those of the set of days, whichever order the days come in."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.streaks import BONUS, MOST_RUNS, Run, Streak, milestones

START = date(2026, 3, 1)
days_near = st.lists(st.integers(0, 40).map(lambda n: START + timedelta(n)), max_size=40)


def after(days: list[date]) -> Streak:
    streak = Streak()
    for day in days:
        streak = streak.learned(day)
    return streak


def length_at(days: set[date], day: date) -> int:
    """Days in a row that end at one, counted one by one."""
    count = 0
    while day - timedelta(count) in days:
        count += 1
    return count


@given(days=days_near, order=st.randoms())
def test_a_streak_is_that_of_its_days(days: list[date], order: object) -> None:
    """Whatever comes twice or late: the last run, the longest, the last day, and every run."""
    came = [*days, *days[::2]]
    order.shuffle(came)  # type: ignore[attr-defined]
    streak = after(came)
    there = set(days)
    last = max(there, default=None)
    assert streak.last_day == last
    assert streak.current == (length_at(there, last) if last else 0)
    assert streak.longest == max((length_at(there, day) for day in there), default=0)
    ends = sorted(day for day in there if day + timedelta(1) not in there)
    assert [run.last for run in streak.runs] == ends
    assert [run.days for run in streak.runs] == [length_at(there, day) for day in ends]


@given(days=days_near)
def test_it_ends_when_a_day_goes_by(days: list[date]) -> None:
    """Today is not over: what lasted until yesterday still counts, before that it is over."""
    streak = after(days)
    there = set(days)
    for today in (START + timedelta(n) for n in range(45)):
        if streak.last_day is None or today >= streak.last_day:
            yesterday = today - timedelta(1)
            assert streak.until(today) == length_at(there, today if today in there else yesterday)


def test_only_so_many_runs_are_kept() -> None:
    """The oldest go, a day before all that are kept changes nothing, and the longest stays."""
    streak = after([START, START + timedelta(1)])
    for number in range(1, MOST_RUNS + 1):
        streak = streak.learned(START + timedelta(3 * number))
    assert len(streak.runs) == MOST_RUNS
    assert streak.runs[0] == Run(START + timedelta(3), START + timedelta(3))
    assert streak.longest == 2
    assert streak.learned(START) is streak
    assert streak.learned(START + timedelta(2)).runs[0].days == 2


def test_a_bonus_is_for_each_length_that_is_reached() -> None:
    """Also for two at once, when a late day joins two runs; never for one that was reached."""
    assert list(milestones(6, 7)) == [7]
    assert list(milestones(7, 29)) == []
    assert list(milestones(5, 40)) == [7, 30]
    assert list(milestones(0, 10_000)) == list(BONUS)
