"""Background jobs: what is done regularly, by one among many servers; a table tells how it went.

Each run has a connection of its own, which holds an advisory lock of the job's name: it goes with
whoever dies. Jobs run beside each other, so that one that fails or hangs stops no other; server/
persistence/upkeep.py has the list of them.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import structlog

from server import telemetry
from server.persistence.database import PASSING, Database, describe
from server.persistence.types import Connection

log = structlog.get_logger()

Did = Mapping[str, object]
Connect = Callable[[], Awaitable[Connection]]

FIRST_LOOK = 5.0  # seconds after a server's start, which has enough to do
LOOK_EVERY = 10.0  # seconds
AGAIN_AFTER = 60.0  # seconds after a failure; twice as many after each further one
TELL_EVERY = 30.0  # seconds, of progress
CLOSE_TIMEOUT = 5.0  # seconds for a statement to be cancelled
WORTH_TELLING = 1.0  # seconds that a run took which did nothing


class Job(NamedTuple):
    """What is to be done. every: seconds from one run's end to the next.

    run: does it on a connection outside a transaction whose statements may take as long as the
    job; returns what it did, by kind, and nothing if there was nothing to do. It may be ended at
    any moment, and so must leave nothing half done that the next run does not mend; `progress`
    says how far it is. limit: seconds after which a run is ended and has failed.
    """

    name: str
    every: float
    run: Callable[[Connection], Awaitable[Did | None]]
    limit: float = 3600.0


class State(NamedTuple):
    """What the database knows of a job; now: its time."""

    name: str
    now: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    succeeded_at: datetime | None = None
    seconds: float | None = None
    failing: int = 0
    error: str | None = None


class Run(NamedTuple):
    """A run that has ended. elsewhere: another was at it, or had just done it."""

    job: str
    outcome: Literal["done", "failed", "elsewhere"]
    seconds: float = 0.0
    did: Did = {}  # noqa: RUF012  # never changed
    error: str = ""


def due_at(job: Job, state: State) -> datetime:
    """When a job is to run next; at once, if its time is past.

    A run that died is taken up at once the first time, and failures are tried again ever later,
    but no later than the job would run anyhow.
    """
    if state.started_at is None:
        return state.now
    if state.finished_at is None or state.finished_at < state.started_at:
        return state.started_at + _pause(job, state.failing - 1)
    if state.failing:
        return state.finished_at + _pause(job, state.failing)
    return state.finished_at + timedelta(seconds=job.every)


def _pause(job: Job, failures: int) -> timedelta:
    seconds = AGAIN_AFTER * 2.0 ** min(failures - 1, 20) if failures else 0.0
    return timedelta(seconds=min(seconds, job.every))


READ = """
select name, now(), started_at, finished_at, succeeded_at, seconds, failing, error
from background_jobs
"""
NOW = "select now()"


async def states(connection: Connection, jobs: Sequence[Job]) -> dict[str, State]:
    """How each job stands."""
    known = {row["name"]: State(*row) for row in await connection.fetch(READ)}
    now: datetime = await connection.fetchval(NOW)
    return {job.name: known.get(job.name, State(job.name, now)) for job in jobs}


class _Progress:
    """How far a run is; told from time to time."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._told = time.monotonic()

    def __call__(self, share: float) -> None:
        telemetry.job_progress.labels(self._job).set(share)
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            log.info("job goes on", job=self._job, share=round(share, 3))


_progress: ContextVar[_Progress | None] = ContextVar("progress", default=None)


def progress(share: float) -> None:
    """Say how much of the job that runs is done, from 0 to 1; outside of one it says nothing."""
    current = _progress.get()
    if current is not None:
        current(share)


TRY_LOCK = "select pg_try_advisory_lock(hashtextextended('lyceum job ' || $1, 0))"
# Who comes after a job that waits for a lock waits as well. And Postgres is to look whether its
# client lives, even in the middle of a long statement.
PREPARE = """
select set_config('lock_timeout', '2s', false),
    set_config('client_connection_check_interval', '5s', false),
    set_config('statement_timeout', $1, false)
"""
START = """
insert into background_jobs (name, started_at, failing)
values ($1, clock_timestamp(), 1)
on conflict on constraint background_jobs_pkey do update
set started_at = excluded.started_at, failing = background_jobs.failing + 1
returning started_at
"""
# Who lost the lock, and was followed by another, has nothing to say any more.
SUCCEEDED = """
update background_jobs
set finished_at = clock_timestamp(), succeeded_at = clock_timestamp(), seconds = $3, failing = 0,
    error = null, did = $4::jsonb
where name = $1 and started_at = $2
"""
FAILED = """
update background_jobs
set finished_at = clock_timestamp(), seconds = $3, error = $4
where name = $1 and started_at = $2
"""


async def attempt(connect: Connect, job: Job, only_if_due: bool = True) -> Run:
    """Run a job, unless another is at it or has just done it; a failure is told, not raised.

    Raises what connecting does.
    """
    async with _connected(connect) as connection:
        if not await connection.fetchval(TRY_LOCK, job.name):
            return Run(job.name, "elsewhere")
        state = (await states(connection, [job]))[job.name]
        if only_if_due and due_at(job, state) > state.now:
            return Run(job.name, "elsewhere")
        await connection.execute(PREPARE, f"{round(job.limit * 1000)}ms")
        started_at = await connection.fetchval(START, job.name)
        run = await _run(connection, job)
        # On another connection, as this one may be in whatever state a failure has left.
        async with _connected(connect) as other:
            if run.outcome == "done":
                did = json.dumps(run.did, default=str)
                await other.execute(SUCCEEDED, job.name, started_at, run.seconds, did)
            else:
                await other.execute(FAILED, job.name, started_at, run.seconds, run.error)
        return run


async def _run(connection: Connection, job: Job) -> Run:
    token = _progress.set(_Progress(job.name))
    started = time.perf_counter()
    progress(0.0)
    try:
        with telemetry.job_running.labels(job.name).track_inprogress():
            async with asyncio.timeout(job.limit) as limit:
                did = await job.run(connection) or {}
    except Exception as error:
        why = f"took longer than {job.limit:g} s" if limit.expired() else describe(error)
        run = Run(job.name, "failed", time.perf_counter() - started, error=why)
        tell = log.warning if isinstance(error, PASSING) else log.exception
        tell("job failed", job=job.name, seconds=round(run.seconds, 3), why=why)
    else:
        run = Run(job.name, "done", time.perf_counter() - started, did)
        progress(1.0)
        tell = log.info if did or run.seconds >= WORTH_TELLING else log.debug
        tell("job done", job=job.name, seconds=round(run.seconds, 3), **did)
    finally:
        _progress.reset(token)
    telemetry.job_runs.labels(job.name, run.outcome).inc()
    telemetry.job_seconds.labels(job.name).observe(run.seconds)
    return run


@asynccontextmanager
async def _connected(connect: Connect) -> AsyncIterator[Connection]:
    connection = await connect()
    try:
        yield connection
    finally:
        with suppress(*PASSING):  # it is cut in any case
            await connection.close(timeout=CLOSE_TIMEOUT)


class Jobs:
    """Runs what is due, for as long as a server does."""

    def __init__(self, database: Database, jobs: Sequence[Job]) -> None:
        self._database = database
        self._jobs = jobs
        self._running: dict[str, asyncio.Task[None]] = {}
        self._draining = False

    async def run(self) -> None:
        """Look for what is due, and start it, until cancelled."""
        await asyncio.sleep(FIRST_LOOK)
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Start what is due, and tell the monitoring how all jobs stand, whoever ran them."""
        try:
            async with self._database.acquire() as connection:
                known = await states(connection, self._jobs)
        except PASSING as error:
            log.debug("jobs can't be looked after; it is tried again", why=describe(error))
            return
        for job in self._jobs:
            state = known[job.name]
            telemetry.job_failing.labels(job.name).set(state.failing)
            if state.succeeded_at is not None:
                success = state.succeeded_at.timestamp()
                telemetry.job_last_success.labels(job.name).set(success)
            free = not self._draining and job.name not in self._running
            if free and due_at(job, state) <= state.now:
                self._start(job)

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._attempt(job), name=f"job {job.name}")
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._running.pop(job.name))

    async def _attempt(self, job: Job) -> None:
        try:
            await attempt(self._database.connect, job)
        except PASSING as error:
            log.warning("job could not be begun or recorded", job=job.name, why=describe(error))

    async def drain(self) -> None:
        """End what runs, and start nothing any more; another server takes it up."""
        self._draining = True
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
