"""SIGKILL at any moment: what was acknowledged is in the database, in order, once.

Each round draws its plan from the seed and its number. A failing round shows both:

    LYCEUM_CHAOS_SEED=… pytest tests/chaos/test_kill.py -k 'round-17'

replays that round, and LYCEUM_CHAOS_ROUNDS=1000 without a seed looks for new trouble.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.chaos.stored import check_lines, stored
from tests.chaos.typists import KINDS, Typists
from tests.chaos.victims import COMPACT_ALWAYS, Victim, strike
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.support.waiting import eventually

SEED = os.environ.get("LYCEUM_CHAOS_SEED") or str(random.randrange(10**9))
ROUNDS = int(os.environ.get("LYCEUM_CHAOS_ROUNDS") or 16)
VICTIMS = ("server", "postmaster", "backend", "both")
COMPACTING: dict[str, dict[str, float]] = {
    "": {},
    "inside": COMPACT_ALWAYS,
    "apart": {**COMPACT_ALWAYS, "server.sessions.compaction.LARGE": 0},  # in a process of its own
}
AFTERWARDS = ("", "", "start-up", "recovery", "again")


@dataclass(frozen=True)
class Plan:
    """What happens in a round.

    compacting: where documents are compacted all the time, if they are.
    afterwards: what else dies: the server while it starts up, Postgres while it recovers, or both
    right after they were up again. survive: the clients live on and come back.
    """

    number: int
    victim: str
    afterwards: str
    survive: bool
    compacting: str
    linger: str
    history: str
    clients: tuple[tuple[Kind, str], ...]
    burst: int
    pause: float
    lines: int  # acknowledged before anything dies
    moment: float  # seconds after that
    delays: tuple[float, ...]  # seconds before what dies afterwards
    reader: Kind

    @classmethod
    def drawn(cls, number: int) -> "Plan":
        """The plan of a round under this run's seed."""
        rng = random.Random(f"{SEED}/{number}")
        sessions = [f"round-{number}", f"round-{number}-Ü"][: rng.randint(1, 2)]
        kinds = [*KINDS, *rng.choices(KINDS, k=rng.randint(0, 2))]
        return cls(
            number=number,
            victim=VICTIMS[number % len(VICTIMS)],
            afterwards=rng.choice(AFTERWARDS),
            survive=number // len(VICTIMS) % 3 == 2,
            compacting=rng.choice(("", "inside", "inside", "apart")),
            linger=rng.choice(("0", "30")),
            history=rng.choice(("0", "86400")),
            clients=tuple((kind, rng.choice(sessions)) for kind in kinds),
            burst=rng.randint(1, 8),
            pause=rng.choice((0.001, 0.005, 0.02)),
            lines=rng.randint(1, 60),
            moment=rng.uniform(0, 0.5),
            delays=tuple(rng.uniform(0, 0.4) for _ in range(3)),
            reader=rng.choice(KINDS),
        )


@pytest_asyncio.fixture(scope="module")
async def victim(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Victim]:
    """One data directory through all rounds; not started."""
    victim = Victim(tmp_path_factory.mktemp("killed"))
    await victim.launch()  # makes the database
    yield victim
    await victim.__aexit__()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", range(ROUNDS), ids=lambda number: f"round-{number}")
async def test_what_was_acknowledged_survives(victim: Victim, driver: Driver, number: int) -> None:
    """Every acknowledged line is there after kills, in its author's order, exactly once."""
    plan = Plan.drawn(number)
    print(f"LYCEUM_CHAOS_SEED={SEED}", plan)  # noqa: T201 - shown when the round fails
    await victim.kill()
    victim.constants = COMPACTING[plan.compacting]
    victim.settings = {"LYCEUM_LINGER_SECONDS": plan.linger, "LYCEUM_HISTORY_SECONDS": plan.history}
    await victim.start()
    typists = await Typists.start(
        driver, victim.ws, plan.clients, burst=plan.burst, pause=plan.pause
    )
    await typists.until_acknowledged(plan.lines)
    await asyncio.sleep(plan.moment)
    kill(victim, plan.victim)
    if plan.survive:
        await die_again(victim, plan)
        await typists.check(await victim.database_url())
    else:
        await asyncio.sleep(plan.delays[0])
        await victim.kill()
        await typists.until_disconnected()
        acked = await typists.acknowledged()
        await typists.end()  # nobody listens: they can't send anything again
        await die_again(victim, plan)
        await check_stored(victim, driver, plan, acked)


def kill(victim: Victim, which: str) -> None:
    """SIGKILL, to the server or a part of Postgres or both."""
    postmaster, backends = victim.postmaster, victim.backends
    if which == "backend" and backends:
        strike(max(backends))  # the newest: the saver's
    if which in ("postmaster", "both"):
        strike(postmaster)
    if which in ("server", "both") and victim.returncode is None:
        strike(victim.pid)


async def die_again(victim: Victim, plan: Plan) -> None:
    """Whatever else dies, and then the server is started, unless it still runs, and left alone."""
    if plan.afterwards:
        await victim.kill()
        if plan.afterwards == "again":
            await victim.start()
        else:
            strike(victim.postmaster)  # it would shut down by itself, with nothing to recover
            await victim.launch()
        if plan.afterwards == "recovery":
            await eventually(lambda: victim.postmaster, 15, "a postmaster")
        await asyncio.sleep(plan.delays[1])
        kill(victim, "server" if plan.afterwards == "start-up" else "both")
    if plan.victim in ("server", "both") or plan.afterwards or not plan.survive:
        await victim.kill()
        await victim.start()


async def check_stored(
    victim: Victim, driver: Driver, plan: Plan, acked: dict[Client, list[str]]
) -> None:
    """What was acknowledged is in the database, and a fresh client is given just that."""
    url = await victim.database_url()
    for session in {client.session for client in acked}:
        fresh = await driver.fresh_text(victim.ws, session, kind=plan.reader)
        document = await stored(url, session)
        assert fresh.text == document.text
        assert not fresh.pending
        authors = [client for client in acked if client.session == session]
        count = sum(check_lines(fresh.text, one.name, acked[one]) for one in authors)
        assert count == fresh.text.count("\n"), "there are lines that nobody typed"
