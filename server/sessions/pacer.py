"""When a session's next tick may run: at once after silence, less often the more a tick costs.

Pure: it takes times as values, in seconds of one monotonic clock.
"""

SHARE = 0.25  # a session's ticks take at most about this share of the event loop
LONGEST = 0.05  # seconds: what a participant may wait for, however large the session
SMOOTHING = 0.2  # weight of the newest cost


class Pacer:
    """Keeps the smoothed cost of a session's ticks and derives the pause between them."""

    __slots__ = ("_cost", "_next")

    def __init__(self) -> None:
        self._cost = 0.0
        self._next = 0.0

    def pause(self, now: float) -> float:
        """Seconds until the next tick may run; 0 if it may run now."""
        return max(0.0, self._next - now)

    def ran(self, started: float, ended: float) -> None:
        """Take note of a tick."""
        self._cost += SMOOTHING * (ended - started - self._cost)
        self._next = ended + min(LONGEST, self._cost / SHARE)
