"""Runs scenarios against servers in turn, again and again, and keeps the results."""

import asyncio
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.bench.catalogue import catalogue
from loadtests.bench.documents import large_document
from loadtests.bench.herd import Herd
from loadtests.bench.peers import PEERS
from loadtests.bench.scenarios import Scenario
from loadtests.bench.server import Place
from loadtests.bench.trial import Trial


@dataclass(frozen=True)
class Plan:
    """What to run. Cores: -1 leaves a process wherever the system puts it."""

    peers: Sequence[str]
    scenarios: Sequence[str]
    repeats: int = 3
    seconds: float = 10.0
    small: bool = False
    generators: int = 1
    server_core: int = 0
    generator_cores: Sequence[int] = (1,)
    document: Path | None = None
    connections: int = 10_000
    cache: Path = Path(".make/bench")


LONGEST = 900.0  # seconds of one run, however it goes

Say = Callable[[str], None]
Keep = Callable[[dict[str, Any]], None]


async def run(plan: Plan, say: Say, keep: Keep) -> None:
    """Every scenario on every peer, `repeats` times; peers alternate, in an order that rotates.

    `keep` gets each result at once, so that an interrupted run has those it made.
    """
    scenarios = catalogue(plan.small, plan.connections)
    document = large_document(plan.document, plan.cache, plan.small)
    for repeat in range(plan.repeats):
        for name in plan.scenarios:
            scenario = scenarios[name]
            turn = repeat % len(plan.peers)
            for peer in (*plan.peers[turn:], *plan.peers[:turn]):
                result = await _trial(plan, scenario, peer, document)
                if result is None:
                    continue
                result |= {"scenario": name, "peer": peer, "repeat": repeat}
                keep(result)
                say(f"{repeat + 1}/{plan.repeats} {name:20} {peer:20} {_shown(result)}")


async def _trial(
    plan: Plan, scenario: Scenario, peer: str, document: bytes
) -> dict[str, Any] | None:
    """One run on a fresh server; None if the two don't go together."""
    began = time.perf_counter()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lyceum-bench-")))
        server = await stack.enter_async_context(
            PEERS[peer](Place(peer, folder, plan.server_core, plan.cache))
        )
        if not set(server.dialects) & set(scenario.dialects):
            return None
        stack.push_async_callback(server.stop)
        herd = Herd(folder, plan.generators, list(plan.generator_cores))
        await stack.enter_async_context(herd)
        trial = Trial(server, herd, plan.seconds, plan.small, document, [os.getpid()])
        result: dict[str, Any] = {"measures": {}, "error": None, "start_seconds": 0.0}
        try:
            async with asyncio.timeout(LONGEST):
                result["start_seconds"] = await server.start()
                result["measures"] = await scenario.run(trial)
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
