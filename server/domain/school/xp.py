"""Experience points: why they are given and which level they come to. Pure."""

from math import isqrt
from typing import Literal

Reason = Literal["LESSON", "QUIZ", "SUBMISSION", "ACHIEVEMENT", "STREAK", "COMMUNITY", "CORRECTION"]

STEP = 100  # points from level 1 to 2; each further level takes so many more than the one before
SUBMISSION = 10  # for code that passes its tests, unless the exercise says otherwise


def level(xp: int) -> int:
    """The level of somebody with so many points: 1, 2, 3, …

    In SQL: `(1 + floor(sqrt(1 + 8 * (xp / 100)))::int) / 2`.
    """
    return (1 + isqrt(1 + 8 * (xp // STEP))) // 2


def needed(level: int) -> int:
    """The points at which a level begins."""
    return level * (level - 1) // 2 * STEP
