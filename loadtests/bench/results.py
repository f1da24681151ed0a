"""Results of a benchmark, as the report reads them: medians and spread, by scenario and peer."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One column: what the number is called, how it is shown, and times what."""

    name: str
    label: str
    unit: str
    factor: float = 1.0


P50 = Measure("p50_ms", "p50", "ms")
P99 = Measure("p99_ms", "p99", "ms")
CPU = Measure("cpu", "CPU", "%", 100.0)
MEASURES: dict[str, list[Measure]] = {
    "session-50": [P50, P99, CPU],
    "session-200": [P50, P99, CPU],
    "session-200-highest": [Measure("highest_rate", "edits/s in", ""), CPU],
    "session-500": [P50, P99, CPU],
    "sessions-4": [P50, P99, CPU],
    "sessions-4-highest": [Measure("highest_rate", "edits/s in", ""), CPU],
    "idle": [
        Measure("kib_each", "memory of each", "KiB"),
        Measure("cpu_idle", "CPU, silent", "%", 100.0),
        Measure("cpu", "CPU, presence renewed every 15 s", "%", 100.0),
    ],
    "large-document": [
        Measure("join_ms", "join", "ms"),
        Measure("crowd_ms", "100 at once", "ms"),
        Measure("mib_each", "each open document", "MiB"),
    ],
    "cursors": [P50, P99, CPU],
    "comeback": [
        Measure("back_ms", "until the last is synced", "ms"),
        Measure("first_back_ms", "until the first is", "ms"),
    ],
    "slow-reader": [
        Measure("p99_ms", "p99 of the others", "ms"),
        Measure("p99_without_ms", "p99 before", "ms"),
        Measure("mib_each", "memory for each slow one", "MiB"),
        Measure("caught_up_ms", "until they caught up", "ms"),
    ],
    "saved": [
        Measure("saved_p50_ms", "acknowledged p50", "ms"),
        Measure("saved_p99_ms", "acknowledged p99", "ms"),
        CPU,
    ],
}


@dataclass(frozen=True)
class Value:
    """A measure over all repeats."""

    median: float
    least: float
    most: float


class Results:
    """What `run` wrote."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.about = found
        self._runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for run in found["runs"]:
            self._runs.setdefault((run["scenario"], run["peer"]), []).append(run)

    @classmethod
    def read(cls, *paths: Path) -> "Results":
        """The results in files; the first tells about machine and settings."""
        files = [json.loads(path.read_text()) for path in paths]
        return cls({**files[0], "runs": [run for file in files for run in file["runs"]]})

    @property
    def peers(self) -> list[str]:
        """Who was measured, in the order of the first run of each."""
        return list(dict.fromkeys(run["peer"] for run in self.about["runs"]))

    @property
    def scenarios(self) -> list[str]:
        """What was measured, in the catalogue's order."""
        measured = {run["scenario"] for run in self.about["runs"]}
        return [name for name in MEASURES if name in measured]

    def runs(self, scenario: str, peer: str) -> list[dict[str, Any]]:
        """The runs of a peer in a scenario."""
        return self._runs.get((scenario, peer), [])

    def value(self, scenario: str, peer: str, measure: str) -> Value | None:
        """Median and spread; None if no run has it."""
        values = [
            run["measures"][measure]
            for run in self.runs(scenario, peer)
            if not run["error"] and measure in run["measures"]
        ]
        return Value(median(values), min(values), max(values)) if values else None

    def number(self, scenario: str, peer: str, measure: str) -> float | None:
        """The median."""
        value = self.value(scenario, peer, measure)
        return value.median if value else None

    def errors(self, scenario: str, peer: str) -> list[str]:
        """How runs failed."""
        return [run["error"] for run in self.runs(scenario, peer) if run["error"]]

    def limited(self, scenario: str, peer: str) -> bool:
        """Whether the generator was the limit in most runs."""
        runs = self.runs(scenario, peer)
        return 2 * sum(run["limited"] for run in runs) > len(runs)
