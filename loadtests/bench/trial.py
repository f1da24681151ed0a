"""One run of a scenario against one server: measuring around it, and checking after it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from loadtests.bench import processes
from loadtests.bench.client import Client
from loadtests.bench.dialects import DIALECTS
from loadtests.bench.herd import Herd, Sessions, Typed
from loadtests.bench.histogram import Histogram
from loadtests.bench.machine import processes_for
from loadtests.bench.server import Server
from loadtests.bench.updates import Author, numbers, text_of
from server.persistence.embedded import EmbeddedPostgres
from server.sessions.tokens import make_token

JOIN_TIMEOUT = 120.0  # seconds
READERS = 20  # newcomers at once when documents are checked
SAMPLED = 40_000.0  # markers a second that the generators look up
LATE = 0.02  # seconds: a generator whose loop is so late, or…
FULL = 0.9  # …whose core is so full, is what was measured


class Lost(AssertionError):
    """Edits did not arrive, or are not in the document."""


@dataclass
class Usage:
    """What a stretch of time cost: shares of one core. The server's are with its database's."""

    seconds: float = 0.0
    server_cpu: float = 0.0
    database_cpu: float = 0.0
    generator_cpu: float = 0.0
    others_cpu: float = 0.0

    @property
    def costs(self) -> dict[str, float]:
        """The measures of what the server used."""
        return {"cpu": self.server_cpu, "cpu_database": self.database_cpu}


@dataclass
class Trial:
    """What a scenario gets.

    seconds: how long to measure. small: whether only correctness matters. document: an update
    with the large document. patience: seconds in which edits have to arrive.
    """

    server: Server
    herd: Herd
    seconds: float
    small: bool
    document: bytes
    name: str  # of the scenario; names of sessions begin with it
    own: list[int]  # our own processes, besides the generators
    patience: float = 60.0
    limited: bool = False  # whether the generator was the limit
    usages: list[Usage] = field(default_factory=list)
    _names: "count[int]" = field(default_factory=lambda: count(1))
    _sessions: dict[int, str] = field(default_factory=dict)
    _typed: list[tuple[int, int]] = field(default_factory=list)

    def sessions(self, how_many: int, clients: int) -> Sessions:
        """Fresh sessions, each with so many clients to come."""
        made = []
        for _ in range(how_many):
            number = next(self._names)
            self._sessions[number] = f"{self.name}-{number}"
            made.append((self._sessions[number], number, clients))
        return made

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[Usage]:
        """What the time inside costs; filled in at its end."""
        usage, began, before = Usage(), time.perf_counter(), self._cpu()
        yield usage
        seconds = usage.seconds = time.perf_counter() - began
        server, database, generator, everything = (
            (end - start) / seconds for start, end in zip(before, self._cpu(), strict=True)
        )
        usage.server_cpu, usage.database_cpu, usage.generator_cpu = server, database, generator
        usage.others_cpu = max(0.0, everything - server - generator)
        self.usages.append(usage)

    def _cpu(self) -> tuple[float, float, float, float]:
        return (
            *processes.cpu_seconds(self.server.roots),
            processes.cpu_seconds([*self.herd.pids, *self.own]).all,
            processes.machine_seconds(),
        )

    @asynccontextmanager
    async def servers(self, connections: int) -> AsyncIterator[list[Server]]:
        """As many servers on one database as it takes for so many connections; only of ours."""
        database = EmbeddedPostgres.running_url(Path(self.server.environ["LYCEUM_DATA_DIR"]))
        servers = [self.server]
        try:
            for number in range(1, processes_for(connections)):
                twin = self.server.twin(number, {"LYCEUM_DATABASE_URL": str(database)})
                servers.append(twin)
                await twin.start()
                self.server.beside += twin.roots
            yield servers
        finally:
            for twin in servers[1:]:
                await twin.stop()

    async def memory(self, patient: bool = False) -> processes.Amount:
        """Bytes of the server's processes: the least of some looks, as garbage comes and goes.

        patient: also while only correctness matters; a process that compacts a document goes too.
        """
        looks = []
        for _ in range(5 if patient or not self.small else 1):
            looks.append(await asyncio.to_thread(processes.memory, self.server.roots))
            await asyncio.sleep(0.2)
        return min(looks)

    async def type(
        self, group: str, sessions: Sessions, rate: float, seconds: float, padding: int = 0
    ) -> Typed:
        """Type at an even rate over all sessions; latencies are there to be collected."""
        await self.herd.all(
            "sample",
            group=group,
            budget=SAMPLED / len(self.herd.pids),
            rate=rate / len(sessions),
        )
        typed = await self.herd.type(group, rate, seconds, padding)
        self._typed += typed.ranges
        return typed

    async def settle(self, group: str, timeout: float | None = None) -> tuple[float, int]:
        """Seconds until every client has every edit, and how many deliveries that were.

        Raises Lost if that does not come true.
        """
        timeout = timeout or self.patience
        made = self.herd.ledger.made(self._typed)
        expected = {str(number): len(made.get(number, ())) for number in self._sessions}
        answers = await self.herd.all("settle", group=group, expected=expected, timeout=timeout)
        lacking = sum(one["lacking"] for one in answers)
        closed = [why for one in answers for why in one["closed"]]
        if closed:
            raise Lost(f"clients lost their sockets: {closed[0]}")
        if lacking:
            raise Lost(f"{lacking} deliveries lack after {timeout:.0f} s")
        return max(one["seconds"] for one in answers), sum(one["delivered"] for one in answers)

    async def collect(self, group: str) -> tuple[Histogram, Histogram]:
        """Latencies of edits or cursors, and of acknowledgements, since the last time."""
        answers = await self.herd.all("collect", group=group)
        return (
            sum((Histogram.read(one["latencies"]) for one in answers), Histogram()),
            sum((Histogram.read(one["saved"]) for one in answers), Histogram()),
        )

    def judge(self, typed: Typed) -> None:
        """Note it if the generator was the limit."""
        if typed.generator_cpu > FULL or typed.generator_late > LATE:
            self.limited = True

    async def rest(self, seconds: float) -> None:
        """Let time pass, unless only correctness matters."""
        await asyncio.sleep(0.0 if self.small else seconds)

    async def still_open(self, group: str) -> None:
        """Raises Lost unless all clients are still connected."""
        closed = [why for answer in await self.herd.all("closed", group=group) for why in answer]
        if closed:
            raise Lost(f"{len(closed)} clients lost their sockets: {closed[0]}")

    async def until_newcomers_find(
        self, session: str, enough: Callable[[bytes], bool], patience: float = 60.0
    ) -> None:
        """Join again and again until the document is as it should be."""
        deadline = time.perf_counter() + patience
        while not await asyncio.to_thread(enough, await self.newcomer(session)):
            if time.perf_counter() > deadline:
                raise Lost(f"after {patience:.0f} s {session} is still not as it should be")
            await asyncio.sleep(0.1)

    async def check_documents(self, sessions: Sessions, patience: float = 0.0) -> int:
        """A newcomer to each session finds every edit once; returns how many there are.

        patience: seconds in which that has to come true. Ask while its clients are still there:
        servers without a store forget a document that is left alone.
        """
        numbered = {number for _, number, _ in sessions}
        made = {
            number: edits
            for number, edits in self.herd.ledger.made(self._typed).items()
            if number in numbered
        }
        gate = asyncio.Semaphore(READERS)

        async def check(number: int, wanted: set[int]) -> None:
            deadline = time.perf_counter() + patience
            while True:
                async with gate:
                    update = await self.newcomer(self._sessions[number])
                found = numbers(await asyncio.to_thread(text_of, update))
                if len(found) == len(wanted) and set(found) == wanted:
                    return
                if time.perf_counter() > deadline:
                    break
                await asyncio.sleep(0.1)
            lost, more = len(wanted - set(found)), len(found) - len(wanted)
            raise Lost(f"{self._sessions[number]}: {lost} edits lost, {more} more than made")

        async with asyncio.TaskGroup() as checks:
            for number, wanted in made.items():
                checks.create_task(check(number, wanted))
        return sum(map(len, made.values()))

    async def newcomer(self, session: str, dialect: str | None = None) -> bytes:
        """What somebody gets who joins now."""
        target: dict[str, Any] = self.server.target(dialect)
        secret = target["secret"]
        token = make_token(secret, "newcomer", None, None, 3600) if secret else ""
        address = (target["host"], target["port"])
        speaks = DIALECTS[target["dialect"]](target["prefix"], session, token)
        client = Client(address, speaks, Author(1), self.herd.ledger, present=False)
        await asyncio.get_running_loop().create_connection(lambda: client, *address)
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                await client.synced
        finally:
            client.abort()
        return client.document
