"""Runs scenarios against servers in turn, again and again, and keeps the results."""

import asyncio
import os
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.bench.catalogue import catalogue
from loadtests.bench.documents import large_document
from loadtests.bench.herd import Herd
from loadtests.bench.peers import PEERS
from loadtests.bench.scenarios import Scenario
from loadtests.bench.server import Place, Server
from loadtests.bench.trial import Trial


@dataclass(frozen=True)
class Plan:
    """What to run. Without cores, processes are wherever the system puts them."""

    peers: Sequence[str]
    scenarios: Sequence[str]
    repeats: int = 3
    seconds: float = 10.0
    small: bool = False
    generators: int = 1
    server_cores: Sequence[int] = (0,)
    generator_cores: Sequence[int] = (1,)
    document: Path | None = None
    connections: int = 10_000
    cache: Path = Path(".make/bench")
    patience: float = 60.0  # seconds for edits to arrive


LONGEST = 600.0  # seconds of one run, however it goes

Say = Callable[[str], None]
Keep = Callable[[dict[str, Any]], None]


async def run(plan: Plan, say: Say, keep: Keep) -> None:
    """Every scenario on every peer, `repeats` times; peers alternate, in an order that rotates.

    Each run has a fresh server; small ones, which only judge correctness, share it. `keep` gets
    each result at once, so that an interrupted run has those it made.
    """
    known = catalogue(plan.small, plan.connections)
    document = large_document(plan.document, plan.cache, plan.small)
    wanted = [known[name] for name in plan.scenarios]
    together = [wanted] if plan.small else [[scenario] for scenario in wanted]
    for repeat in range(plan.repeats):
        turn = repeat % len(plan.peers)
        for scenarios in together:
            for peer in (*plan.peers[turn:], *plan.peers[:turn]):
                fitting = [one for one in scenarios if _takes_part(peer, one, repeat)]
                if not fitting:
                    continue
                async with _served(plan, peer, fitting) as (server, herd):
                    for scenario in fitting:
                        result = await _measure(plan, scenario, server, herd, document)
                        result |= {"scenario": scenario.name, "peer": peer, "repeat": repeat}
                        keep(result)
                        run_of = f"{repeat + 1}/{plan.repeats}"
                        say(f"{run_of} {scenario.name:20} {peer:20} {_shown(result)}")


def _takes_part(peer: str, scenario: Scenario, repeat: int) -> bool:
    if scenario.once and repeat:
        return False
    if scenario.only:
        return peer in scenario.only
    return bool(set(PEERS[peer].dialects) & set(scenario.dialects))


@asynccontextmanager
async def _served(
    plan: Plan, peer: str, scenarios: Sequence[Scenario]
) -> AsyncIterator[tuple[Server, Herd]]:
    """A server, not started yet, and generators; both end."""
    cores = list(plan.server_cores)
    settings: dict[str, str] = {}
    for scenario in scenarios:
        settings.update(scenario.settings)
        if scenario.spread and cores:
            cores += plan.generator_cores
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lyceum-bench-")))
        place = Place(peer, folder, tuple(cores), plan.cache, settings)
        server = await stack.enter_async_context(PEERS[peer].serve(place))
        stack.push_async_callback(server.stop)
        generators = max(plan.generators, *(one.generators for one in scenarios))
        herd = Herd(folder, generators, list(plan.generator_cores))
        yield server, await stack.enter_async_context(herd)


async def _measure(
    plan: Plan, scenario: Scenario, server: Server, herd: Herd, document: bytes
) -> dict[str, Any]:
    """One run."""
    began = time.perf_counter()
    trial = Trial(
        server,
        herd,
        plan.seconds,
        plan.small,
        document,
        scenario.name,
        [os.getpid()],
        plan.patience,
    )
    result: dict[str, Any] = {"measures": {}, "error": None}
    try:
        async with asyncio.timeout(LONGEST):
            if not server.running:
                await server.start()
            result["measures"] = await scenario.run(trial)
            await herd.all("close_all")
    except Exception as error:
        result["error"] = _first_line(error)
        result["trace"] = traceback.format_exc(limit=-6)
        result["log"] = server.log_end()
    return result | {
        "limited": trial.limited,
        "others_cpu": max((usage.others_cpu for usage in trial.usages), default=0.0),
        "seconds": time.perf_counter() - began,
    }


def _first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _shown(result: dict[str, Any]) -> str:
    if result["error"]:
        return f"FAILED {result['error']}"
    shown = "  ".join(f"{name} {value:,.4g}" for name, value in result["measures"].items())
    return shown + ("  (the generator was the limit)" if result["limited"] else "")
