"""A counter and a histogram for the way of an edit, where the client library's would be felt.

They cost a fifth of its (which have a lock, as other threads may count; here only the event loop's
thread does) and are collected by it like its own.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class FastCounter(Collector):
    """A number that only grows. name: ends with `_total`."""

    __slots__ = ("_help", "_name", "_value")

    def __init__(self, name: str, help: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._name = name
        self._help = help
        self._value = 0
        registry.register(self)

    def inc(self, amount: int = 1) -> None:
        """Count so many more."""
        self._value += amount

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The number, as it is now."""
        yield CounterMetricFamily(self._name, self._help, value=self._value)


class FastHistogram(Collector):
    """How often values were how large. buckets: their upper bounds, rising."""

    __slots__ = ("_bounds", "_counts", "_help", "_name", "_sum")

    def __init__(
        self,
        name: str,
        help: str,
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._help = help
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Take note of a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """How many values were at most each bound, and their sum."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        counts = [float(count) for count in accumulate(self._counts)]
        yield HistogramMetricFamily(
            self._name,
            self._help,
            buckets=list(zip(bounds, counts, strict=True)),
            sum_value=self._sum,
        )
