"""Counters of the hot path look to Prometheus like its own."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.registry import Collector

from server.fast_metrics import FastCounter, FastHistogram

BOUNDS = (0.001, 0.5, 1, 10)


def shown(collector: Collector) -> list[tuple[str, dict[str, str], float]]:
    """The samples that a page of metrics has of it, without when it was made."""
    return [
        (sample.name, sample.labels, sample.value)
        for family in collector.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


@given(st.lists(st.sampled_from([0.0, 0.001, 0.25, 0.5, 0.75, 1.0, 2.0, 10.0, 11.0])))
def test_a_histogram_counts_as_the_librarys_does(values: list[float]) -> None:
    """The same values give the same buckets, number and sum."""
    ours = FastHistogram("seconds", "help", BOUNDS, CollectorRegistry())
    theirs = Histogram("seconds", "help", buckets=BOUNDS, registry=CollectorRegistry())
    for value in values:
        ours.observe(value)
        theirs.observe(value)
    assert shown(ours) == shown(theirs)


@given(st.lists(st.integers(0, 1000)))
def test_a_counter_counts_as_the_librarys_does(amounts: list[int]) -> None:
    """The same amounts give the same number, under the same name."""
    ours = FastCounter("things_total", "help", CollectorRegistry())
    theirs = Counter("things_total", "help", registry=CollectorRegistry())
    for amount in amounts:
        ours.inc(amount)
        theirs.inc(amount)
    assert shown(ours) == shown(theirs)
