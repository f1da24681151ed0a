"""Standbys that are read: which of them may be, how far each has come, and else the primary.

How old a standby's answer may be is known without its clock: the primary says every moment how far
its log is, and what a standby has replayed is as new as the newest of these that it has passed. So
one that is cut off from its primary grows old, and one of an idle primary does not.
"""

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from server import telemetry
from server.config import Pooling
from server.errors import LyceumError
from server.ids import Lsn
from server.persistence.connections import PASSING, OwnConnection, connect, describe, is_pooled
from server.persistence.pools import NamedPool
from server.persistence.types import Connection

log = structlog.get_logger()

CHECK_TIMEOUT = 2.0  # seconds
LONGEST_PAUSE = 30.0  # seconds between looks at a standby that is gone
SAMPLES = 200

# Up to where the log is on the primary's disk, from where standbys get it. The identifier is that
# of the cluster, which its standbys share.
SAMPLE = """
select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint as lsn, system_identifier
from pg_control_system()
"""
# A standby that was promoted is none any more.
STANDING = """
select pg_is_in_recovery() as standby,
    pg_wal_lsn_diff(coalesce(pg_last_wal_replay_lsn(), '0/0'), '0/0')::bigint as lsn,
    system_identifier
from pg_control_system()
"""

Connecting = Callable[[], Awaitable[Connection]]
Admit = Callable[[Connection], Awaitable[None]]


async def _admit_all(_connection: Connection) -> None:
    """There is nothing to object to."""


class Sample(NamedTuple):
    """How far the primary's log was. at: a moment before that, by the monotonic clock."""

    at: float
    lsn: Lsn


class Replica:
    """One standby. source: what answers from it are marked with."""

    def __init__(self, source: str, url: str) -> None:
        self.source = source
        self.url = url
        self.pool: NamedPool | None = None
        self.up = False
        self.replayed = Lsn(0)
        self.fresh_at = float("-inf")  # it has all that the primary had then
        self.doubted = asyncio.Event()
        self.checking: OwnConnection | None = None
        self.why = "nobody has looked yet"  # it is not read

    def doubt(self) -> None:
        """Read it no more until it has been looked at, which is soon."""
        self.up = False
        self.doubted.set()

    def drop(self) -> None:
        """End all connections to it, and forget how far it was: it may come back from a backup."""
        self.fresh_at = float("-inf")
        if self.checking is not None:
            self.checking.terminate()
            self.checking = None
        if self.pool is not None:
            self.pool.close()
            self.pool = None


class Replicas:
    """All standbys, as one login sees them.

    name: of the primary's pool. primary: opens a connection to the primary. role: of `NamedPool`.
    admit: raises what forbids to use a connection.
    """

    def __init__(
        self,
        name: str,
        primary: Connecting,
        pooling: Pooling,
        role: str | None = None,
        admit: Admit = _admit_all,
    ) -> None:
        self.all = [
            Replica(f"{name} replica {number}", url)
            for number, url in enumerate(pooling.replica_urls, 1)
        ]
        self._primary = primary
        self._pooling = pooling
        self._role = role
        self._admit = admit
        self._every = min(1.0, pooling.replica_lag_seconds / 4)
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._system: int | None = None
        self._asked = asyncio.Event()  # the primary, for the first time
        self._turns = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Look after them until closed; what is wrong with one is logged, and raised nowhere."""
        if not self.all:
            return
        self._tasks = [asyncio.create_task(self._follow(), name="primary's log")]
        for replica in self.all:
            self._tasks.append(asyncio.create_task(self._watch(replica), name=replica.source))
            telemetry.replica_up.ask(replica, replica.source, partial(getattr, replica, "up"))
            telemetry.replica_lag.ask(replica, replica.source, partial(self.lag, replica))

    def close(self) -> None:
        """End all connections, whatever they do."""
        for task in self._tasks:
            task.cancel()
        for replica in self.all:
            telemetry.replica_up.forget(replica)
            telemetry.replica_lag.forget(replica)
            replica.up = False
            replica.drop()

    def lag(self, replica: Replica) -> float:
        """How old what it shows may be, in seconds."""
        return time.monotonic() - replica.fresh_at

    def choose(self, after: Lsn | None) -> Replica | None:
        """One that may be read, in turns; best one that has come as far as `after`."""
        usable = [it for it in self.all if it.up and self.is_fresh(it)]
        there = [it for it in usable if after is None or it.replayed >= after]
        choice = there or usable
        return choice[next(self._turns) % len(choice)] if choice else None

    def is_fresh(self, replica: Replica) -> bool:
        """Whether what it shows is as new as it must be."""
        return self.lag(replica) <= self._pooling.replica_lag_seconds

    def reached(self, replica: Replica, lsn: Lsn) -> None:
        """Take note of how far a standby has come."""
        replica.replayed = lsn
        passed = (sample.at for sample in reversed(self._samples) if sample.lsn <= lsn)
        replica.fresh_at = next(passed, float("-inf"))

    async def _follow(self) -> None:
        """Know how far the primary is."""
        connection: Connection | None = None
        try:
            while True:
                try:
                    if connection is None:
                        connection = await self._primary()
                    await self._sample(connection)
                except PASSING as error:
                    log.debug("the primary can't be asked how far it is", why=describe(error))
                    if connection is not None:
                        connection.terminate()
                        connection = None
                self._asked.set()
                await asyncio.sleep(self._every)
        finally:
            if connection is not None:
                connection.terminate()

    async def _sample(self, connection: Connection) -> None:
        at = time.monotonic()
        row = await connection.fetchrow(SAMPLE, timeout=CHECK_TIMEOUT)
        assert row is not None
        self._system = row["system_identifier"]
        self._samples.append(Sample(at, row["lsn"]))

    async def _watch(self, replica: Replica) -> None:
        """Know whether a standby may be read."""
        await self._asked.wait()
        pause = self._every
        while True:
            replica.doubted.clear()
            why = await self._look(replica)
            replica.up = not why
            if why:
                replica.drop()
            if why != replica.why:
                replica.why = why
                if why:
                    log.warning("a replica is not read", replica=replica.source, why=why)
                else:
                    log.info("a replica is read", replica=replica.source)
            pause = min(2 * pause, LONGEST_PAUSE) if why else self._every
            with suppress(TimeoutError):
                async with asyncio.timeout(pause * random.uniform(0.8, 1.2)):
                    await replica.doubted.wait()

    async def _look(self, replica: Replica) -> str:
        """Why a standby can't be read; empty if it can."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                return await self._ask(replica)
        except (*PASSING, LyceumError) as error:
            return describe(error)
        except ValueError:  # its text may hold parts of the password
            return "its URL can't be read"

    async def _ask(self, replica: Replica) -> str:
        if replica.checking is None:
            replica.checking = await connect(replica.url, pooled=True)
            await self._admit(replica.checking)
        row = await replica.checking.fetchrow(STANDING)
        assert row is not None
        if not row["standby"]:
            return "it is no standby, or none any more"
        if self._system not in (None, row["system_identifier"]):
            return "it is a standby of another database"
        if replica.pool is None:
            replica.pool = await NamedPool.open(
                replica.source,
                replica.url,
                self._pooling,
                pooled=await is_pooled(replica.checking),
                role=self._role,
                least=0,
            )
        self.reached(replica, row["lsn"])
        return ""
