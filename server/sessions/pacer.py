"""When the next tick may run: at once after silence, less often the more a tick costs.

Pure: it takes times as values, in seconds of one monotonic clock.
"""

SMOOTHING = 0.2  # weight of the newest cost


class Pacer:
    """Keeps the smoothed cost of ticks and derives how long after one the next may begin.

    What a tick costs is the time that it takes and the time that it had to wait for others: on a
    busy event loop all take larger and fewer steps. share: of the loop that the ticks take at
    most, roughly. longest: seconds between two beginnings, whatever a tick costs. burst: seconds by
    which ticks may run ahead of their share, so that two in a row need not wait where few come.
    """

    __slots__ = ("_burst", "_late", "_longest", "_next", "_paid", "_share", "_work")

    def __init__(self, share: float, longest: float, burst: float = 0.0) -> None:
        self._share = share
        self._longest = longest
        self._burst = burst
        self._work = 0.0
        self._late = 0.0
        self._paid = 0.0  # when all ticks so far are within the share
        self._next = 0.0

    def pause(self, now: float) -> float:
        """Seconds until the next tick may run; 0 if it may run now."""
        return self._next - now if self._next > now else 0.0

    def ran(self, started: float, ended: float, wanted: float | None = None) -> None:
        """Take note of a tick. wanted: since when there was something to do, if it was late."""
        late = 0.0 if wanted is None else max(0.0, started - max(wanted, self._next))
        self._work += SMOOTHING * (ended - started - self._work)
        self._late += SMOOTHING * (late - self._late)
        ahead = max(0.0, self._paid - started) + self._work / self._share
        ahead = min(ahead, self._burst + self._longest)
        self._paid = started + ahead
        pause = self._late / self._share + max(0.0, ahead - self._burst)
        self._next = started + min(self._longest, pause)
