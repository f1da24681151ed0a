"""Long work leaves the event loop to others between its steps."""

import asyncio
import gc
from collections.abc import Generator
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from server import telemetry
from server.sessions import turns as module
from server.sessions.turns import Turns


@pytest.fixture
def at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn ends with its first step, however quick the machine is."""
    monkeypatch.setattr(module, "TURN", 1e-9)


def steps(name: str, count: int, order: list[str]) -> Generator[None, None, str]:
    """Work of so many steps, which notes what it does."""
    for _ in range(count):
        order.append(name)
        yield
    return f"{name} is done"


@pytest.mark.usefixtures("at_every_step")
async def test_others_are_served_between_two_turns() -> None:
    """What is ready to run does so before the work goes on."""
    order: list[str] = []
    working = asyncio.create_task(Turns().do("load", steps("work", 3, order)))
    while not working.done():
        await asyncio.sleep(0)
        order.append("other")
    assert await working == "work is done"
    assert order.count("work") == 3
    assert ("work", "work") not in pairwise(order)


async def test_short_work_waits_for_nobody() -> None:
    """What fits in one turn is done in the turn of the loop that asked for it."""
    turns = Turns()
    with pytest.raises(StopIteration) as done:
        turns.do("load", steps("work", 0, [])).send(None)
    assert done.value.value == "work is done"


@pytest.mark.usefixtures("at_every_step")
async def test_one_after_the_other() -> None:
    """However much long work there is, it takes one turn of the loop at a time."""
    turns, order = Turns(), list[str]()
    done = await asyncio.gather(*(turns.do("load", steps(name, 4, order)) for name in "abc"))
    assert done == [f"{name} is done" for name in "abc"]
    assert order[:3] == ["a", "b", "c"]  # each has begun
    assert order[3:] == [*"aaabbbccc"]


@pytest.mark.usefixtures("at_every_step")
async def test_work_that_fails_or_is_cancelled_lets_the_next_one_go_on() -> None:
    """The error comes through, and nobody waits for ever."""

    def failing() -> Generator[None, None, str]:
        yield
        yield
        raise ValueError("broken")

    turns, order = Turns(), list[str]()
    cancelled = asyncio.create_task(turns.do("load", steps("long", 10**9, order)))
    failed = asyncio.create_task(turns.do("load", failing()))
    good = asyncio.create_task(turns.do("load", steps("good", 3, order)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not failed.done()
    cancelled.cancel()
    with pytest.raises(ValueError, match="broken"):
        await failed
    assert await good == "good is done"


def counted(name: str) -> float:
    """How often the loop was held by that."""
    return sum(
        sample.value
        for metric in telemetry.loop_held_seconds.collect()
        for sample in metric.samples
        if sample.name.endswith("_count") and sample.labels["name"] == name
    )


async def test_a_turn_that_takes_long_is_named() -> None:
    """By what it was and for which session, in the metric and in one line of the log."""

    def slow() -> Generator[None, None, None]:
        ends = asyncio.get_running_loop().time() + 2 * telemetry.HELD_TOO_LONG
        while asyncio.get_running_loop().time() < ends:
            pass
        yield

    before, named = counted("slow work"), telemetry.named_seconds()
    with capture_logs() as logs:
        await Turns().do("slow work", slow(), session="lesson")
    assert counted("slow work") == before + 1
    assert telemetry.named_seconds() - named >= telemetry.HELD_TOO_LONG
    told = [entry for entry in logs if entry["event"] == "event loop held"]
    assert [(entry["by"], entry["session"]) for entry in told] == [("slow work", "lesson")]


def test_short_work_is_not_counted() -> None:
    """What holds the loop for less than is noticed makes neither a sample nor a line."""
    with capture_logs() as logs:
        telemetry.held("short work", telemetry.NOTICEABLE * 0.9)
        telemetry.held("longer work", telemetry.NOTICEABLE)
    assert counted("short work") == 0
    assert counted("longer work") == 1
    assert logs == []


def test_lateness_that_nothing_explains_is_counted_too() -> None:
    """Only what is left of it once all work with a name is taken off, and only if that is long."""
    before, seconds = counted("unnamed"), 10 * telemetry.HELD_TOO_LONG
    named = telemetry.named_seconds()
    telemetry.held("named work", seconds)
    telemetry.late(seconds, telemetry.named_seconds() - named)
    telemetry.late(telemetry.HELD_TOO_LONG, 0.0)
    assert counted("unnamed") == before
    telemetry.late(seconds, 0.0)
    assert counted("unnamed") == before + 1


def test_collections_of_garbage_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long one is counted under its name; nobody watches any more when the server has ended."""

    monkeypatch.setattr(telemetry, "NOTICEABLE", 0.0)
    before = counted("garbage collection")
    with telemetry.watching_collections():
        gc.collect()
    assert counted("garbage collection") > before
    after = counted("garbage collection")
    gc.collect()
    assert counted("garbage collection") == after
