"""Seeds a database: looks whether it may, makes what is missing, and tidies up."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date

import asyncpg
from msgspec import Struct

from server.domain.envelope import Kek, Keyring
from server.errors import DatabaseError
from server.persistence import encryption_keys, partitions, roles
from server.persistence.connections import CONNECT_TIMEOUT
from server.persistence.locks import advisory_lock
from server.persistence.school import rollups
from server.persistence.seeding import (
    collaboration,
    community,
    counted,
    curriculum,
    earned,
    events,
    ground,
    learning,
    people,
    runs,
    totals,
    tutor,
)
from server.persistence.seeding.plan import Plan, Step
from server.persistence.seeding.runs import Run
from server.persistence.seeding.work import Made, Progress, Tell, Work, gather
from server.persistence.types import Connection

LOCK = 7_523_094_288_207_667_830
WORKERS = 2  # connections; each keeps a core busy

# Nothing waits for these commits: what a crash takes is made again, as its mark goes with it.
SESSION = {
    "application_name": "lyceum seed",
    "synchronous_commit": "off",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "timezone": "UTC",
    "jit": "off",
}
# Triggers and foreign keys cost more than all else, and hold by the way the rows are made: a test
# seeds with them, and nothing differs. Only superusers may leave them out.
MAY_LEAVE_OUT = "select has_parameter_privilege('session_replication_role', 'set')"
LEAVE_OUT = "set session_replication_role = replica"

OWNS = """
select relowner = (select oid from pg_roles where rolname = current_user)
from pg_class
where oid = to_regclass('learning_analytics')
"""
CLEAR = "drop table if exists seeding.calendar"

# Tables of events get their months from the steps, the audit log holds nothing of the past.
MONTHLY = tuple(
    table for table in partitions.TABLES if table not in ("learning_analytics", "audit_log")
)

# The largest first, so that workers end at about the same time.
TABLES = """
select pg_class.oid::regclass::text
from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'm')
order by pg_relation_size(pg_class.oid) desc, 1
"""
ANALYZE_WHOLE = """
select pg_class.oid::regclass::text
from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'p'
"""


class Result(Struct, frozen=True):
    """What a run came to. made: of each step that it made something of."""

    run: Run
    made: dict[str, Made]


async def seed(
    url: str, wanted: Run, ring: Keyring | None, tell: Tell, until: date | None = None
) -> Result:
    """Make all that a run says, or what is missing of it.

    ring: seals e-mail addresses; without it nobody has one. until: what was asked for; None: that
    of an earlier run that is gone on with. The batch of that one wins, too.

    Raises DatabaseError if something else is in the database, or if this login doesn't own it.
    """
    async with _connected(url, 1 + WORKERS) as (main, *workers):
        triggers = not await main.fetchval(MAY_LEAVE_OUT)
        await roles.become_owner(main)
        if not await main.fetchval(OWNS):
            raise DatabaseError("this login doesn't own the schema; only who does can seed it")
        async with advisory_lock(main, LOCK, "another seeding"):
            kek = await _key(main, ring)
            wanted = Run(wanted.plan, wanted.batch, kek.id if kek else None, triggers)
            run = await runs.begun(main, wanted, until)
            made: dict[str, Made] = {}
            if not run.finished:
                await _prepare_workers(workers, run)
                there = await _prepare(main, run.plan)
                # Triggers that count for others would have two wait for each other.
                working = workers[:1] if run.triggers else workers
                made = await Work(working, tell).make(_steps(run.plan, kek, there), run.batch)
                await _tidy(main, workers, tell)
            return Result(run, made)


@asynccontextmanager
async def _connected(url: str, count: int) -> AsyncIterator[list[Connection]]:
    connections: list[Connection] = []
    try:
        while len(connections) < count:
            connections += [
                await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, server_settings=SESSION)
            ]
        yield connections
    finally:
        for connection in connections:
            connection.terminate()


async def _key(connection: Connection, ring: Keyring | None) -> Kek | None:
    if ring is None:
        return None
    async with connection.transaction():
        return await encryption_keys.making(connection, ring)


async def _prepare_workers(workers: Sequence[Connection], run: Run) -> None:
    for worker in workers:
        if not run.triggers:
            await worker.execute(LEAVE_OUT)
        await roles.become_owner(worker)


async def _prepare(connection: Connection, plan: Plan) -> set[str]:
    """Make functions and partitions; returns which partitions of learning_analytics there are."""
    await connection.execute(ground.functions(plan))
    await partitions.ensure(connection, plan.months - 1, MONTHLY, plan.start)
    there = await partitions.partitions(connection, "learning_analytics")
    return {part.name for part in there}


def _steps(plan: Plan, kek: Kek | None, there: set[str]) -> list[Step]:
    return [
        *people.steps(plan, kek),
        *curriculum.steps(plan),
        *learning.steps(plan),
        *community.steps(plan),
        *earned.steps(plan),
        *tutor.steps(plan),
        *collaboration.steps(plan),
        *events.steps(plan, there),
        *counted.steps(plan),
        *totals.steps(plan),
    ]


async def _tidy(connection: Connection, workers: Sequence[Connection], tell: Tell) -> None:
    """Drop what only seeding takes; count sessions; have everything read by its indexes alone."""
    await connection.execute(CLEAR)
    await connection.execute(ground.DROP_FUNCTIONS)
    tell(Progress("rollups", 1.0))
    await rollups.roll_up(connection)
    tell(Progress("vacuum", 1.0))
    tables = iter([row[0] for row in await connection.fetch(TABLES)])

    async def vacuum(worker: Connection) -> None:
        for table in tables:
            await worker.execute(f"vacuum (analyze) {table}")

    await gather([vacuum(worker) for worker in workers])
    for row in await connection.fetch(ANALYZE_WHOLE):
        await connection.execute(f"analyze {row[0]}")
    await runs.finish(connection)
