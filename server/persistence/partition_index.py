"""Builds an index on a table with partitions as on any other: concurrently, keeping nobody waiting.

Postgres refuses `create index concurrently` there. So the index is made on the table alone, which
holds no rows, then on one partition after the other, and each is attached; with the last one it is
valid. Whoever was killed midway does the same again, and what is there is passed over.
"""

import re

from server.persistence.statements import bare
from server.persistence.types import Connection

CREATE = re.compile(
    r"""
    create \s+ (?P<unique> unique \s+ )? index \s+ concurrently \s+ if \s+ not \s+ exists \s+
    (?P<name> \w+ ) \s+ on \s+ (?P<table> \w+ ) (?P<rest> .* )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
LONGEST_NAME = 63
PARTITIONS = """
select inhrelid::regclass::text
from pg_inherits
where inhparent = (
    select oid from pg_class where oid = to_regclass($1) and relkind = 'p'
)
order by 1
"""


async def in_parts(connection: Connection, statement: str) -> list[str]:
    """The statements that do what one should; that one itself unless it is about partitions."""
    found = CREATE.fullmatch(bare(statement))
    if found is None:
        return [statement]
    unique, name, table, rest = found["unique"] or "", found["name"], found["table"], found["rest"]
    partitions = [row[0] for row in await connection.fetch(PARTITIONS, table)]
    if not partitions:
        return [statement]
    statements = [f"create {unique}index if not exists {name} on only {table}{rest}"]
    for partition in partitions:
        part = part_name(name, table, partition)
        statements += [
            f"create {unique}index concurrently if not exists {part} on {partition}{rest}",
            f"alter index {name} attach partition {part}",
        ]
    return statements


def part_name(name: str, table: str, partition: str) -> str:
    """What the index of a partition is called: as Postgres would, where names follow its custom."""
    own = name.removeprefix(f"{table}_")
    return f"{partition[: LONGEST_NAME - len(own) - 1]}_{own}"
