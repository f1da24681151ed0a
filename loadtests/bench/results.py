"""Results of a benchmark, as the report reads them: medians and spread, by scenario and peer."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One column: what the number is called, how it is shown, and times what.

    part: a measure that is a part of this one, a database's. telling: whether it belongs into a
    short table. more: whether more is better.
    """

    name: str
    label: str
    unit: str
    factor: float = 1.0
    part: str = ""
    telling: bool = False
    more: bool = False


P50 = Measure("p50_ms", "p50", "ms")
P99 = Measure("p99_ms", "p99", "ms", telling=True)
CPU = Measure("cpu", "CPU", "%", 100.0, "cpu_database", telling=True)
PLAIN_CPU = Measure("cpu", "CPU", "%", 100.0, "cpu_database")
RATE = Measure("highest_rate", "edits/s in", "", telling=True, more=True)
MEASURES: dict[str, list[Measure]] = {
    "session-50": [P50, P99, CPU],
    "session-200": [P50, P99, CPU],
    "session-200-highest": [RATE, PLAIN_CPU],
    "session-500": [P50, P99, CPU],
    "sessions-4": [P50, P99, CPU],
    "sessions-4-highest": [RATE, PLAIN_CPU],
    "idle": [
        Measure("kib_each", "memory of each", "KiB", telling=True),
        Measure("cpu_idle", "CPU, silent", "%", 100.0),
        Measure(
            "cpu", "CPU, presence renewed every 15 s", "%", 100.0, "cpu_database", telling=True
        ),
    ],
    "idle-50000": [
        Measure("held", "held", "", telling=True, more=True),
        Measure("servers", "server processes", "", more=True),
        Measure("kib_each", "memory of each", "KiB", telling=True),
        Measure("cpu_idle", "CPU, silent", "%", 100.0),
        Measure("p99_ms", "p99 of those who type meanwhile", "ms"),
    ],
    "memory": [
        Measure("kib_session", "an open session", "KiB", telling=True),
        Measure("mib_document", "an open document of 1 MB", "MiB", telling=True),
        Measure("full_mib", "all of them, before", "MiB"),
        Measure("left_mib", "left of it once all have left", "MiB", telling=True),
    ],
    "large-document": [
        Measure("join_ms", "join", "ms", telling=True),
        Measure("crowd_ms", "100 at once", "ms", telling=True),
        Measure("mib_each", "each open document", "MiB"),
    ],
    "cursors": [P50, P99, CPU],
    "comeback": [
        Measure("back_ms", "until the last is synced", "ms", telling=True),
        Measure("first_back_ms", "until the first is", "ms"),
        Measure("restart_ms", "of that, until the port is open again", "ms"),
    ],
    "slow-reader": [
        Measure("p99_ms", "p99 of the others", "ms", telling=True),
        Measure("p99_without_ms", "p99 before", "ms"),
        Measure("mib_each", "memory for each slow one", "MiB", telling=True),
        Measure("caught_up_ms", "until they caught up", "ms"),
    ],
    "saved": [
        Measure("saved_p50_ms", "acknowledged p50", "ms"),
        Measure("saved_p99_ms", "acknowledged p99", "ms", telling=True),
        PLAIN_CPU,
    ],
}
SAME_MACHINE = ("processor", "cores", "kernel")


class OtherMachine(Exception):
    """Figures of several machines can't be compared."""


@dataclass(frozen=True)
class Value:
    """A measure over all repeats."""

    median: float
    least: float
    most: float

    def times(self, factor: float) -> "Value":
        """The same in another unit."""
        return Value(self.median * factor, self.least * factor, self.most * factor)


class Results:
    """What one or more runs wrote."""

    def __init__(self, *files: dict[str, Any]) -> None:
        self.files = files
        self.machine: dict[str, str] = files[0]["machine"]
        for other in files[1:]:
            if any(other["machine"][name] != self.machine[name] for name in SAME_MACHINE):
                raise OtherMachine(f"{other['command']}: not on the machine of the others")
        self._all = [run for file in files for run in file["runs"]]
        self._runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for run in self._all:
            self._runs.setdefault((run["scenario"], run["peer"]), []).append(run)

    @classmethod
    def read(cls, *paths: Path) -> "Results":
        """The results in files of one machine; the first tells about it."""
        return cls(*(json.loads(path.read_text()) for path in paths))

    @property
    def small(self) -> bool:
        """Whether some of it was measured at small scale."""
        return any(file["scale"] != "full" for file in self.files)

    @property
    def peers(self) -> list[str]:
        """Who was measured, in the order of the first run of each."""
        return list(dict.fromkeys(run["peer"] for run in self._all))

    @property
    def scenarios(self) -> list[str]:
        """What was measured, in the catalogue's order."""
        measured = {run["scenario"] for run in self._all}
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
        return 2 * sum(bool(run["limited"]) for run in runs) > len(runs)
