"""An event loop whose clock jumps to what is due next: hours of timers take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Instead of waiting it says for how long it would have."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.waited += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits for a timer; sockets work as ever."""

    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Seconds that would have passed."""
        return self._jumps.waited


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end on a loop of its own, without waiting for any timer."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
