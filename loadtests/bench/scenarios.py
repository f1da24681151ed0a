"""The scenarios about typing: each opens sessions, types, and checks what arrived."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from loadtests.bench.trial import Lost, Trial

Measures = dict[str, float]
MS = 1000.0
WARM_UP = 1.0  # seconds of typing before anything is measured
TOO_LATE = 0.25  # seconds of p99 at which a rate counts as too high
SHORT_OF = 0.95  # of the rate asked for; a generator that makes less is the limit
EXHAUSTED = 0.97  # of the generator's core
MOST_STEPS = 16
EASY = 0.05  # seconds of p99 below which the next rate may be far higher
HOPELESS = 1.0  # seconds of p99 above which a rate is not tried again
SETTLES = 20.0  # seconds for a step's edits to arrive
CLOSE_ENOUGH = 1.12  # between a rate that passed and one that did not
SLOWEST_RATE = 10.0  # edits a second: less is not looked for


@dataclass(frozen=True)
class Scenario:
    """What is measured: `run` returns its numbers by the names of `results.MEASURES`.

    only: the peers that take part; none: all that speak one of the dialects. spread: the server
    and its database may use all cores, the generators' too. settings: of Lyceum's environment.
    once: in the first repeat only, for what takes long and varies little. generators: at least
    so many.
    """

    name: str
    title: str
    run: Callable[[Trial], Awaitable[Measures]]
    dialects: tuple[str, ...] = ("y-websocket", "hocuspocus")
    only: tuple[str, ...] = ()
    spread: bool = False
    once: bool = False
    generators: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)


async def typing(trial: Trial, sessions: int, clients: int, rate: float) -> Measures:
    """Sessions in which people type at a given rate together."""
    wanted = trial.sessions(sessions, clients)
    await trial.herd.open("all", wanted, target=trial.server.target())
    await trial.type("all", wanted, rate, min(WARM_UP, trial.seconds))
    await trial.settle("all")
    await trial.collect("all")
    async with trial.measured() as usage:
        typed = await trial.type("all", wanted, rate, trial.seconds)
    trial.judge(typed)
    settled, delivered = await trial.settle("all")
    latencies, _ = await trial.collect("all")
    edits = await trial.check_documents(wanted)
    return {
        "p50_ms": latencies.percentile(0.5) * MS,
        "p99_ms": latencies.percentile(0.99) * MS,
        **usage.costs,
        "rate": typed.rate,
        "settled_ms": settled * MS,
        "delivered": delivered,
        "edits": edits,
        "generator_cpu": typed.generator_cpu,
        "generator_late_ms": typed.generator_late * MS,
    }


async def highest(trial: Trial, sessions: int, clients: int, start: float) -> Measures:
    """The highest rate of edits whose p99 stays below 250 ms: raised, then halved in between.

    Each step is on fresh sessions, and all of it has to arrive. A rate that is a little too high
    is tried once more, as one hiccup says nothing about a server.
    """
    best: Measures = {"highest_rate": 0.0, "cpu": 0.0, "p99_ms": 0.0, "generator_cpu": 0.0}
    search = Search(start)
    while search.goes_on and search.steps < (2 if trial.small else MOST_STEPS):
        step, measures = await _step(trial, search.steps, sessions, clients, search.rate)
        if not step.passed and step.p99 < HOPELESS and not trial.small:
            step, measures = await _step(trial, search.steps + 0.5, sessions, clients, search.rate)
        search.tried(step)
        if step.passed:
            best = measures
            if step.limited:
                trial.limited = True
                break  # more says nothing about the server
        else:
            trial.limited = step.limited
    return best


@dataclass(frozen=True)
class Step:
    """How one rate went: whether it counts, p99 in seconds, whether the generator was the limit."""

    passed: bool
    p99: float
    limited: bool


class Search:
    """Looks for the highest rate that passes: `rate` is the one to try next."""

    def __init__(self, start: float) -> None:
        self.rate = start
        self.steps = 0
        self._low = self._high = 0.0

    @property
    def goes_on(self) -> bool:
        """Whether it is not known well enough yet."""
        if not self._high:
            return True
        return self._high > max(self._low * CLOSE_ENOUGH, SLOWEST_RATE)

    def tried(self, step: Step) -> None:
        """What came of the rate."""
        self.steps += 1
        if step.passed:
            self._low = self.rate
        else:
            self._high = self.rate
        if not self._high:
            self.rate *= 2.5 if step.p99 < EASY else 1.6
        elif not self._low:
            self.rate = self._high / 2.5
        else:
            self.rate = math.sqrt(self._low * self._high)


async def _step(
    trial: Trial, number: float, sessions: int, clients: int, rate: float
) -> tuple[Step, Measures]:
    """One rate.

    Raises Lost if an edit is missing although those that came were in time; a server that is
    given more than it can do is not waited for.
    """
    group, wanted = f"step{number:g}", trial.sessions(sessions, clients)
    await trial.herd.open(group, wanted, target=trial.server.target())
    async with trial.measured() as usage:
        typed = await trial.type(group, wanted, rate, max(trial.seconds / 2, 1.0))
    edits, lost = 0, None
    try:
        await trial.settle(group, timeout=SETTLES)
        edits = await trial.check_documents(wanted)
    except Lost as error:
        lost = error
    latencies, _ = await trial.collect(group)
    await trial.herd.all("close", group=group)
    p99 = latencies.percentile(0.99)
    if lost and not p99 >= TOO_LATE:  # also if nothing came
        raise lost
    limited = typed.rate < rate * SHORT_OF or typed.generator_cpu > EXHAUSTED
    return Step(lost is None and p99 < TOO_LATE, p99, limited), {
        "highest_rate": typed.rate,
        **usage.costs,
        "p99_ms": p99 * MS,
        "edits": edits,
        "generator_cpu": typed.generator_cpu,
    }
