"""What is told to Locust: how long things took, and what went wrong."""

import logging
import time
from typing import Any

JOIN = "join"
PEER = "edit → peer"
SAVED = "edit → saved"
SOCKET = "socket"
FINAL = "final document"

log = logging.getLogger("lyceum")


class Failed(Exception):
    """What went wrong, as the report shows it."""


class Report:
    """Fires Locust's request events, which become its statistics, its HTML and its exit code."""

    def __init__(self, environment: Any) -> None:
        self._fire = environment.events.request.fire
        self.failures = 0

    def took(self, name: str, since: float) -> None:
        """It went well and took the time since `since`, of time.perf_counter()."""
        self._send(name, (time.perf_counter() - since) * 1000, None)

    def failed(self, name: str, why: str, since: float | None = None) -> None:
        """It went wrong."""
        self.failures += 1
        log.error("%s: %s", name, why)
        now = time.perf_counter()
        self._send(name, (now - (since or now)) * 1000, Failed(why))

    def _send(self, name: str, milliseconds: float, exception: Exception | None) -> None:
        self._fire(
            request_type="WS",
            name=name,
            response_time=milliseconds,
            response_length=0,
            exception=exception,
            context={},
        )
