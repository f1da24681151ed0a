"""Makes steps: each in batches that several connections share.

A batch and its mark in `seeding.batches` are one transaction, so a run that was ended anywhere, in
whatever way, goes on with what is missing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from server.persistence.seeding.plan import Range, Step
from server.persistence.types import Connection

# Waits for a run that was killed while it made the same, whose connection still works.
MARK = """
insert into seeding.batches (step, first, last) values ($1, $2, $3)
on conflict do nothing
returning true
"""


class Progress(NamedTuple):
    """How far a run is. share: of all batches, from 0 to 1. rate: rows a second of this step.

    Without a rate it is at the last things, which are no batches.
    """

    step: str
    share: float
    rate: float | None = None
    seconds_left: float = 0.0


class Made(NamedTuple):
    """What was made of a step in this run, and how long that took."""

    rows: int
    seconds: float


Tell = Callable[[Progress], None]


class Work:
    """See the module. workers: one connection each."""

    def __init__(self, workers: Sequence[Connection], tell: Tell) -> None:
        self.workers = workers
        self._tell = tell
        self._started = time.monotonic()
        self._total = self._before = self._done = 0.0
        self._begun: dict[str, float] = {}
        self._made: dict[str, Made] = {}

    async def make(self, steps: Sequence[Step], batch: int) -> dict[str, Made]:
        """Make what is missing of these steps; batch: rows, about.

        One step after the other, but those of one stage that follow each other at the same time.
        """
        self._total = sum(step.units * step.cost for step in steps)
        for _, stage in groupby(steps, lambda step: step.stage or step.name):
            queue = _batches(tuple(stage), batch)
            await gather([self._serve(worker, queue) for worker in self.workers])
        return self._made

    async def _serve(self, worker: Connection, queue: Iterator[tuple[Step, Range]]) -> None:
        for step, (first, last) in queue:
            began = self._begun.setdefault(step.name, time.monotonic())
            rows = await self._batch(worker, step, first, last)
            cost = (last - first + 1) * step.cost
            self._done += cost
            if rows is None:
                self._before += cost
            else:
                before = self._made.get(step.name, Made(0, 0.0))
                made = Made(before.rows + rows, time.monotonic() - began)
                self._made[step.name] = made
                self._tell(self._progress(step.name, made))

    async def _batch(self, worker: Connection, step: Step, first: int, last: int) -> int | None:
        """How many rows it came to; None if it was made before."""
        rows = 0
        async with worker.transaction():
            if not await worker.fetchval(MARK, step.name, first, last):
                return None
            arguments = step.arguments(first, last)
            for statement, given in zip(step.statements, arguments, strict=True):
                rows += _count(await worker.execute(statement, *given))
        return rows

    def _progress(self, step: str, made: Made) -> Progress:
        done, left = self._done - self._before, self._total - self._done
        return Progress(
            step,
            self._done / self._total,
            made.rows / made.seconds,
            (time.monotonic() - self._started) * left / done,
        )


def _batches(steps: Sequence[Step], most: int) -> Iterator[tuple[Step, Range]]:
    for step in steps:
        for each in step.batches(most):
            yield step, each


def _count(tag: str) -> int:
    """How many rows a statement made or changed, as Postgres says it."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


async def gather(tasks: Sequence[Awaitable[None]]) -> None:
    """Wait for all; the first that fails ends the others, and its error is raised."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
