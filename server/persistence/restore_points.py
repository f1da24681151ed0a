"""A named place in the write-ahead log, made before the schema of a database with data changes."""

from typing import NamedTuple

from server.persistence.types import Connection

TABLES = """
select oid::regclass::text
from pg_class
where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
    and not relispartition and relname <> 'schema_migrations'
"""
FILLED = "exists (select from {table})"
FACTS = """
select has_function_privilege('pg_create_restore_point(text)', 'execute'),
    current_setting('wal_level'), current_setting('archive_mode'),
    to_char(now() at time zone 'utc', 'YYYYMMDD"T"HH24MISS"Z"')
"""
CREATE = "select pg_create_restore_point($1)::text"


class RestorePoint(NamedTuple):
    """Where recovery can stop. name, lsn: empty if none was made; note: why, or what it takes."""

    name: str
    lsn: str
    note: str


async def holds_data(connection: Connection) -> bool:
    """Whether any table has a row."""
    tables = [row[0] for row in await connection.fetch(TABLES)]
    if not tables:
        return False
    filled = " or ".join(FILLED.format(table=table) for table in tables)
    return bool(await connection.fetchval(f"select {filled}"))


async def make(connection: Connection, version: int) -> RestorePoint:
    """Make a restore point named by the schema's version and the time, where that is possible."""
    (facts,) = await connection.fetch(FACTS)
    allowed, wal_level, archive_mode, now = facts
    if not allowed:
        return RestorePoint(
            "", "", "this role may not make one; grant execute on pg_create_restore_point to it"
        )
    if wal_level == "minimal":
        return RestorePoint("", "", "wal_level is minimal; set it to replica")
    name = f"lyceum_{version:04}_{now}"
    lsn = await connection.fetchval(CREATE, name)
    note = "" if archive_mode != "off" else "archive_mode is off: it serves only with archived WAL"
    return RestorePoint(name, lsn, note)
