"""A line now and then about how the test goes, as Locust alone is silent until its end."""

import logging
from typing import Any

import gevent
from locust.runners import STATE_RUNNING, STATE_SPAWNING

from loadtests.locust.report import JOIN, PEER

EVERY = 10.0  # seconds

log = logging.getLogger("lyceum")


def tell_now_and_then(runner: Any) -> None:
    """Log how many joins there were and how long edits take, for as long as the test runs."""
    while True:
        gevent.sleep(EVERY)
        if runner.state not in (STATE_SPAWNING, STATE_RUNNING):
            return
        stats = runner.stats
        edits, joins = stats.get(PEER, "WS"), stats.get(JOIN, "WS")
        p99 = edits.get_response_time_percentile(0.99) if edits.num_requests else None
        log.info(
            "joined: %s; edit → peer: p99 %s; failures: %s",
            joins.num_requests,
            "not yet" if p99 is None else f"{p99:,.0f} ms",
            stats.total.num_failures,
        )
