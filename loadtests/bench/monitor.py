"""What the generator costs itself: if it is late or its core is full, it is what was measured."""

import asyncio
import time
from array import array

from loadtests.bench.histogram import Histogram

EVERY = 0.01  # seconds


class Monitor:
    """Watches the event loop that it is made in, and this process's use of its core."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reset()
        self._tick(self._loop.time())

    def _reset(self) -> None:
        self._late: array[float] = array("d")
        self._since = time.perf_counter()
        self._cpu = time.process_time()

    def _tick(self, due: float) -> None:
        at = self._loop.time()
        self._late.append(max(0.0, at - due))
        due = at + EVERY
        self._loop.call_at(due, self._tick, due)

    def report(self) -> dict[str, object]:
        """Lateness of the loop and use of the core since the last report."""
        seconds = time.perf_counter() - self._since
        cpu = (time.process_time() - self._cpu) / seconds if seconds else 0.0
        report = {"cpu": cpu, "late": Histogram.of(self._late).pairs()}
        self._reset()
        return report
