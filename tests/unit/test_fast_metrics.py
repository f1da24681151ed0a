"""Counters of the hot path look to Prometheus like its own."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.registry import Collector

from server.fast_metrics import AskedGauge, FastCounter, FastHistogram, FastHistograms

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


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([0.0, 0.001, 0.75, 11.0]))))
def test_histograms_count_by_label_as_the_librarys_do(values: list[tuple[str, float]]) -> None:
    """The same values give the same for each of the label's."""
    ours = FastHistograms("seconds", "help", "name", BOUNDS, registry=CollectorRegistry())
    theirs = Histogram("seconds", "help", ["name"], buckets=BOUNDS, registry=CollectorRegistry())
    for name, value in values:
        ours.observe(name, value)
        theirs.labels(name).observe(value)
    assert shown(ours) == shown(theirs)


def test_histograms_are_bounded() -> None:
    """Names beyond the bound are counted together, those before it still apart."""
    ours = FastHistograms("seconds", "help", "name", BOUNDS, most=1, registry=CollectorRegistry())
    for name in ("first", "second", "third", "first"):
        ours.observe(name, 0.0)
    counts = {labels["name"]: value for name, labels, value in shown(ours) if "count" in name}
    assert counts == {"first": 2, "other": 2}


def test_a_gauge_asks_when_it_is_collected() -> None:
    """Numbers of one label's value add up; nobody is asked any more once forgotten."""
    numbers = {"first": 1.0, "second": 2.0}
    gauge = AskedGauge("things", "help", "pool", CollectorRegistry())
    gauge.ask("first", "server", lambda: numbers["first"])
    gauge.ask("second", "server", lambda: numbers["second"])
    gauge.ask("third", "app", lambda: 7.0)
    numbers["first"] = 10.0
    server, app = {"pool": "server"}, {"pool": "app"}
    assert shown(gauge) == [("things", server, 12.0), ("things", app, 7.0)]
    for key in ("first", "third", "never asked"):
        gauge.forget(key)
    assert shown(gauge) == [("things", server, 2.0)]


@given(st.lists(st.integers(0, 1000)))
def test_a_counter_counts_as_the_librarys_does(amounts: list[int]) -> None:
    """The same amounts give the same number, under the same name."""
    ours = FastCounter("things_total", "help", CollectorRegistry())
    theirs = Counter("things_total", "help", registry=CollectorRegistry())
    for amount in amounts:
        ours.inc(amount)
        theirs.inc(amount)
    assert shown(ours) == shown(theirs)
