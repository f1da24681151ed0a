"""How fast many people may do something, each on its own: a token bucket for everybody. Pure."""

from server.domain.buckets import TokenBucket
from server.errors import TooFast

BURST = 5  # seconds' worth that somebody may do at once
MOST_PEOPLE = 10_000  # whose rate is remembered; beyond, those who were quiet are forgotten


class Rates:
    """See the module. per_second: 0 lifts the bound. what: is done, in the plural."""

    def __init__(self, per_second: int, what: str) -> None:
        self._per_second = per_second
        self._what = what
        self._buckets: dict[object, TokenBucket] = {}

    def __len__(self) -> int:
        """People whose rate is remembered."""
        return len(self._buckets)

    def take(self, key: object, now: float) -> None:
        """Somebody does it once more, at a monotonic time; raises TooFast."""
        rate = self._per_second
        if not rate:
            return
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST_PEOPLE:
                self._forget_quiet(now)
            bucket = self._buckets[key] = TokenBucket(rate, rate * BURST)
        wait = bucket.take(now)
        if wait:
            raise TooFast(f"At most {rate} {self._what} a second; wait a little.", wait)

    def _forget_quiet(self, now: float) -> None:
        quiet = [key for key, bucket in self._buckets.items() if bucket.is_full(now)]
        for key in quiet or list(self._buckets)[: MOST_PEOPLE // 2]:
            del self._buckets[key]
