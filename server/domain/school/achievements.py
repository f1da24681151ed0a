"""What can be achieved, and when it is. Pure.

Criteria are names of what is counted of a person, and how much of each it takes. Only what never
shrinks while somebody learns is counted, so the order in which things happen makes no difference.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from server.domain.school.xp import level


class Achievement(Struct, frozen=True):
    """One that can be earned. criteria: see the module. badge_id: what comes with it."""

    id: int
    slug: str
    criteria: Mapping[str, object]
    xp: int = 0
    badge_id: int | None = None

    def is_met(self, reached: Mapping[str, int]) -> bool:
        """Whether so much is enough. One without criteria is given by hand.

        What is asked for and is not counted, or is no whole number, is never reached.
        """
        return bool(self.criteria) and all(
            type(enough) is int and name in reached and reached[name] >= enough
            for name, enough in self.criteria.items()
        )


class Reached(Struct, frozen=True):
    """How far somebody is. counts: of user_stats. streak: the longest, in days."""

    counts: Mapping[str, int]
    xp: int
    streak: int

    def named(self) -> dict[str, int]:
        """What criteria may ask for."""
        return {
            **self.counts,
            "xp": self.xp,
            "level": level(self.xp),
            "streak": self.streak,
        }


def newly_earned(open: Sequence[Achievement], reached: Reached) -> list[Achievement]:
    """Those of what is still open that are earned now, in the order of the catalogue.

    Each brings points and counts itself, which may earn the next one; open: not earned yet.
    """
    reached_now = reached.named()
    earned: set[int] = set()
    while True:
        met = [one for one in open if one.id not in earned and one.is_met(reached_now)]
        if not met:
            return [one for one in open if one.id in earned]
        earned |= {one.id for one in met}
        reached_now["achievements"] = reached_now.get("achievements", 0) + len(met)
        reached_now["xp"] += sum(one.xp for one in met)
        reached_now["level"] = level(reached_now["xp"])
