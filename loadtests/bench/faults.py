"""The scenarios in which something goes wrong, or waits for the disk."""

import asyncio
import time

from loadtests.bench.scenarios import MS, Measures
from loadtests.bench.trial import Lost, Trial

RETRY = 0.1  # seconds between a client's attempts, on average
SLOW_BUFFER = 4096  # bytes that the kernel keeps for a slow reader


async def comeback(trial: Trial, sessions: int, clients: int) -> Measures:
    """SIGKILL to a full server, which is started again at once; until the last is synced."""
    wanted = trial.sessions(sessions, clients)
    await trial.herd.open("all", wanted, target=trial.server.target())
    await trial.type("all", wanted, sessions * clients, 1.0)
    await trial.settle("all")
    returning = asyncio.create_task(
        trial.herd.all("come_back", group="all", target=trial.server.target(), retry=RETRY)
    )
    killed = time.perf_counter()
    await trial.server.kill()
    started = await trial.server.start(ready=False)
    async with trial.measured() as usage:
        answers = await returning
    first, last = min(one["first"] for one in answers), max(one["last"] for one in answers)
    edits = await trial.check_documents(wanted, patience=30.0)
    return {
        "back_ms": (last - killed) * MS,
        "first_back_ms": (first - killed) * MS,
        "restart_ms": started * MS,
        **usage.costs,
        "edits": edits,
    }


async def slow_reader(trial: Trial, clients: int, slow: int, rate: float, paste: int) -> Measures:
    """Some of a session stop reading while others paste so many characters; then they go on."""
    wanted = trial.sessions(1, clients)
    sluggish = [(wanted[0][0], wanted[0][1], slow)]
    await trial.herd.open("all", wanted, target=trial.server.target())
    await trial.herd.open_on_first(
        "slow", sluggish, target=trial.server.target(), receive_buffer=SLOW_BUFFER
    )
    await trial.herd.call(0, "sample", group="slow", budget=rate * slow, rate=rate)
    first, grown = await _paste(trial, wanted, rate, paste)
    await trial.settle("slow")
    await trial.herd.call(0, "pause", group="slow")
    second, grown_more = await _paste(trial, wanted, rate, paste)
    await trial.herd.call(0, "resume", group="slow")
    caught_up, _ = await trial.settle("slow")
    edits = await trial.check_documents(wanted)
    return {
        "p99_ms": second * MS,
        "p99_without_ms": first * MS,
        "mib_each": max(0.0, grown_more - grown) / slow / 2**20,
        "caught_up_ms": caught_up * MS,
        "edits": edits,
    }


async def _paste(
    trial: Trial, sessions: list[tuple[str, int, int]], rate: float, paste: int
) -> tuple[float, float]:
    """p99 of those who read, and what the server without its database grew by."""
    before = await trial.memory(patient=True)
    async with trial.measured():
        typed = await trial.type("all", sessions, rate, trial.seconds, paste)
    trial.judge(typed)
    await trial.settle("all")
    latencies, _ = await trial.collect("all")
    return latencies.percentile(0.99), (await trial.memory(patient=True)).own - before.own


async def saved(trial: Trial, sessions: int, clients: int, rate: float) -> Measures:
    """From sending an edit to the word that it is saved."""
    wanted = trial.sessions(sessions, clients)
    target = trial.server.target("hocuspocus")
    await trial.herd.open("all", wanted, target=target, saved=True)
    await trial.type("all", wanted, rate, 1.0)
    await trial.settle("all")
    await trial.herd.all("saved_settle", group="all")
    await trial.collect("all")
    async with trial.measured() as usage:
        typed = await trial.type("all", wanted, rate, trial.seconds)
    trial.judge(typed)
    unsaved = sum(await trial.herd.all("saved_settle", group="all"))
    if unsaved:
        raise Lost(f"{unsaved} edits were never acknowledged")
    await trial.settle("all")
    latencies, acknowledged = await trial.collect("all")
    edits = await trial.check_documents(wanted)
    return {
        "saved_p50_ms": acknowledged.percentile(0.5) * MS,
        "saved_p99_ms": acknowledged.percentile(0.99) * MS,
        "p99_ms": latencies.percentile(0.99) * MS,
        **usage.costs,
        "rate": typed.rate,
        "edits": edits,
        "generator_cpu": typed.generator_cpu,
    }
