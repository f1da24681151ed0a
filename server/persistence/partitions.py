"""Upkeep of tables that are range-partitioned by month: partitions are made ahead, and dropped.

Months are those of UTC, whatever the time zones of server and database. Many servers may do this
at once: an advisory lock lets one work at a time, and the others find it done. Nothing here keeps
writers waiting for longer than LOCK_TIMEOUT: partitions are attached and detached, which readers
and writers pass, instead of created in place.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from server import telemetry
from server.persistence.locks import advisory_lock
from server.persistence.types import Connection

log = structlog.get_logger()

ACTIVITY, EVENTS = "session_activity", "learning_analytics"
TABLES = (
    ACTIVITY,
    "audit_log",
    "chat_messages",
    "code_submissions",
    EVENTS,
    "tutor_messages",
    "xp_events",
)
AHEAD = 3  # months beyond the current one
BACK = 1  # and before it, for what comes late
WHOLE = 62  # days: who keeps rows for less has no use for the month before
LOCK_TIMEOUT = "2s"
LOCK_KEY = 7_523_094_288_207_667_810  # the migrations' is one less


class Partition(NamedTuple):
    """One partition; name: as SQL takes it. detaching: somebody began to detach it."""

    name: str
    start: datetime
    end: datetime
    detaching: bool


class Report(NamedTuple):
    """What upkeep has done, and how it stands.

    ahead: months beyond the current one that a table can take rows of; -1 if not even that.
    """

    created: list[str]
    dropped: list[str]
    ahead: dict[str, int]


NOW = "select now()"
# Partitions belong to whom their table does. Others have functions that act for the owner.
OWNS = """
select relowner = (select oid from pg_roles where rolname = current_user)
from pg_class
where oid = to_regclass($1)
"""
EXISTS = "select to_regclass($1) is not null"

# A bound is text in the connection's style, and not every style can be read back exactly.
ISO = "set local datestyle = 'ISO'; set local timezone = 'UTC'"
PARTITIONS = r"""
select child.oid::regclass::text, lower.bound::timestamptz, upper.bound::timestamptz,
    inhdetachpending
from pg_inherits
join pg_class child on child.oid = inhrelid
cross join pg_get_expr(child.relpartbound, child.oid) as expression
cross join substring(expression from 'FROM \(''([^'']+)''') as lower (bound)
cross join substring(expression from 'TO \(''([^'']+)''') as upper (bound)
where inhparent = to_regclass($1) and lower.bound is not null and upper.bound is not null
order by 2
"""


async def partitions(connection: Connection, table: str) -> list[Partition]:
    """The partitions of a table, oldest first."""
    async with connection.transaction():
        await connection.execute(ISO)
        return [Partition(*row) for row in await connection.fetch(PARTITIONS, table)]


async def ensure(
    connection: Connection,
    ahead: int = AHEAD,
    tables: Sequence[str] = TABLES,
    now: datetime | None = None,
    back: int = 0,
) -> list[str]:
    """Make the partitions that are missing from the current month on; returns their names.

    now: the database's time if it isn't given. back: months before the current one that are to be
    there too. A table that does not exist is passed over.
    """
    months = await _months(connection, ahead, now, back)
    if not await _missing(connection, tables, months):
        return []
    async with advisory_lock(connection, LOCK_KEY, "another server's upkeep"):
        missing = await _missing(connection, tables, months)
        made = [await _create(connection, table, month) for table, month in missing]
    if made:
        until = max(month for _, month in missing)
        log.info("partitions created", count=len(made), until=f"{until:%Y-%m}")
    return made


async def _months(
    connection: Connection, ahead: int, now: datetime | None, back: int = 0
) -> list[datetime]:
    moment: datetime = now or await connection.fetchval(NOW)
    months = [month_of(moment)]
    for _ in range(back):
        months[0] = month_of(months[0] - timedelta(days=1))
    while len(months) <= back + ahead:
        months.append(month_after(months[-1]))
    return months


async def _missing(
    connection: Connection, tables: Sequence[str], months: Sequence[datetime]
) -> list[tuple[str, datetime]]:
    missing = []
    for table in tables:
        if await connection.fetchval(EXISTS, table):
            there = await partitions(connection, table)
            missing += [(table, month) for month in months if not _covered(there, month)]
    return missing


def _covered(there: Sequence[Partition], month: datetime) -> bool:
    """Whether rows of a month have their place; a partition may be of more than a month."""
    return any(part.start <= month and part.end >= month_after(month) for part in there)


# CREATE TABLE … PARTITION OF would lock all readers and writers of the table out. A partition
# numbers its rows as its table does, and may not bring an identity of its own.
CREATE = """
set local lock_timeout = '{timeout}';
create table {name} (like {table} including all excluding identity);
alter table {table} attach partition {name} for values from ('{start}') to ('{end}');
"""


MAKE = "select make_partition(to_regclass($1), $2)"


async def _create(connection: Connection, table: str, month: datetime) -> str:
    name = f"{table}_{month:%Y_%m}"
    if not await connection.fetchval(OWNS, table):
        await connection.execute(MAKE, table, month.date())
    else:
        async with connection.transaction():
            await connection.execute(
                CREATE.format(
                    timeout=LOCK_TIMEOUT,
                    name=name,
                    table=table,
                    start=month.isoformat(),
                    end=month_after(month).isoformat(),
                )
            )
    return name


EXPIRED = "Expired and detached by Lyceum, to be dropped."
MARK = f"comment on table {{name}} is '{EXPIRED}'"
DETACH = "alter table {table} detach partition {name} {how}"
DROP = "drop table if exists {name}"
# Drops at once, as no function can detach concurrently. It takes the table for itself and gives up
# after 100 ms, for which others wait; so it is tried again, and at last by the next run.
DROP_AS_OWNER = "select drop_partitions(to_regclass($1), $2)"
TRIES, PAUSE = 20, 0.25  # seconds
HAS_DEFAULT = "select partdefid <> 0 from pg_partitioned_table where partrelid = to_regclass($1)"

# Detached by a server that ended before it could drop them.
LEFT_OVER = """
select pg_class.oid::regclass::text
from pg_class
join pg_description on objoid = pg_class.oid and classoid = 'pg_class'::regclass and objsubid = 0
where relkind = 'r' and not relispartition and description = $1 and relname ^@ $2
order by 1
"""


async def drop_expired(connection: Connection, table: str, before: datetime) -> list[str]:
    """Drop the partitions of a table whose rows are all older; returns their names.

    What an earlier try left half done is finished. Needs a connection outside a transaction.
    """
    if not await _expired(connection, table, before):
        return []
    async with advisory_lock(connection, LOCK_KEY, "another server's upkeep"):
        if not await connection.fetchval(OWNS, table):
            return await _drop_as_owner(connection, table, before)
        await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            await _detach_expired(connection, table, before)
            left = [row[0] for row in await connection.fetch(LEFT_OVER, EXPIRED, f"{table}_")]
            for name in left:
                await connection.execute(DROP.format(name=name))
                log.info("partition dropped", partition=name)
            return left
        finally:
            if not connection.is_closed():
                await connection.execute("reset lock_timeout")


async def _drop_as_owner(connection: Connection, table: str, before: datetime) -> list[str]:
    dropped: list[str] = []
    tries = 0
    while True:
        try:
            name = await connection.fetchval(DROP_AS_OWNER, table, before)
        except asyncpg.LockNotAvailableError:
            tries += 1
            if tries == TRIES:
                raise
            await asyncio.sleep(PAUSE)
            continue
        if name is None:
            return dropped
        log.info("partition dropped", partition=name)
        dropped.append(name)


async def _expired(connection: Connection, table: str, before: datetime) -> bool:
    there = await partitions(connection, table)
    left = await connection.fetch(LEFT_OVER, EXPIRED, f"{table}_")
    return bool(left) or any(part.end <= before for part in there)


async def _detach_expired(connection: Connection, table: str, before: datetime) -> None:
    # Beside a default partition Postgres can't detach concurrently; that locks writers out.
    gently = not await connection.fetchval(HAS_DEFAULT, table)
    for part in await partitions(connection, table):
        if part.end > before:
            continue
        await connection.execute(MARK.format(name=part.name))
        how = "finalize" if part.detaching else "concurrently" if gently else ""
        await connection.execute(DETACH.format(table=table, name=part.name, how=how))


async def count_ahead(connection: Connection, table: str, now: datetime | None = None) -> int:
    """Months beyond the current one that a table can take rows of, without a gap."""
    there = await partitions(connection, table)
    (month,) = await _months(connection, 0, now)
    count = -1
    while _covered(there, month):
        count, month = count + 1, month_after(month)
    return count


async def measure(connection: Connection) -> dict[str, int]:
    """Tell the monitoring for how many months ahead each table can take rows, and return it."""
    ahead = {
        table: await count_ahead(connection, table)
        for table in TABLES
        if await connection.fetchval(EXISTS, table)
    }
    for table, months in ahead.items():
        telemetry.partitions_ahead.labels(table).set(months)
    return ahead


async def maintain(connection: Connection, limits: Mapping[str, int]) -> Report:
    """Do all that is due; limits: for how many days tables keep their rows, 0 for ever."""
    short = [table for table, days in limits.items() if 0 < days < WHOLE]
    created = await ensure(connection, tables=short)
    others = [table for table in TABLES if table not in short]
    created += await ensure(connection, tables=others, back=BACK)
    dropped: list[str] = []
    now: datetime = await connection.fetchval(NOW)
    for table, days in limits.items():
        if days:
            dropped += await drop_expired(connection, table, now - timedelta(days=days))
    return Report(created, dropped, await measure(connection))


def month_of(moment: datetime) -> datetime:
    """The beginning of the month that a moment is in, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_after(month: datetime) -> datetime:
    """The beginning of the month after one that begins so."""
    return month_of(month + timedelta(days=31))
