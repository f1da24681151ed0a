"""How the server speaks to those who run it: structured logs, and every metric in one place."""

import gc
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TextIO, cast

import structlog
from prometheus_client import Counter, Gauge, Histogram

from server.allowed import LogFormat
from server.fast_metrics import AskedGauge, FastCounter, FastHistogram, FastHistograms

FAST = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LONG = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

# Which request to the API something is done for; empty where it is none.
request_id: ContextVar[str] = ContextVar("request_id", default="")

connections = Gauge("lyceum_connections", "WebSockets that are open")
participants = Gauge("lyceum_participants", "Participants in all sessions")
sessions_open = Gauge("lyceum_sessions_open", "Sessions held in memory")
sessions_opened = Counter("lyceum_sessions_opened_total", "Sessions read from the database")
session_open_seconds = Histogram(
    "lyceum_session_open_seconds", "Time to read a session from the database", buckets=FAST
)
updates_received = FastCounter(
    "lyceum_updates_received_total", "Document updates from participants"
)
updates_delivered = FastCounter(
    "lyceum_updates_delivered_total", "Frames with document updates written to participants"
)
awareness_received = FastCounter("lyceum_awareness_received_total", "Presence messages received")
awareness_delivered = FastCounter(
    "lyceum_awareness_delivered_total", "Frames with presence written to participants"
)
received_bytes = FastCounter("lyceum_received_bytes_total", "Bytes read from WebSockets")
fanout_delay_seconds = FastHistogram(
    "lyceum_fanout_delay_seconds", "From an update's receipt to its fan-out", buckets=FAST
)
commit_delay_seconds = FastHistogram(
    "lyceum_commit_delay_seconds", "From an update's fan-out to its commit", buckets=FAST
)
commit_seconds = Histogram("lyceum_commit_seconds", "Duration of a journal commit", buckets=FAST)
commit_documents = Histogram(
    "lyceum_commit_documents", "Documents in one journal commit", buckets=SIZES
)
commit_failures = Counter(
    "lyceum_commit_failures_total", "Journal commits that failed and were tried again", ["reason"]
)
journal_queue_bytes = Gauge("lyceum_journal_queue_bytes", "Bytes that wait to be committed")
outbox_bytes = Gauge("lyceum_outbox_bytes", "Bytes that wait in the buffers of all sockets")
slow_receivers = Counter(
    "lyceum_slow_receivers_collapsed_total",
    "Times that a slow participant's updates gave way to one diff",
)
deflated_messages = Counter(
    "lyceum_deflated_messages_total", "Large messages compressed, each once for all its receivers"
)
deflate_saved_bytes = Counter(
    "lyceum_deflate_saved_bytes_total", "Bytes that need not be written thanks to compression"
)
deflate_waiting_bytes = Gauge(
    "lyceum_deflate_waiting_bytes", "Bytes of messages that wait to be compressed"
)
throttled = Counter(
    "lyceum_throttled_total", "Times that a socket was not read for a while, as it sent too much"
)
refused = Counter("lyceum_refused_total", "Messages and joins refused", ["reason"])
skipped_updates = Counter(
    "lyceum_skipped_updates_total", "Stored updates that could not be integrated"
)
compactions = Counter("lyceum_compactions_total", "Snapshots written")
compaction_failures = Counter("lyceum_compaction_failures_total", "Snapshots that failed")
chat_messages = Counter("lyceum_chat_messages_total", "Chat messages, edits and deletions saved")
chat_waiting = Gauge("lyceum_chat_waiting", "Chat messages, edits and deletions not saved yet")
chat_failures = Counter(
    "lyceum_chat_failures_total", "Tries to save or read chat that failed and were repeated"
)
chat_commit_seconds = Histogram(
    "lyceum_chat_commit_seconds", "Duration of a commit of chat", buckets=FAST
)
query_seconds = FastHistograms(
    "lyceum_query_seconds", "Duration of a statement, by its name", "name", buckets=FAST
)
slow_queries = Counter(
    "lyceum_slow_queries_total", "Statements that took longer than LYCEUM_SLOW_QUERY_MS", ["name"]
)
query_timeouts = Counter(
    "lyceum_query_timeouts_total",
    "Statements that were ended as they took longer than their kind may",
    ["kind"],
)
pool_wait_seconds = FastHistograms(
    "lyceum_pool_wait_seconds", "Wait for a connection of a pool", "pool", buckets=FAST
)
pool_limit = AskedGauge("lyceum_pool_limit", "Connections that a pool may have", "pool")
pool_size = AskedGauge("lyceum_pool_size", "Connections that a pool has", "pool")
pool_in_use = AskedGauge("lyceum_pool_in_use", "Connections of a pool that are lent", "pool")
pool_waiting = AskedGauge(
    "lyceum_pool_waiting", "Who waits for a connection of a pool right now", "pool"
)
pool_exhausted = Counter(
    "lyceum_pool_exhausted_total", "Who gave up waiting for a connection of a pool", ["pool"]
)
reads = Counter(
    "lyceum_reads_total", "Reads that a replica may answer, by the one that did", ["source"]
)
reads_sent_back = Counter(
    "lyceum_reads_sent_back_total",
    "Reads that the primary answered though there are replicas: none (may be read), behind, failed",
    ["why"],
)
replica_up = AskedGauge("lyceum_replica_up", "1 while a replica may be read, else 0", "replica")
replica_lag = AskedGauge(
    "lyceum_replica_lag_seconds", "How old what a replica shows may be", "replica"
)
loop_lag_seconds = Histogram(
    "lyceum_loop_lag_seconds", "How late the event loop runs what is due", buckets=FAST
)
loop_held_seconds = Histogram(
    "lyceum_loop_held_seconds",
    "Work that held the event loop for 5 ms or longer, by name",
    ["name"],
    buckets=FAST,
)
webhook_events_queued = Gauge(
    "lyceum_webhook_events_queued", "Events for webhooks that wait to be written"
)
webhook_events_dropped = Counter(
    "lyceum_webhook_events_dropped_total", "Events for webhooks that were given up", ["event"]
)
webhook_deliveries = Counter(
    "lyceum_webhook_deliveries_total",
    "Attempts to deliver to webhooks: delivered, retried, failed (for good), gone",
    ["outcome"],
)
webhook_delivery_seconds = Histogram(
    "lyceum_webhook_delivery_seconds", "Duration of an attempt to deliver", buckets=FAST
)
activity_written = Counter("lyceum_activity_rows_total", "Rows of activity that were saved")
activity_waiting = Gauge("lyceum_activity_waiting", "Rows of activity that wait to be saved")
activity_shed = Counter(
    "lyceum_activity_shed_total",
    "Activity that was not kept; characters: updates whose characters were not counted",
    ["kind"],
)
activity_failures = Counter(
    "lyceum_activity_failures_total", "Saves of activity that failed and were tried again"
)
activity_commit_seconds = Histogram(
    "lyceum_activity_commit_seconds", "Duration of a commit of activity", buckets=FAST
)
audit_waiting = Gauge("lyceum_audit_rows_waiting", "Rows of the audit log that are not sealed yet")
audit_sealed = Counter("lyceum_audit_rows_sealed_total", "Rows of the audit log that were sealed")
audit_failures = Counter(
    "lyceum_audit_failures_total", "Tries to seal the audit log or to export seals that failed"
)
audit_last_success = Gauge(
    "lyceum_audit_last_success_timestamp_seconds",
    "When all rows of the audit log were last found sealed, and all seals exported",
)
partitions_ahead = Gauge(
    "lyceum_partitions_ahead",
    "Months beyond the current one for which a table has partitions; -1: none at all",
    ["table"],
)
job_runs = Counter(
    "lyceum_job_runs_total",
    "Runs of background jobs by this server: done, failed",
    ["job", "outcome"],
)
job_seconds = Histogram("lyceum_job_seconds", "Duration of a background job", ["job"], buckets=LONG)
job_running = Gauge("lyceum_job_running", "1 while this server runs a background job", ["job"])
job_progress = Gauge(
    "lyceum_job_progress", "How much of its newest run by this server is done, from 0 to 1", ["job"]
)
job_failing = Gauge(
    "lyceum_job_failing",
    "Runs of a background job that began since its last success, by whatever server",
    ["job"],
)
job_last_success = Gauge(
    "lyceum_job_last_success_timestamp_seconds",
    "When a background job last succeeded, on whatever server",
    ["job"],
)
ready = Gauge("lyceum_ready", "1 while the server can save, else 0")

NOTICEABLE = 0.005  # seconds: work that holds the event loop for less is not counted
HELD_TOO_LONG = 0.05  # seconds: longer work is logged with its name

_named_seconds = 0.0  # for which the event loop was held by work that was counted


def held(name: str, seconds: float, **fields: object) -> None:
    """Take note of work that held the event loop; `fields` go into the log if it was long.

    Nearly all work is short, and costs no more than this call.
    """
    global _named_seconds
    if seconds < NOTICEABLE:
        return
    _named_seconds += seconds
    loop_held_seconds.labels(name).observe(seconds)
    if seconds > HELD_TOO_LONG:
        structlog.get_logger().warning(
            "event loop held", by=name, seconds=round(seconds, 3), **fields
        )


def named_seconds() -> float:
    """For how long the event loop was held, in all, by work that was counted by its name."""
    return _named_seconds


def late(lag: float, named: float) -> None:
    """The event loop was late by `lag` seconds, of which work with a name takes `named`.

    A rest that is long has no name: much at once, or a machine that gave the time to others.
    """
    loop_lag_seconds.observe(lag)
    if lag - named > HELD_TOO_LONG:
        loop_held_seconds.labels("unnamed").observe(lag - named)


@contextmanager
def holding(name: str, **fields: object) -> Iterator[None]:
    """Watch a piece of work that may hold the event loop, as `held` does."""
    started = time.perf_counter()
    try:
        yield
    finally:
        held(name, time.perf_counter() - started, **fields)


class _Collections:
    """Watches Python's garbage collector, which holds whatever runs."""

    def __init__(self) -> None:
        self._started = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
        else:
            seconds = time.perf_counter() - self._started
            held("garbage collection", seconds, generation=info["generation"])


@contextmanager
def watching_collections() -> Iterator[None]:
    """Count collections of garbage as work that holds the event loop."""
    watch = _Collections()
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)


class _Stderr:
    """Standard error for the log; what it doesn't take (a full disk, a closed pipe) is lost.

    An event that can't be written must not end what it tells of.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def configure_logging(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Send log events to standard error, for people (console) or machines (json).

    level: the lowest that is logged, as the standard library numbers them.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format == "json":
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        shared.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: only their warnings concern the operator.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
