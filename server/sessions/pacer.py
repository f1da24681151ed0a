"""When a session's next tick may run: at once after silence, less often the more a tick costs.

Pure: it takes times as values, in seconds of one monotonic clock.
"""

SMOOTHING = 0.2  # weight of the newest cost


class Pacer:
    """Keeps the smoothed cost of a session's ticks and derives the pause between them.

    share: of the event loop that the ticks take at most, roughly. longest: seconds that a
    participant waits at most, however large the session.
    """

    __slots__ = ("_cost", "_longest", "_next", "_share")

    def __init__(self, share: float, longest: float) -> None:
        self._share = share
        self._longest = longest
        self._cost = 0.0
        self._next = 0.0

    def pause(self, now: float) -> float:
        """Seconds until the next tick may run; 0 if it may run now."""
        return max(0.0, self._next - now)

    def ran(self, started: float, ended: float) -> None:
        """Take note of a tick."""
        self._cost += SMOOTHING * (ended - started - self._cost)
        self._next = ended + min(self._longest, self._cost / self._share)
