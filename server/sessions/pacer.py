"""When the next tick may run: at once after silence, less often the more a tick costs.

Pure: it takes times as values, in seconds of one monotonic clock.
"""

SMOOTHING = 0.2  # weight of the newest cost


class Pacer:
    """Keeps the smoothed cost of ticks and derives how long after one the next may begin.

    What a tick costs is the time that it takes and the time that it had to wait for others: on a
    busy event loop all take larger and fewer steps. share: of the loop that the ticks take at
    most, roughly. longest: seconds between two beginnings, whatever a tick costs.
    """

    __slots__ = ("_cost", "_longest", "_next", "_share")

    def __init__(self, share: float, longest: float) -> None:
        self._share = share
        self._longest = longest
        self._cost = 0.0
        self._next = 0.0

    def pause(self, now: float) -> float:
        """Seconds until the next tick may run; 0 if it may run now."""
        return self._next - now if self._next > now else 0.0

    def ran(self, started: float, ended: float, wanted: float | None = None) -> None:
        """Take note of a tick. wanted: since when there was something to do, if it was late."""
        cost = ended - started
        if wanted is not None:
            cost += max(0.0, started - max(wanted, self._next))
        self._cost += SMOOTHING * (cost - self._cost)
        self._next = started + min(self._longest, self._cost / self._share)
