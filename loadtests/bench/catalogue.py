"""All scenarios, in the order in which they run, at full and at small scale."""

from functools import partial

from loadtests.bench.scenarios import Scenario, highest, typing


def catalogue(small: bool) -> dict[str, Scenario]:
    """The scenarios by name; small ones check the same, on less."""

    def size(full: int, little: int) -> int:
        return little if small else full

    scenarios = [
        Scenario(
            "session-50",
            "One session of 50, 60 edits/s",
            partial(typing, sessions=1, clients=size(50, 5), rate=60),
        ),
        Scenario(
            "session-200",
            "One session of 200, 120 edits/s",
            partial(typing, sessions=1, clients=size(200, 10), rate=120),
        ),
        Scenario(
            "session-200-highest",
            "One session of 200, the highest rate",
            partial(highest, sessions=1, clients=size(200, 10), start=200),
        ),
        Scenario(
            "session-500",
            "One session of 500, 200 edits/s",
            partial(typing, sessions=1, clients=size(500, 20), rate=200),
        ),
        Scenario(
            "sessions-4",
            "500 sessions of 4, 2,000 edits/s",
            partial(typing, sessions=size(500, 10), clients=4, rate=size(2000, 200)),
        ),
        Scenario(
            "sessions-4-highest",
            "500 sessions of 4, the highest rate",
            partial(highest, sessions=size(500, 10), clients=4, start=size(2000, 400)),
        ),
    ]
    return {scenario.name: scenario for scenario in scenarios}
