"""What somebody did and what comes of it: points, the streak, achievements. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from msgspec import Struct

from server.domain.school.achievements import Achievement, Reached, newly_earned
from server.domain.school.streaks import BONUS, Streak, milestones
from server.domain.school.xp import Reason, level
from server.errors import Conflict

LEARNING = ("LESSON", "QUIZ", "SUBMISSION")  # what makes a day one on which somebody learned


class Deed(Struct, frozen=True):
    """What somebody did that is worth something, once.

    key: what it was («lesson:17»); the second time it is nothing. amount: points, 0 for none.
    counts: what it adds to user_stats, without achievements. data: what else its event tells.
    """

    key: str
    reason: Reason
    amount: int
    at: datetime
    course_id: int | None = None
    lesson_id: int | None = None
    counts: Mapping[str, int] = {}
    data: Mapping[str, object] = {}


class Person(Struct, frozen=True):
    """How somebody stands. day: that of the deed, there. open: achievements not earned yet."""

    xp: int
    day: date
    streak: Streak
    counts: Mapping[str, int]
    open: Sequence[Achievement]


class Line(Struct, frozen=True):
    """A line of the ledger of points; one with none is only an event."""

    key: str
    reason: Reason
    amount: int
    course_id: int | None = None
    lesson_id: int | None = None
    data: Mapping[str, object] = {}


class Outcome(Struct, frozen=True):
    """What comes of a deed. lines: the deed's, then bonuses, then achievements."""

    lines: Sequence[Line]
    earned: Sequence[Achievement]
    streak: Streak
    xp: int

    @property
    def points(self) -> int:
        """All that were given, or taken."""
        return sum(line.amount for line in self.lines)

    @property
    def levels(self) -> int:
        """How many the person went up."""
        return level(self.xp) - level(self.xp - self.points)


def outcome(person: Person, deed: Deed) -> Outcome:
    """What comes of a deed; raises Conflict if it takes more points than there are."""
    if person.xp + deed.amount < 0:
        raise Conflict(f"That takes {-deed.amount} points of somebody who has {person.xp}.")
    learned = deed.reason in LEARNING
    streak = person.streak.learned(person.day) if learned else person.streak
    lines = [Line(deed.key, deed.reason, deed.amount, deed.course_id, deed.lesson_id, deed.data)]
    lines += [
        Line(f"streak:{days}", "STREAK", BONUS[days], data={"days": days})
        for days in milestones(person.streak.longest, streak.longest)
    ]
    counts = {name: count + deed.counts.get(name, 0) for name, count in person.counts.items()}
    xp = person.xp + sum(line.amount for line in lines)
    earned = newly_earned(person.open, Reached(counts, xp, streak.longest))
    lines += [
        Line(f"achievement:{one.id}", "ACHIEVEMENT", one.xp, data={"achievement": one.slug})
        for one in earned
    ]
    return Outcome(lines, earned, streak, person.xp + sum(line.amount for line in lines))
