"""Tells at the end of a test run which work held servers' event loops longest, and in which test.

A pytest plugin; servers of the tests hand it their logs when they end. No test fails for what it
tells, as a slow machine holds everything up.
"""

import os
from bisect import bisect
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

SHOWN = 5
KEY = "event loop held"  # the event in servers' logs, and of what workers hand over


class Hold(NamedTuple):
    """One piece of work that no other could interrupt."""

    seconds: float
    by: str
    test: str


class Started(NamedTuple):
    """When a test began."""

    at: datetime
    test: str


_started: list[Started] = []
_holds: dict[tuple[str, str], Hold] = {}  # by the log's time and name: logs are read repeatedly


def note(logs: Iterable[Mapping[str, Any]]) -> None:
    """Take note of what a server logged."""
    for entry in logs:
        if entry.get("event") == KEY:
            test = _test_at(datetime.fromisoformat(entry["timestamp"]))
            hold = Hold(float(entry["seconds"]), str(entry["by"]), test)
            _holds[entry["timestamp"], hold.by] = hold


def _test_at(moment: datetime) -> str:
    place = bisect(_started, Started(moment, "\uffff"))
    return _started[place - 1].test if place else "before the first test"


def pytest_runtest_logstart(nodeid: str) -> None:
    """Remember which test ran when."""
    _started.append(Started(datetime.now(UTC), nodeid))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand over what was seen."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        output: dict[str, Any] = getattr(session.config, "workeroutput", {})
        output[KEY] = [tuple(hold) for hold in _longest()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """In the process that started the workers: take over what one has seen."""
    for number, hold in enumerate(getattr(node, "workeroutput", {}).get(KEY, ())):
        _holds[f"{node.gateway.id} {number}", ""] = Hold(*hold)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it."""
    if _holds:
        terminalreporter.section("what held servers' event loops longest")
        for seconds, by, test in _longest():
            terminalreporter.write_line(f"{seconds * 1000:6.0f} ms  {by}  in {test}")


def _longest() -> list[Hold]:
    return sorted(_holds.values(), reverse=True)[:SHOWN]
