"""The scenarios about presence: connections that idle, and cursors that move."""

from loadtests.bench.scenarios import MS, Measures
from loadtests.bench.trial import FULL, Lost, Trial

KIB = 1024.0
RENEWED_EVERY = 15.0  # seconds, as clients do
SETTLE = 2.0  # seconds for a server to tidy up after many joins
SAMPLED_CURSORS = 20  # receivers that look up every move


async def idle(trial: Trial, sessions: int, clients: int) -> Measures:
    """Connections with presence that do nothing, then only renew it."""
    first = trial.sessions(1, 1)
    await trial.herd.open("first", first, target=trial.server.target())
    await trial.rest(SETTLE)
    empty = await trial.memory()
    wanted = trial.sessions(sessions, clients)
    opened = await trial.herd.open("all", wanted, target=trial.server.target(), concurrency=50)
    await trial.rest(SETTLE)
    full = await trial.memory()
    async with trial.measured() as idling:
        await trial.rest(trial.seconds)
    every = trial.seconds if trial.small else RENEWED_EVERY
    async with trial.measured() as renewing:
        await trial.herd.all("renew", group="all", every=every, seconds=max(trial.seconds, every))
    await trial.still_open("all")
    count = sessions * clients
    return {
        "kib_each": (full - empty) / count / KIB,
        "empty_mib": empty / KIB / KIB,
        "open_seconds": opened["seconds"],
        "cpu_idle": idling.server_cpu,
        "cpu": renewing.server_cpu,
        "generator_cpu": renewing.generator_cpu,
    }


async def cursors(trial: Trial, clients: int, rate: float) -> Measures:
    """Everybody in one session moves a cursor all the time."""
    wanted = trial.sessions(1, clients)
    await trial.herd.open_on_first("all", wanted, target=trial.server.target())
    async with trial.measured() as usage:
        moved = await trial.herd.call(
            0,
            "cursors",
            group="all",
            rate=rate,
            seconds=trial.seconds,
            sampled=SAMPLED_CURSORS,
        )
    trial.limited = moved["monitor"]["cpu"] > FULL
    turns = int(rate * clients * trial.seconds) // clients
    lacking = await trial.herd.call(0, "cursors_settle", group="all", turns=turns)
    await trial.still_open("all")
    if lacking:
        raise Lost(f"{lacking} cursors never came to rest where they are")
    latencies, _ = await trial.collect("all")
    return {
        "p50_ms": latencies.percentile(0.5) * MS,
        "p99_ms": latencies.percentile(0.99) * MS,
        "cpu": usage.server_cpu,
        "moves": float(latencies.total),
        "generator_cpu": moved["monitor"]["cpu"],
    }
