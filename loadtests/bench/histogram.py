"""Latencies, in buckets one percent wide, so that those of several processes can be added up."""

import math
from collections import Counter
from collections.abc import Iterable

_WIDTH = math.log(1.01)
_SMALLEST = 1e-6  # seconds


class Histogram:
    """How often each latency occurred; in seconds."""

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self.counts = Counter(counts or {})

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Histogram":
        """The latencies given."""
        log, smallest, width = math.log, _SMALLEST, _WIDTH
        return cls(Counter(int(log(max(one, smallest) / smallest) / width) for one in seconds))

    @classmethod
    def read(cls, pairs: Iterable[tuple[int, int]]) -> "Histogram":
        """What `pairs` wrote."""
        return cls(dict(pairs))

    def pairs(self) -> list[tuple[int, int]]:
        """Bucket and count, as JSON can hold them."""
        return list(self.counts.items())

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()

    def percentile(self, share: float) -> float:
        """The latency that this share of them (0 to 1) does not exceed; NaN if there is none."""
        wanted = share * self.total
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return _SMALLEST * math.exp((bucket + 0.5) * _WIDTH)
        return math.nan
