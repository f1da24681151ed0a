"""Load: many people at once through the pools, for a while, each with pauses to think."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field

from server.config import Pooling
from server.domain.envelope import Keyring
from server.errors import LyceumError
from server.persistence.access import Access
from server.persistence.connections import PASSING, connect, describe
from server.persistence.database import Database
from server.persistence.performance.measure import quantile, seeded
from server.persistence.performance.use_cases import USE_CASES, Learner, School, UseCase, learners

LOCAL = ("", "localhost", "127.0.0.1", "::1")
MOST_ERRORS = 5  # of one use case that are kept in words; the others are counted


class Tally(Struct):
    """What came of a use case. times: seconds of each that went well."""

    name: str
    times: list[float] = field(default_factory=list)
    failed: int = 0
    errors: list[str] = field(default_factory=list)

    def fail(self, error: BaseException) -> None:
        """Count a failure."""
        self.failed += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(describe(error))


class Load(Struct, frozen=True):
    """What is to be done. think: seconds between two things that a person does, on average."""

    users: int
    seconds: float
    think: float
    seed: int
    pool: int
    cases: Sequence[UseCase] = USE_CASES


def is_local(url: str) -> bool:
    """Whether a database is on this machine: by a socket or the loopback."""
    parts = urlsplit(url)
    named = [place.rpartition("@")[2] for place in parts.netloc.split(",")]
    hosts = [urlsplit(f"//{place}").hostname or "" for place in named]
    given = parse_qs(parts.query).get("host", [])
    return all(host in LOCAL or host.startswith("/") for host in [*hosts, *given])


async def put(
    url: str,
    load: Load,
    ring: Keyring | None,
    pooler_url: str | None,
    tell: Callable[[int, float], None],
) -> Sequence[Tally]:
    """Put a load on a seeded database, whose data it changes; pooler_url: a PgBouncer's.

    tell: hears now and then how much was done, and after how many seconds.
    """
    connection = await connect(url)
    try:
        await seeded(connection)
        people = await learners(connection, load.seed, load.users)
    finally:
        connection.terminate()
    pooling = Pooling(size=load.pool, slow_seconds=0, pooler_url=pooler_url)
    database = await Database.open(url, pooling)
    try:
        access = await Access.open(pooler_url or url, any_login=True, pooling=pooling)
        try:
            return await _run(School(database, access, ring), load, people, tell)
        finally:
            await access.close()
    finally:
        await database.close()


async def _run(
    school: School, load: Load, people: Sequence[Learner], tell: Callable[[int, float], None]
) -> Sequence[Tally]:
    tallies = {case.name: Tally(case.name) for case in load.cases}
    started = time.monotonic()
    until = started + load.seconds

    async def told() -> None:
        while True:
            await asyncio.sleep(min(5.0, load.seconds / 3))
            done = sum(len(tally.times) for tally in tallies.values())
            tell(done, time.monotonic() - started)

    telling = asyncio.create_task(told())
    try:
        await asyncio.gather(
            *(
                _live(school, load, people[number % len(people)], number, until, tallies)
                for number in range(load.users)
            )
        )
    finally:
        telling.cancel()
    return list(tallies.values())


async def _live(
    school: School,
    load: Load,
    who: Learner,
    number: int,
    until: float,
    tallies: dict[str, Tally],
) -> None:
    """What one person does until the end. The first pause spreads people out."""
    random = Random(f"{load.seed}/{number}")
    await asyncio.sleep(min(random.random() * load.think, load.seconds / 2))
    weights = [case.weight for case in load.cases]
    while time.monotonic() < until:
        (case,) = random.choices(load.cases, weights)
        await _do(school, case, who, random, tallies[case.name])
        await asyncio.sleep(random.expovariate(1 / load.think) if load.think else 0.0)


async def _do(school: School, case: UseCase, who: Learner, random: Random, tally: Tally) -> None:
    started = time.perf_counter()
    try:
        await case.do(school, who, random)
    except (*PASSING, LyceumError) as error:
        tally.fail(error)
    else:
        tally.times.append(time.perf_counter() - started)


def table(tallies: Sequence[Tally], load: Load) -> str:
    """What came of it, as Markdown."""
    lines = [
        "| what | done | a second | p50 ms | p95 ms | p99 ms | failed |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    everything = Tally("all", [seconds for tally in tallies for seconds in tally.times])
    everything.failed = sum(tally.failed for tally in tallies)
    for tally in (*tallies, everything):
        times = [quantile(tally.times, share) * 1000 for share in (0.5, 0.95, 0.99)]
        cells = " | ".join(f"{each:.1f}" for each in times)
        rate = len(tally.times) / load.seconds
        lines.append(
            f"| {tally.name} | {len(tally.times):,} | {rate:.1f} | {cells} | {tally.failed} |"
        )
    errors = [f"- {tally.name}: {error}" for tally in tallies for error in tally.errors]
    return "\n".join([*lines, *(["", *errors] if errors else [])]) + "\n"
