"""All scenarios, in the order in which they run, at full and at small scale."""

from functools import partial

from loadtests.bench.documents import large
from loadtests.bench.faults import comeback, saved, slow_reader
from loadtests.bench.machine import processes_for
from loadtests.bench.memory import memory
from loadtests.bench.presence import cursors, held, idle
from loadtests.bench.scenarios import Scenario, highest, typing


def catalogue(small: bool = False, connections: int = 10_000) -> dict[str, Scenario]:
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
        Scenario(
            "idle",
            f"{connections:,} idle connections",
            partial(idle, sessions=size(connections // 20, 5), clients=size(20, 10)),
        ),
        Scenario(
            "idle-50000",
            "50,000 connections",
            partial(held, sessions=size(2_500, 5), clients=size(20, 10)),
            only=("lyceum",),
            once=True,
            generators=processes_for(size(50_000, 50)),
        ),
        Scenario(
            "memory",
            "Memory of sessions and documents",
            partial(memory, sessions=size(1_000, 40), documents=size(20, 10)),
            settings={"LYCEUM_LINGER_SECONDS": "1"},
            once=True,
        ),
        Scenario(
            "large-document",
            "A large document",
            partial(large, joins=size(20, 3), at_once=size(100, 10), held=size(20, 2)),
        ),
        Scenario(
            "cursors",
            "One session of 200, every cursor moves 10 times a second",
            partial(cursors, clients=size(200, 10), rate=10),
        ),
        Scenario(
            "comeback",
            "SIGKILL with 2,000 connected",
            partial(comeback, sessions=size(500, 10), clients=4),
        ),
        Scenario(
            "slow-reader",
            "5 of 25 stop reading while 20 paste 1 MB/s",
            partial(
                slow_reader,
                clients=size(20, 5),
                slow=size(5, 2),
                rate=size(500, 100),
                paste=size(2_000, 160_000),
            ),
        ),
        Scenario(
            "saved",
            "500 sessions of 2, 5,000 edits/s: until they are saved",
            partial(saved, sessions=size(500, 10), clients=2, rate=size(5000, 200)),
            ("hocuspocus",),
            spread=True,
        ),
    ]
    return {scenario.name: scenario for scenario in scenarios}
