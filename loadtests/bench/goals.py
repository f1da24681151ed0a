"""What Lyceum is meant to reach, and whether it does: ratios to peers within one benchmark."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.bench.results import MEASURES, Measure, Results

OURS = "lyceum"
NODE = ("y-websocket-server", "hocuspocus", "hocuspocus-postgres")
FACTORS = {0.5: "1/2 of ", 1 / 3: "1/3 of ", 1.0: ""}
UNCHANGED = 1.25  # times what it was before


@dataclass(frozen=True)
class Goal:
    """One goal: `reached` of `wanted`, in the same unit; `at_least` if more is better.

    reached: NaN if it could not be measured, because our runs failed.
    """

    scenario: str
    what: str
    reached: float
    wanted: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.reached >= self.wanted if self.at_least else self.reached <= self.wanted

    @property
    def off(self) -> float:
        """How many times as good it would have to be."""
        return self.wanted / self.reached if self.at_least else self.reached / self.wanted


def goals(results: Results) -> list[Goal]:
    """All goals of what was measured, in the catalogue's order."""
    found = [
        *_typing(results),
        *_highest(results),
        *_idle(results),
        *_document(results),
        *_others(results),
    ]
    order = list(MEASURES)
    return sorted(found, key=lambda goal: order.index(goal.scenario))


def _best(
    results: Results, scenario: str, measure: str, peers: tuple[str, ...] = (), most: bool = False
) -> tuple[str, float] | None:
    """The peer with the least (or most) of something, and how much that is."""
    found = [
        (peer, number)
        for peer in peers or results.peers
        if peer != OURS and (number := results.number(scenario, peer, measure)) is not None
    ]
    if not found:
        return None
    return (max if most else min)(found, key=lambda one: one[1])


def _ours(results: Results, scenario: str, measure: str) -> float | None:
    """NaN if all our runs failed, None if there was none."""
    if not results.runs(scenario, OURS):
        return None
    number = results.number(scenario, OURS, measure)
    return math.nan if number is None else number


def _measure(scenario: str, name: str) -> Measure:
    return next(one for one in MEASURES[scenario] if one.name == name)


def _compared(
    results: Results,
    scenario: str,
    name: str,
    factor: float,
    peers: tuple[str, ...] = (),
) -> Iterator[Goal]:
    """Ours against a factor of the best peer's."""
    measure = _measure(scenario, name)
    ours = _ours(results, scenario, name)
    best = _best(results, scenario, name, peers, most=measure.more)
    if ours is None or best is None:
        return
    times = FACTORS.get(factor, f"{factor:g} × ")
    what = f"{measure.label} at {'least' if measure.more else 'most'} {times}{best[0]}'s"
    scale = measure.factor
    yield Goal(scenario, what, ours * scale, best[1] * factor * scale, measure.unit, measure.more)


def _absolute(
    results: Results, scenario: str, name: str, wanted: float, what: str = ""
) -> Iterator[Goal]:
    measure = _measure(scenario, name)
    ours = _ours(results, scenario, name)
    if ours is not None:
        what = what or measure.label
        yield Goal(scenario, what, ours * measure.factor, wanted, measure.unit, measure.more)


def _typing(results: Results) -> Iterator[Goal]:
    for scenario in ("session-50", "session-200", "session-500"):
        yield from _compared(results, scenario, "p50_ms", 1)
        yield from _compared(results, scenario, "p99_ms", 1)
        best = _best(results, scenario, "p99_ms")
        if best is not None:
            yield from _compared(results, scenario, "cpu", 0.5, (best[0],))
    yield from _compared(results, "sessions-4", "p99_ms", 1)


def _highest(results: Results) -> Iterator[Goal]:
    yield from _compared(results, "session-200-highest", "highest_rate", 3, ("hocuspocus",))
    yield from _compared(results, "sessions-4-highest", "highest_rate", 2.5)


def _idle(results: Results) -> Iterator[Goal]:
    yield from _absolute(results, "idle", "kib_each", 8)
    yield from _absolute(results, "idle", "cpu", 10)
    yield from _absolute(results, "idle-50000", "held", 50_000)


def _document(results: Results) -> Iterator[Goal]:
    yield from _compared(results, "large-document", "join_ms", 1 / 2, NODE)
    yield from _compared(results, "large-document", "crowd_ms", 1 / 3, NODE)


def _others(results: Results) -> Iterator[Goal]:
    yield from _absolute(results, "cursors", "p99_ms", 12)
    yield from _compared(results, "cursors", "cpu", 1 / 3, ("hocuspocus",))
    yield from _compared(results, "comeback", "back_ms", 0.6)
    before = results.number("slow-reader", OURS, "p99_without_ms")
    if before is not None:
        yield from _absolute(
            results,
            "slow-reader",
            "p99_ms",
            UNCHANGED * before,
            "p99 of the others as before, within 1/4",
        )
    yield from _absolute(results, "slow-reader", "mib_each", 4)
    yield from _absolute(results, "saved", "saved_p99_ms", 50, "committed p99")
