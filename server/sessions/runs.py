"""Runs of the code, as those report them who made them: checked, slowed down, and told on."""

import time
from unicodedata import category

from server.domain.details import Details
from server.domain.rates import Rates
from server.errors import BadRequest
from server.protocol.messages import RunReport
from server.sessions.events import Events, Someone

MOST_CHARACTERS = 64  # of a language's name
MOST_SECONDS = 86_400.0


class Runs:
    """Takes in reports of runs. per_second: of one user, 0 for any number."""

    def __init__(self, per_second: int, events: Events) -> None:
        self._rates = Rates(per_second, "runs")
        self._events = events

    def report(self, session: Details, someone: Someone, key: object, run: RunReport) -> None:
        """Somebody ran the code; raises BadRequest, TooFast.

        key: whose rate this counts to.
        """
        check(run)
        self._rates.take(key, time.monotonic())
        self._events.ran(session, someone, run)


def check(run: RunReport) -> None:
    """Raise BadRequest, saying what is wrong with a report."""
    if len(run.language) > MOST_CHARACTERS or any(
        category(char) in ("Cc", "Cs") for char in run.language
    ):
        raise BadRequest(f"A language's name has at most {MOST_CHARACTERS} characters.")
    if run.seconds is not None and not 0 <= run.seconds <= MOST_SECONDS:
        raise BadRequest(f"A run takes 0 to {MOST_SECONDS:.0f} seconds.")
