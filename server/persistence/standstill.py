"""Tells where a migration would keep writers of a large table waiting for as long as it works.

A lock that is waited for is given up in time (`steps.py`), one that is held lasts until COMMIT. So
within a transaction nothing may build an index on, look through or rewrite a table that was there.
"""

from collections.abc import Collection, Mapping, Sequence

from server.persistence.catalogue import Thing
from server.persistence.migration_files import Migration, in_transaction
from server.persistence.statements import concurrent_index, split
from server.persistence.types import Connection

FILES = """
select oid::regclass::text, pg_relation_filenode(oid)
from pg_class
where relkind in ('r', 'p') and relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'
"""


async def files(connection: Connection) -> dict[str, int]:
    """Each table's file; it has another one when it was rewritten."""
    return dict(await connection.fetch(FILES))


def standstills(
    migration: Migration,
    tables: Collection[str],
    before: Mapping[str, Thing],
    after: Sequence[Thing],
) -> list[str]:
    """What a migration does to tables that may be large while nobody can write to them.

    before: by key.
    """
    concurrent = [concurrent_index(statement) for statement in split(migration.up)]
    online = {index["name"] for index in concurrent if index is not None}
    told = []
    for thing in after:
        was = before.get(thing.key)
        if thing.table not in tables:
            continue
        if thing.kind == "index" and was is None and thing.name not in online:
            told.append(f"nobody can write to {thing.table} while {thing.name} is built")
        elif thing.kind == "constraint" and was is None and _looks(migration, thing):
            told.append(f"nobody can write to {thing.table} while {thing.name} is checked")
        elif thing.kind == "column" and was is not None and _stricter(was, thing):
            told.append(f"nobody can use {thing.table} while {thing.name} is checked for nulls")
    return told


def _looks(migration: Migration, constraint: Thing) -> bool:
    return in_transaction(migration.up) and not constraint.make.endswith(" NOT VALID")


def _stricter(was: Thing, column: Thing) -> bool:
    return "not null" in column.definition and "not null" not in was.definition


def rewritten(
    tables: Collection[str], before: Mapping[str, int], after: Mapping[str, int]
) -> list[str]:
    """Tables that a migration has rewritten, which nobody can use meanwhile."""
    return [
        f"nobody can use {table} while it is rewritten"
        for table, file in before.items()
        if table in tables and after.get(table, file) != file
    ]
