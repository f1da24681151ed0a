"""Finds where a database's schema is not what its migrations make, and says how to mend it.

The schema is compared with that of a scratch database to which the same migrations were applied.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from server.persistence import catalogue, partitions, roles
from server.persistence.catalogue import Thing
from server.persistence.migrations import Migration, Status, migrate, status
from server.persistence.scratch import scratch
from server.persistence.types import Connection


class Finding(NamedTuple):
    """Something that is not as it should be. remedy: SQL or a command."""

    kind: str
    name: str
    problem: str
    expected: str
    found: str
    remedy: str


INVALID_INDEXES = """
select indexrelid::regclass::text
from pg_index
join pg_class on pg_class.oid = indexrelid
where not (indisvalid and indisready and indislive) and relnamespace::regnamespace::text !~ '^pg_'
order by 1
"""
INVALID_CONSTRAINTS = """
select conrelid::regclass::text, conname::text
from pg_constraint
where not convalidated and conrelid <> 0 and connamespace::regnamespace::text !~ '^pg_'
order by 1, 2
"""
BY_MONTH = """
select partrelid::regclass::text
from pg_partitioned_table
where partstrat = 'r'
order by 1
"""


async def validate(
    connection: Connection, url: str, migrations: Sequence[Migration]
) -> list[Finding]:
    """All findings. url: that of the connection, for the scratch database.

    Raises DatabaseError if the migrations don't fit the database, or it takes none.
    """
    rows = await status(connection, migrations)
    return await examine(connection, rows, await expected(connection, url, migrations))


async def expected(
    connection: Connection, url: str, migrations: Sequence[Migration]
) -> list[Thing]:
    """What the migrations make on this server. url: as above."""
    async with scratch(connection, url) as other:
        await migrate(other, migrations)
        return await catalogue.read(other)


async def examine(
    connection: Connection, rows: Sequence[Status], things: Sequence[Thing]
) -> list[Finding]:
    """All findings in a database with these migrations, in which these things should be."""
    findings = missing_migrations(rows) + await unfit(connection)
    return findings + compare(things, await catalogue.read(connection))


def missing_migrations(rows: Sequence[Status]) -> list[Finding]:
    """Migrations that the database has not had."""
    return [
        Finding(
            "migration",
            f"{row.version:04}_{row.name}",
            "missing",
            "applied",
            "not applied",
            "lyceum db migrate",
        )
        for row in rows
        if not row.applied
    ]


async def unfit(connection: Connection) -> list[Finding]:
    """What is there and does not serve: indexes, constraints, partitions, roles."""
    findings = []
    for (index,) in await connection.fetch(INVALID_INDEXES):
        remedy = f"reindex index concurrently {index}"
        findings.append(Finding("index", index, "invalid", "valid", "not valid", remedy))
    for table, name in await connection.fetch(INVALID_CONSTRAINTS):
        remedy = f'alter table {table} validate constraint "{name}"'
        found = "not validated: rows from before it may break it"
        findings.append(
            Finding("constraint", f"{table}.{name}", "invalid", "validated", found, remedy)
        )
    for (table,) in await connection.fetch(BY_MONTH):
        ahead = await partitions.count_ahead(connection, table)
        if ahead < partitions.AHEAD:
            findings.append(
                Finding(
                    "partitions",
                    table,
                    "missing",
                    f"for this month and {partitions.AHEAD} more",
                    f"{ahead} more" if ahead >= 0 else "none for this month",
                    "lyceum db maintain",
                )
            )
    return findings + [
        Finding("role", role, "missing", "there", "not there", "lyceum db migrate")
        for role in await roles.missing(connection)
    ]


def compare(wanted: Sequence[Thing], found: Sequence[Thing]) -> list[Finding]:
    """Where two schemas differ; what goes with a table that is missing is not told as well."""
    wants = {thing.key: thing for thing in wanted}
    there: dict[str, list[Thing]] = defaultdict(list)
    for thing in found:
        there[thing.key].append(thing)
    tables = {thing.name for thing in wanted if thing.kind == "table"}
    here = {thing.name for thing in found if thing.kind == "table"}
    lacking, foreign = tables - here, here - tables
    findings = [
        Finding(want.kind, want.name, "missing", want.definition, "", want.make)
        for key, want in wants.items()
        if key not in there and not want.parent and _told(want, lacking)
    ]
    for key, things in there.items():
        for thing in things:
            if key not in wants and _told(thing, foreign):
                findings.append(
                    Finding(thing.kind, thing.name, "too many", "", thing.definition, thing.remove)
                )
            elif key in wants and thing.definition != wants[key].definition:
                want = wants[key].definition
                remedy = _mend(wants[key], thing)
                findings.append(
                    Finding(thing.kind, thing.name, "different", want, thing.definition, remedy)
                )
    return sorted(findings)


def _told(thing: Thing, absent: set[str]) -> bool:
    return thing.kind == "table" or thing.table not in absent


# What one statement puts right; of what is left the old one is removed first.
REPLACED = ("function", "comment", "row-level security")
# Not these: they hold data.
KEPT = ("table", "column", "type")


def _mend(want: Thing, have: Thing) -> str:
    if want.kind in KEPT:
        return f"alter {'type' if want.kind == 'type' else 'table'} {want.table or want.name} …"
    return want.make if want.kind in REPLACED else "; ".join(filter(None, (have.remove, want.make)))
