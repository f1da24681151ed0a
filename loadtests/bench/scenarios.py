"""The scenarios about typing: each opens sessions, types, and checks what arrived."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loadtests.bench.trial import Lost, Trial

Measures = dict[str, float]
MS = 1000.0
WARM_UP = 1.0  # seconds of typing before anything is measured
TOO_LATE = 0.25  # seconds of p99 at which a rate counts as too high
SHORT_OF = 0.95  # of the rate asked for; a generator that makes less is the limit


@dataclass(frozen=True)
class Scenario:
    """What is measured: `run` returns its numbers by the names of `measures.MEASURES`."""

    name: str
    title: str
    run: Callable[[Trial], Awaitable[Measures]]
    dialects: tuple[str, ...] = ("y-websocket", "hocuspocus")


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
        "cpu": usage.server_cpu,
        "rate": typed.rate,
        "settled_ms": settled * MS,
        "delivered": delivered,
        "edits": edits,
        "generator_cpu": typed.generator_cpu,
        "generator_late_ms": typed.generator_late * MS,
    }


async def highest(trial: Trial, sessions: int, clients: int, start: float) -> Measures:
    """The highest rate of edits whose p99 stays below 250 ms: doubled, then halved in between.

    Each step is on fresh sessions, and all of it has to arrive.
    """
    best: Measures = {"highest_rate": 0.0, "cpu": 0.0, "p99_ms": 0.0, "generator_cpu": 0.0}
    low, high, rate, step = 0.0, 0.0, start, 0
    steps = 2 if trial.small else 14
    while step < steps and (not high or high / max(low, 1.0) > 1.12):
        step += 1
        measures = await _step(trial, f"step{step}", sessions, clients, rate)
        if measures is None:
            high = rate
        else:
            low = rate
            if measures["highest_rate"] > best["highest_rate"]:
                best = measures
            if trial.limited:
                break  # more says nothing about the server
        rate = (low + high) / 2 if high else rate * 1.6
        if not low:
            rate = high / 2
            if rate < 10:
                break
    return best


async def _step(
    trial: Trial, group: str, sessions: int, clients: int, rate: float
) -> Measures | None:
    """One rate; None if it is too high."""
    wanted = trial.sessions(sessions, clients)
    await trial.herd.open(group, wanted, target=trial.server.target())
    async with trial.measured() as usage:
        typed = await trial.type(group, wanted, rate, max(trial.seconds / 2, 1.0))
    try:
        await trial.settle(group, timeout=30.0 if trial.small else 120.0)
        edits = await trial.check_documents(wanted)
    except Lost:
        if typed.rate >= rate * SHORT_OF:
            raise
        return None
    finally:
        latencies, _ = await trial.collect(group)
        await trial.herd.all("close", group=group)
    short = typed.rate < rate * SHORT_OF
    p99 = latencies.percentile(0.99)
    if p99 < TOO_LATE:
        if short or typed.generator_cpu > 0.97:
            trial.limited = True
        return {
            "highest_rate": typed.rate,
            "cpu": usage.server_cpu,
            "p99_ms": p99 * MS,
            "edits": edits,
            "generator_cpu": typed.generator_cpu,
        }
    return None
