"""Metrics for the way of an edit and of a statement, where the client library's would be felt.

They cost a fifth of its (which have a lock, as other threads may count; here only the event loop's
thread does) and are collected by it like its own. One kind is asked only when it is collected.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
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
        yield HistogramMetricFamily(
            self._name,
            self._help,
            buckets=_buckets(self._bounds, self._counts),
            sum_value=self._sum,
        )


class FastHistograms(Collector):
    """A FastHistogram for each value of a label.

    most: values that are told apart; those that come later are one, `other`.
    """

    __slots__ = ("_bounds", "_help", "_label", "_most", "_name", "_seen")

    def __init__(
        self,
        name: str,
        help: str,
        label: str,
        buckets: Sequence[float],
        most: int = 500,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._help = help
        self._label = label
        self._bounds = tuple(buckets)
        self._most = most
        self._seen: dict[str, tuple[list[int], list[float]]] = {}  # counts, and [their sum]
        registry.register(self)

    def observe(self, of: str, value: float) -> None:
        """Take note of a value. of: the label's."""
        found = self._seen.get(of)
        if found is None:
            if len(self._seen) >= self._most:
                of = "other"
            found = self._seen.setdefault(of, ([0] * (len(self._bounds) + 1), [0.0]))
        counts, total = found
        counts[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Of each label's value: how many values were at most each bound, and their sum."""
        family = HistogramMetricFamily(self._name, self._help, labels=[self._label])
        for of, (counts, total) in self._seen.items():
            family.add_metric([of], _buckets(self._bounds, counts), total[0])
        yield family


class AskedGauge(Collector):
    """Numbers that are asked for when metrics are collected; those of one label's value add up."""

    __slots__ = ("_help", "_label", "_name", "_sources")

    def __init__(
        self, name: str, help: str, label: str, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._name = name
        self._help = help
        self._label = label
        self._sources: dict[object, tuple[str, Callable[[], float]]] = {}
        registry.register(self)

    def ask(self, whom: object, of: str, number: Callable[[], float]) -> None:
        """Ask from now on. whom: by whom it is forgotten again. of: the label's value."""
        self._sources[whom] = of, number

    def forget(self, whom: object) -> None:
        """Ask no more; whoever was never asked doesn't matter."""
        self._sources.pop(whom, None)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The sum of the numbers by label's value, as they are now."""
        sums: dict[str, float] = defaultdict(float)
        for of, number in self._sources.values():
            sums[of] += number()
        family = GaugeMetricFamily(self._name, self._help, labels=[self._label])
        for of, value in sums.items():
            family.add_metric([of], value)
        yield family


def _buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """The counts as the exposition format has them: each bound's with all below."""
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, (float(count) for count in accumulate(counts)), strict=True))
