"""What Lyceum is meant to reach, and whether it does: ratios to peers within one benchmark."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.bench.results import Results

OURS = "lyceum"
NODE = ("y-websocket-server", "hocuspocus", "hocuspocus-postgres")


@dataclass(frozen=True)
class Goal:
    """One goal: `reached` of `wanted`, in the same unit; `at_least` if more is better."""

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


def goals(results: Results) -> list[Goal]:
    """All goals for which there are figures."""
    return [
        *_typing(results),
        *_highest(results),
        *_idle(results),
        *_document(results),
        *_others(results),
    ]


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


def _compared(
    results: Results,
    scenario: str,
    measure: str,
    factor: float,
    unit: str,
    peers: tuple[str, ...] = (),
    at_least: bool = False,
    scale: float = 1.0,
) -> Iterator[Goal]:
    """Ours against a factor of the best peer's."""
    ours = results.number(scenario, OURS, measure)
    best = _best(results, scenario, measure, peers, most=at_least)
    if ours is None or best is None:
        return
    sign = "≥" if at_least else "≤"
    times = "" if factor == 1 else f"{factor:.3g} × "
    what = f"{measure.removesuffix('_ms')} {sign} {times}{best[0]}'s"
    yield Goal(scenario, what, ours * scale, best[1] * factor * scale, unit, at_least)


def _typing(results: Results) -> Iterator[Goal]:
    for scenario in ("session-50", "session-200", "session-500"):
        yield from _compared(results, scenario, "p50_ms", 1, "ms")
        yield from _compared(results, scenario, "p99_ms", 1, "ms")
        best = _best(results, scenario, "p99_ms")
        if best is not None:
            yield from _compared(results, scenario, "cpu", 0.5, "%", (best[0],), scale=100)
    yield from _compared(results, "sessions-4", "p99_ms", 1, "ms")


def _highest(results: Results) -> Iterator[Goal]:
    yield from _compared(
        results, "session-200-highest", "highest_rate", 3, "edits/s", ("hocuspocus",), True
    )
    yield from _compared(
        results, "sessions-4-highest", "highest_rate", 2.5, "edits/s", at_least=True
    )


def _idle(results: Results) -> Iterator[Goal]:
    yield from _absolute(results, "idle", "kib_each", 8, "KiB", "memory of each ≤ 8 KiB")
    yield from _absolute(results, "idle", "cpu", 10, "%", "CPU with presence ≤ 10 %", 100)


def _document(results: Results) -> Iterator[Goal]:
    yield from _compared(results, "large-document", "join_ms", 1 / 2, "ms", NODE)
    yield from _compared(results, "large-document", "crowd_ms", 1 / 3, "ms", NODE)


def _others(results: Results) -> Iterator[Goal]:
    yield from _absolute(results, "cursors", "p99_ms", 12, "ms", "p99 ≤ 12 ms")
    yield from _compared(results, "cursors", "cpu", 1 / 3, "%", ("hocuspocus",), scale=100)
    yield from _compared(results, "comeback", "back_ms", 0.6, "ms")
    before = results.number("slow-reader", OURS, "p99_without_ms")
    if before is not None:
        yield from _absolute(
            results, "slow-reader", "p99_ms", 1.25 * before, "ms", "p99 as before (within 1/4)"
        )
    yield from _absolute(
        results, "slow-reader", "mib_each", 4, "MiB", "memory for each slow one ≤ 4 MiB"
    )
    yield from _absolute(results, "saved", "saved_p99_ms", 50, "ms", "committed p99 ≤ 50 ms")


def _absolute(
    results: Results,
    scenario: str,
    measure: str,
    wanted: float,
    unit: str,
    what: str,
    scale: float = 1.0,
) -> Iterator[Goal]:
    ours = results.number(scenario, OURS, measure)
    if ours is not None:
        yield Goal(scenario, what, ours * scale, wanted, unit)
