"""What somebody must have in the end, told plainly: from the set of what was done, and no order."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from server.domain.school.achievements import Achievement
from server.domain.school.deeds import Deed

BONUSES = {7: 50, 30: 250, 100: 1000, 365: 5000}


class Standing(Struct, frozen=True):
    """Points, streaks and achievements of somebody. ledger: points by key."""

    xp: int
    level: int
    current: int
    longest: int
    achievements: set[str]
    ledger: dict[str, int]
    counts: dict[str, int]


def standing(deeds: Sequence[Deed], zone: str, catalogue: Sequence[Achievement]) -> Standing:
    """How somebody stands who did all that, each of it once."""
    ledger = {deed.key: deed.amount for deed in deeds}
    counts: dict[str, int] = {}
    for deed in {deed.key: deed for deed in deeds}.values():
        for name, more in deed.counts.items():
            counts[name] = counts.get(name, 0) + more
    days = {
        deed.at.astimezone(ZoneInfo(zone)).date() for deed in deeds if deed.reason != "COMMUNITY"
    }
    lengths = {}
    for day in days:
        lengths[day] = 1
        while day - timedelta(lengths[day]) in days:
            lengths[day] += 1
    longest = max(lengths.values(), default=0)
    ledger |= {f"streak:{days}": xp for days, xp in BONUSES.items() if days <= longest}
    earned: set[str] = set()
    for _ in catalogue:  # each round at least one, or none ever
        xp = sum(ledger.values())
        have = {
            "lessons_completed": counts.get("lessons_completed", 0),
            "achievements": len(earned),
            "xp": xp,
            "level": level(xp),
            "streak": longest,
        }
        for one in catalogue:
            wanted = one.criteria
            if wanted and all(have[name] >= much for name, much in wanted.items()):  # type: ignore[operator]
                earned.add(one.slug)
                ledger[f"achievement:{one.id}"] = one.xp
    xp = sum(ledger.values())
    current = lengths[max(days)] if days else 0
    return Standing(xp, level(xp), current, longest, earned, ledger, counts)


def level(xp: int) -> int:
    """Counted up, step by step."""
    number, begins = 1, 0
    while xp >= begins + 100 * number:
        begins += 100 * number
        number += 1
    return number
