"""What a database knows of the run that fills it: the plan, and which batches are made."""

from datetime import date

from msgspec import Struct

from server.errors import DatabaseError
from server.persistence.seeding import ground
from server.persistence.seeding.plan import Plan
from server.persistence.types import Connection


class Run(Struct, frozen=True):
    """A plan on its way.

    batch: rows of one, about. key_id: of what addresses are found by, if any. triggers: whether
    they fire for each row; if not, the audit log knows of the run alone.
    """

    plan: Plan
    batch: int
    key_id: int | None = None
    triggers: bool = False
    finished: bool = False


IS_SEEDED = "select to_regclass('seeding.runs') is not null"
RUN = """
select users, events, seed, until, months, batch, key_id, triggers, finished_at is not null
from seeding.runs
"""
BEGIN = """
insert into seeding.runs (users, events, seed, until, months, batch, key_id, triggers)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
FINISH = "update seeding.runs set finished_at = now()"
USED = """
select name
from (
    select 'users' as name, exists (select from users) as used
    union all select 'courses', exists (select from courses)
    union all select 'posts', exists (select from posts)
    union all select 'documents', exists (select from documents)
    union all select 'learning_analytics', exists (select from learning_analytics)
) as tables
where used
"""


async def stored(connection: Connection) -> Run | None:
    """The run that this database was or is being filled by; None if it never was."""
    if not await connection.fetchval(IS_SEEDED):
        return None
    row = await connection.fetchrow(RUN)
    return None if row is None else Run(Plan(*row[:5]), *row[5:])


async def begun(connection: Connection, wanted: Run, until: date | None) -> Run:
    """The run that was begun before, or this one, begun now.

    until: what was asked for; None: whatever an earlier run has. Raises DatabaseError if the
    database has something else in it, which a seeded school must not be mixed with.
    """
    earlier = await stored(connection)
    if earlier is not None:
        _same(earlier, wanted, until)
        return earlier
    used = [row[0] for row in await connection.fetch(USED)]
    if used:
        raise DatabaseError(
            f"there is something in {', '.join(used)} already, and made-up people are never mixed"
            " with others; give LYCEUM_DATABASE_URL or LYCEUM_DATA_DIR an empty database"
        )
    async with connection.transaction():
        await connection.execute(ground.TABLES)
        await connection.execute(ground.AUDIT)
        plan = wanted.plan
        await connection.execute(
            BEGIN,
            plan.users,
            plan.events,
            plan.seed,
            plan.until,
            plan.months,
            wanted.batch,
            wanted.key_id,
            wanted.triggers,
        )
    return wanted


def _same(earlier: Run, wanted: Run, until: date | None) -> None:
    had, want = earlier.plan, wanted.plan
    differing = [
        f"{name} {getattr(had, name)}, not {getattr(want, name)}"
        for name in ("users", "events", "seed", "months", "until")
        if getattr(had, name) != getattr(want, name) and (name != "until" or until is not None)
    ]
    if earlier.key_id != wanted.key_id:
        differing.append(f"encryption key {earlier.key_id}, not {wanted.key_id}")
    if wanted.triggers and not earlier.triggers:
        differing.append("triggers left out, which takes a superuser")
    if differing:
        raise DatabaseError(
            f"this database was seeded with {'; '.join(differing)}: give the same to go on with it,"
            " or an empty database"
        )


async def finish(connection: Connection) -> None:
    """Say that all is made."""
    await connection.execute(FINISH)
