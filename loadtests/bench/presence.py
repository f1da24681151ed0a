"""The scenarios about presence: connections that idle, and cursors that move."""

import asyncio

from loadtests.bench.scenarios import MS, Measures
from loadtests.bench.trial import FULL, Lost, Trial

KIB = 1024.0
RENEWED_EVERY = 15.0  # seconds, as clients do…
ROUNDS = 2  # …that are measured
SETTLE = 2.0  # seconds for a server to tidy up after many joins
LITTLE = 20.0  # edits a second, to see that a full server still works
SAMPLED_CURSORS = 20  # receivers that look up every move


async def idle(trial: Trial, sessions: int, clients: int) -> Measures:
    """Connections with presence that do nothing, then only renew it."""
    first = trial.sessions(1, 1)
    await trial.herd.open("first", first, target=trial.server.target())
    await trial.rest(SETTLE)
    empty = (await trial.memory()).all
    wanted = trial.sessions(sessions, clients)
    opened = await trial.herd.open("all", wanted, target=trial.server.target(), concurrency=50)
    await trial.rest(SETTLE)
    full = (await trial.memory()).all
    async with trial.measured() as idling:
        await trial.rest(trial.seconds)
    every = trial.seconds if trial.small else RENEWED_EVERY
    rounds = trial.herd.all("renew", group="all", every=every, seconds=every * (1 + ROUNDS))
    answering = asyncio.create_task(rounds)
    await trial.rest(every)  # clients that are there for long have renewed before
    async with trial.measured() as renewing:
        answers = await answering
    await trial.still_open("all")
    count = sessions * clients
    return {
        "kib_each": (full - empty) / count / KIB,
        "empty_mib": empty / KIB / KIB,
        "open_seconds": opened["seconds"],
        "cpu_idle": idling.server_cpu,
        **renewing.costs,
        "generator_cpu": max(float(one["monitor"]["cpu"]) for one in answers),
    }


async def held(trial: Trial, sessions: int, clients: int) -> Measures:
    """Many more connections, without presence: all come in and stay, and edits still go through.

    If a process may not have so many, several servers on one database share them.
    """
    count = sessions * clients
    async with trial.servers(count) as servers:
        typists = trial.sessions(len(servers), max(2, len(trial.herd.pids)))
        for server, session in zip(servers, typists, strict=True):
            await trial.herd.open("typists", [session], target=server.target())
        await trial.rest(SETTLE)
        empty = (await trial.memory()).all
        opened, wanted = 0.0, trial.sessions(sessions, clients)
        for index, server in enumerate(servers):
            share = wanted[index :: len(servers)]
            opening = await trial.herd.open(
                "all", share, target=server.target(), concurrency=50, present=False
            )
            opened += opening["seconds"]
        await trial.rest(SETTLE)
        full = (await trial.memory()).all
        async with trial.measured() as usage:
            await trial.rest(trial.seconds)
        await trial.type("typists", typists, LITTLE, 1.0)
        await trial.settle("typists")
        latencies, _ = await trial.collect("typists")
        await trial.still_open("all")
        return {
            "held": count,
            "servers": len(servers),
            "kib_each": (full - empty) / count / KIB,
            "open_seconds": opened,
            "cpu_idle": usage.server_cpu,
            "p99_ms": latencies.percentile(0.99) * MS,
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
        **usage.costs,
        "moves": float(latencies.total),
        "generator_cpu": moved["monitor"]["cpu"],
    }
