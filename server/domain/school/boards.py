"""Which leaderboards points count on, and what ranks come of it.

Weeks begin on Monday; they and months are those of UTC.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Kind = Literal["ALL", "WEEK", "MONTH", "COURSE"]


class Board(NamedTuple):
    """A leaderboard, from its first moment to the first after it; None: of all time."""

    kind: Kind
    course_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


ALL_TIME = Board("ALL")


def week_of(moment: datetime) -> Board:
    """The board of the week that a moment is in."""
    day = _midnight(moment)
    start = day - timedelta(days=day.weekday())
    return Board("WEEK", None, start, start + timedelta(days=7))


def month_of(moment: datetime) -> Board:
    """The board of the month that a moment is in."""
    start = _midnight(moment).replace(day=1)
    return Board("MONTH", None, start, (start + timedelta(days=31)).replace(day=1))


def course_board(course_id: int) -> Board:
    """The board of a course, of all time."""
    return Board("COURSE", course_id)


def boards_of(moment: datetime, course_id: int | None) -> list[Board]:
    """The boards on which points count that somebody got at a moment, for a course or for none."""
    boards = [ALL_TIME, week_of(moment), month_of(moment)]
    return boards if course_id is None else [*boards, course_board(course_id)]


def ranks(points: Sequence[int], first: int, ties: int) -> list[int]:
    """The ranks of neighbours on a board, who have so many points, the most first.

    first: the rank of the first of them; ties: how many on the whole board have as many points as
    that one. Who has the same points has the same rank, and the next comes as far behind as there
    are people before: 1, 2, 2, 4.
    """
    ranks: list[int] = []
    behind = first + ties
    for place, each in enumerate(points):
        if each == points[0]:
            ranks.append(first)
        elif each == points[place - 1]:
            ranks.append(ranks[-1])
        else:
            ranks.append(behind + sum(points[0] > other for other in points[:place]))
    return ranks


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
