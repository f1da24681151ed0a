"""A token bucket: how much somebody may do a second, and how much at once. Pure."""

ROUNDING = 1e-9  # seconds: who waits exactly as told must not be told to wait again


class TokenBucket:
    """Holds up to `burst` tokens, of which `rate` come back a second; it starts full.

    Times are seconds of one monotonic clock. It is kept as the time at which it would be full
    again, which is all there is to know (the generic cell rate algorithm: ITU-T I.371, annex A).
    """

    __slots__ = ("_burst_seconds", "_full_at", "_seconds")

    def __init__(self, rate: float, burst: float) -> None:
        self._seconds = 1 / rate  # until a token comes back
        self._burst_seconds = burst / rate
        self._full_at = 0.0

    def take(self, now: float, amount: float = 1.0) -> float:
        """Take tokens; returns 0, or the seconds after which they would be there, taking none."""
        full_at = self._full_at if self._full_at > now else now
        full_at += amount * self._seconds
        wait = full_at - now - self._burst_seconds
        if wait > ROUNDING:
            return wait
        self._full_at = full_at
        return 0.0

    def charge(self, now: float, amount: float) -> float:
        """Take what was used already, also beyond what is there; returns the seconds of debt."""
        full_at = self._full_at if self._full_at > now else now
        self._full_at = full_at = full_at + amount * self._seconds
        debt = full_at - now - self._burst_seconds
        return debt if debt > ROUNDING else 0.0

    def is_full(self, now: float) -> bool:
        """Whether it remembers nothing that a new one would not know."""
        return self._full_at <= now
