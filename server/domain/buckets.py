"""A token bucket: how much somebody may do a second, and how much at once. Pure."""


class TokenBucket:
    """Holds up to `burst` tokens, of which `rate` come back a second; it starts full.

    Times are seconds of one monotonic clock.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now

    def take(self, now: float, amount: float = 1.0) -> float:
        """Take tokens; returns 0, or the seconds after which they would be there, taking none."""
        self._refill(now)
        if amount <= self._tokens:
            self._tokens -= amount
            return 0.0
        return (amount - self._tokens) / self._rate

    def charge(self, now: float, amount: float) -> float:
        """Take what was used already, also beyond what is there; returns the seconds of debt."""
        self._refill(now)
        self._tokens -= amount
        return max(0.0, -self._tokens / self._rate)

    def is_full(self, now: float) -> bool:
        """Whether it remembers nothing that a new one would not know."""
        self._refill(now)
        return self._tokens >= self._burst
