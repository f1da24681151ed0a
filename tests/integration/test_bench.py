"""The benchmark itself, on little: what it says about correctness must hold for our server."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest_asyncio

SCENARIOS = (
    "session-200",
    "session-200-highest",
    "sessions-4",
    "idle",
    "large-document",
    "cursors",
    "comeback",
    "slow-reader",
    "saved",
)
ROOT = Path(__file__).parents[2]


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
