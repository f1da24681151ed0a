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

from tests.chaos.stored import check_lines, stored, until_acknowledged, until_stored
from tests.chaos.victims import COMPACT_ALWAYS, Victim, strike
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.clients.results import Lines
from tests.support.waiting import eventually

SEED = os.environ.get("LYCEUM_CHAOS_SEED") or str(random.randrange(10**9))
ROUNDS = int(os.environ.get("LYCEUM_CHAOS_ROUNDS") or 32)
KINDS: tuple[Kind, ...] = ("hp2", "hp3", "hp4", "yws")
VICTIMS = ("server", "postmaster", "backend", "both")
AFTERWARDS = ("", "", "start-up", "recovery", "again")
EAGER = {"delay": 50, "minDelay": 50, "maxDelay": 200, "jitter": False}  # reconnects soon


@dataclass(frozen=True)
class Plan:
    """What happens in a round.

    afterwards: what else dies: the server while it starts up, Postgres while it recovers, or both
    right after they were up again. survive: the clients live on and come back.
    """

    number: int
    victim: str
    afterwards: str
    survive: bool
    compacting: bool
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
            compacting=rng.random() < 0.6,
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
    victim.constants = COMPACT_ALWAYS if plan.compacting else {}
    victim.settings = {"LYCEUM_LINGER_SECONDS": plan.linger, "LYCEUM_HISTORY_SECONDS": plan.history}
    await victim.start()
    clients = [await open_client(driver, victim, kind, session) for kind, session in plan.clients]
    typing = [
        asyncio.create_task(
            client.type_lines(
                client.name, 10**6, burst=plan.burst, pause=plan.pause, ack_timeout=0.5
            )
        )
        for client in clients
    ]
    await eventually(lambda: acknowledged(clients, plan.lines), 30, "acknowledgements")
    await asyncio.sleep(plan.moment)
    kill(victim, plan.victim)
    if plan.survive:
        await die_again(victim, plan)
        await check_survivors(victim, driver, clients, typing)
    else:
        await asyncio.sleep(plan.delays[0])
        await victim.kill()
        await eventually(lambda: disconnected(clients), 15, "the sockets' end")
        acked = {client: (await client.lines()).acked for client in clients}
        await end(clients, typing)  # nobody listens: they can't send anything again
        await die_again(victim, plan)
        await check_stored(victim, driver, plan, acked)


async def open_client(driver: Driver, victim: Victim, kind: Kind, session: str) -> Client:
    """A client that comes back soon after it lost its socket."""
    if kind == "yws":
        return await driver.join(kind, victim.ws, session, options={"maxBackoffTime": 200})
    return await driver.join(kind, victim.ws, session, socket_options=EAGER)


async def acknowledged(clients: list[Client], count: int) -> bool:
    """Whether so many lines of all clients are saved."""
    lines = await asyncio.gather(*(client.lines() for client in clients))
    return sum(len(each.acked) for each in lines) >= count


async def disconnected(clients: list[Client]) -> bool:
    """Whether all sockets have ended, so that no acknowledgement is on its way."""
    infos = await asyncio.gather(*(client.info() for client in clients))
    return not any(info["connected"] for info in infos)


async def end(clients: list[Client], typing: list["asyncio.Task[Lines]"]) -> None:
    """End the clients, in the middle of a word if need be."""
    await asyncio.gather(*(client.stop_typing() for client in clients))
    await asyncio.gather(*typing)
    await asyncio.gather(*(client.destroy() for client in clients))


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


async def check_survivors(
    victim: Victim, driver: Driver, clients: list[Client], typing: list["asyncio.Task[Lines]"]
) -> None:
    """All that anybody typed arrives at everybody and in the database, once."""
    await asyncio.gather(*(client.stop_typing() for client in clients))
    await asyncio.gather(*typing)
    await asyncio.gather(*(client.wait_synced(30) for client in clients))
    for session in {client.session for client in clients}:
        here = [client for client in clients if client.session == session]
        await driver.wait_converged(*here, timeout=30)
        text = await here[0].text()
        for client in here:
            lines = await client.lines()
            assert check_lines(text, client.name, lines.sent) == len(lines.sent)
            await until_acknowledged(client)
        url = await victim.database_url()
        await until_stored(url, session, text)
    await asyncio.gather(*(client.destroy() for client in clients))


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
