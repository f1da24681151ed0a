"""Days in a row on which somebody learned. Pure.

A streak is a matter of the set of days alone: whichever order they come in, and however often one
does, the same is left in the end. Which day a moment falls on, in somebody's time zone, is said by
the caller.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from msgspec import Struct

MOST_RUNS = 100  # that are kept, the newest; a late day before them all counts no more
DAY = timedelta(days=1)
# Points for the first time that somebody learned for so many days in a row.
BONUS = {7: 50, 30: 250, 100: 1000, 365: 5000}


class Run(NamedTuple):
    """Days in a row, both ends counted."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1


class Streak(Struct, frozen=True):
    """See the module. runs: oldest first, at least a day apart. longest: ever, in days."""

    runs: tuple[Run, ...] = ()
    longest: int = 0

    @property
    def current(self) -> int:
        """Days of the last run."""
        return self.runs[-1].days if self.runs else 0

    @property
    def last_day(self) -> date | None:
        """The last day on which the person learned."""
        return self.runs[-1].last if self.runs else None

    def learned(self, day: date) -> "Streak":
        """With one more day, which may have passed long ago."""
        if self._knows(day):
            return self
        before = [run for run in self.runs if run.last < day]
        after = [run for run in self.runs if run.first > day]
        first = last = day
        if before and before[-1].last == day - DAY:
            first = before.pop().first
        if after and after[0].first == day + DAY:
            last = after.pop(0).last
        run = Run(first, last)
        runs = (*before, run, *after)[-MOST_RUNS:]
        return Streak(runs, max(self.longest, run.days))

    def _knows(self, day: date) -> bool:
        if len(self.runs) == MOST_RUNS and day < self.runs[0].first - DAY:
            return True
        return any(run.first <= day <= run.last for run in self.runs)

    def until(self, today: date) -> int:
        """Days in a row until now: none once a whole day went by without learning."""
        last = self.last_day
        return self.current if last is not None and last >= today - DAY else 0


def milestones(before: int, after: int) -> Iterable[int]:
    """The lengths with a bonus that the longest streak reached when it grew."""
    return [days for days in BONUS if before < days <= after]
