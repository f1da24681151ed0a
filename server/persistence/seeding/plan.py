"""What is to be made, and the steps that it is made in."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct

LEAST_PEOPLE = 10
HOUR = timedelta(hours=1)
BATCH = 100_000  # rows of the largest table that a batch fills, about


class Plan(Struct, frozen=True):
    """What decides each value of each row.

    months: that learning goes back from `until`, a day whose beginning nothing is later than.
    """

    users: int
    events: int
    seed: int
    until: date
    months: int

    @property
    def end(self) -> datetime:
        """The moment that nothing is later than."""
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC)

    @property
    def start(self) -> datetime:
        """The moment that nothing but people is older than; the beginning of a month."""
        last = self.end - timedelta(microseconds=1)
        number = last.year * 12 + last.month - self.months
        return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)

    @property
    def courses(self) -> int:
        """How many are published: 12 of a small school, 500 of a million people."""
        return min(500, max(12, self.users // 2000))

    @property
    def posts(self) -> int:
        """How many the community wrote."""
        return self.users

    @property
    def sessions(self) -> int:
        """How many collaboration sessions there were."""
        return max(3, self.users // 50)


Range = tuple[int, int]
Arguments = Callable[[int, int], Sequence[tuple[Any, ...]]]


class Step(NamedTuple):
    """Something to be made, in batches that each take a range of `units`, from 1 on.

    statements: of a batch, in one transaction. arguments: those of each statement, for the first
    and the last unit. rows: that a unit comes to, about; batches are measured by it. cost: of a
    unit, compared with others. stage: steps of one that follow each other need not wait for each
    other.
    """

    name: str
    units: int
    statements: tuple[str, ...]
    arguments: Arguments
    rows: float
    cost: float
    stage: str = ""

    def batches(self, most: int) -> list[Range]:
        """The ranges, each of about so many rows."""
        size = max(1, int(most / self.rows))
        return [
            (first, min(first + size - 1, self.units)) for first in range(1, self.units + 1, size)
        ]


def ranged(
    name: str, units: int, *statements: str, rows: float, cost: float, stage: str = ""
) -> Step:
    """A step whose statements take the first unit as $1 and the last one as $2."""

    def arguments(first: int, last: int) -> list[Range]:
        return [(first, last)] * len(statements)

    return Step(name, units, statements, arguments, rows, cost, stage)


def once(name: str, *statements: str, cost: float = 1.0, stage: str = "") -> Step:
    """A step that is one batch; its statements take no arguments."""

    def arguments(_first: int, _last: int) -> list[tuple[()]]:
        return [()] * len(statements)

    return Step(name, 1, statements, arguments, 1.0, cost, stage)


class Profile(NamedTuple):
    """Sizes that go together."""

    users: int
    events: int
    months: int


PROFILES = {
    "small": Profile(users=300, events=6_000, months=3),
    "school": Profile(users=10_000, events=1_000_000, months=6),
    "large": Profile(users=1_000_000, events=100_000_000, months=12),
}
