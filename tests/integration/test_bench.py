"""The benchmark itself, on little: what it says about correctness must hold for our server."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loadtests.bench.peers import PEERS, Peer
from loadtests.bench.runner import Plan, run
from loadtests.bench.server import Place, Server

SCENARIOS = (  # the others do the same with other numbers
    "session-200",
    "session-200-highest",
    "sessions-4",
    "idle",
    "idle-50000",
    "memory",
    "large-document",
    "cursors",
    "comeback",
    "slow-reader",
    "saved",
)
ROOT = Path(__file__).parents[2]
PASTED_MIB = 50 * 160_000 / 2**20  # for each slow reader in the scenario


@pytest_asyncio.fixture(scope="module")
async def runs(tmp_path_factory: Any) -> dict[str, dict[str, Any]]:
    """What a small benchmark found, by scenario."""
    out = tmp_path_factory.mktemp("bench") / "results.json"
    command = "-m loadtests.bench run --scale small --seconds 0.5 --repeats 1 --peers lyceum"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command.split(),
        "--no-pinning",
        f"--scenarios={','.join(SCENARIOS)}",
        f"--out={out}",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    results = json.loads(out.read_text())
    return {run["scenario"]: run for run in results["runs"]}


async def test_nothing_is_lost(runs: dict[str, dict[str, Any]]) -> None:
    """Every edit reaches every client and every newcomer: while all type, after SIGKILL, and when
    some stop reading for a while. Cursors come to rest where they are."""
    assert set(runs) == set(SCENARIOS)
    assert {name: run["error"] for name, run in runs.items() if run["error"]} == {}


async def test_everything_typed_is_counted(runs: dict[str, dict[str, Any]]) -> None:
    """The edits that newcomers were checked for are all that the scenarios make."""
    edits = {name: run["measures"].get("edits") for name, run in runs.items()}
    assert edits["session-200"] == 60 + 60  # 120 a second, for half a second, twice
    assert edits["sessions-4"] == 100 + 100
    assert edits["comeback"] == 40
    assert edits["slow-reader"] == 50 + 50
    assert edits["saved"] == 200 + 100
    assert edits["memory"] == 10 * 100  # pastes


async def test_memory_is_bounded(runs: dict[str, dict[str, Any]]) -> None:
    """Memory falls once everybody has left; what slow readers are owed does not pile up."""
    memory, slow = runs["memory"]["measures"], runs["slow-reader"]["measures"]
    assert memory["left_mib"] < memory["full_mib"]
    assert slow["mib_each"] < PASTED_MIB


@asynccontextmanager
async def leaky(place: Place, loses: str) -> AsyncIterator[Server]:
    """A server that loses an edit."""
    command = [sys.executable, "-m", "tests.support.leaky_server"]
    yield place.server(command, {"y-websocket": ""}, {"LOSES": loses, "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize(
    ("loses", "said"),
    [("nothing", None), ("delivery", "1 deliveries lack"), ("document", "edits lost")],
)
async def test_lost_edits_are_noticed(
    loses: str, said: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An edit that one client did not get, or that newcomers don't find, fails the run."""
    monkeypatch.setitem(PEERS, "leaky", Peer(partial(leaky, loses=loses), ("y-websocket",)))
    plan = Plan(
        peers=["leaky"],
        scenarios=["session-50"],
        repeats=1,
        seconds=0.5,
        small=True,
        server_cores=[],
        generator_cores=[],
        cache=tmp_path,
        patience=2.0,
    )
    results: list[dict[str, Any]] = []
    await run(plan, lambda _: None, results.append)
    [result] = results
    if said is None:
        assert result["error"] is None
    else:
        assert said in result["error"]
