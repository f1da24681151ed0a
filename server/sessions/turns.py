"""Does long work in turns of a few milliseconds, between which the event loop serves all others."""

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

from server import telemetry

TURN = 0.003  # seconds, and what is left of the step that is under way then

Result = TypeVar("Result")
Steps = Generator[None, None, Result]  # work that can pause between any two of its steps


class Turns:
    """Long work, one piece after the other: the turns of many at once would add up."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def do(self, name: str, steps: Steps[Result], **fields: object) -> Result:
        """Do some work and return its result; what fits in one turn waits for nothing.

        name, fields: what the log and the metrics call a turn that took too long.
        """
        done = _turn(name, steps, fields)
        if not done:
            async with self._lock:
                while not done:
                    await asyncio.sleep(0)
                    done = _turn(name, steps, fields)
        return done[0]


def _turn(name: str, steps: Steps[Result], fields: dict[str, object]) -> list[Result]:
    """One turn; the result in a list, which is empty until the work is done."""
    with telemetry.holding(name, **fields):
        ends = time.perf_counter() + TURN
        try:
            next(steps)
            while time.perf_counter() < ends:
                next(steps)
        except StopIteration as end:
            return [end.value]
    return []
