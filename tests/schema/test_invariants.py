"""The invariants that the schema states: each takes right rows and refuses a wrong one, by name."""

import re

import asyncpg
import pytest

from server.persistence.types import Connection
from tests.schema.rows import RIGHT, insert
from tests.schema.wrong import TWICE, WRONG

# Tables of the live server have tests of their own, beside what writes to them.
CHECKS = """
select conname
from pg_constraint
join pg_class on pg_class.oid = conrelid
where contype = 'c' and not relispartition and relname = any($1::text[])
"""
REFUSED = (asyncpg.CheckViolationError, asyncpg.InvalidParameterValueError)


def table_of(constraint: str) -> str:
    return max((table for table in RIGHT if constraint.startswith(f"{table}_")), key=len)


@pytest.mark.parametrize("table", RIGHT)
async def test_right_rows_are_taken_and_wrong_ones_refused(db: Connection, table: str) -> None:
    """A wrong row differs from a right one in what its constraint, by name, is about."""
    assert await insert(db, table)
    assert await insert(db, table)
    for constraint in (name for name in WRONG if table_of(name) == table):
        with pytest.raises(REFUSED) as error:
            async with db.transaction():
                await insert(db, table, **WRONG[constraint])
        # Of an unknown time zone Postgres itself complains, while it looks at the check.
        unknown = isinstance(error.value, asyncpg.InvalidParameterValueError)
        assert unknown or error.value.constraint_name == constraint


async def test_each_check_has_its_wrong_row(db: Connection) -> None:
    """No check of these tables is left untried."""
    assert {row[0] for row in await db.fetch(CHECKS, list(RIGHT))} == set(WRONG)


@pytest.mark.parametrize("constraint", TWICE)
async def test_one_row_too_many_is_refused(db: Connection, constraint: str) -> None:
    """What there may be once is there once."""
    table, case = table_of(constraint), TWICE[constraint]
    first = await insert(db, table, **case.first)
    second = {column: first[column] for column in case.same}
    with pytest.raises(asyncpg.UniqueViolationError) as error:
        await insert(db, table, **{**case.first, **second, **case.second})
    # A partition has an index of its own, with its number in the name.
    assert re.sub(r"_\d(?=_pkey$)", "", error.value.constraint_name or "") == constraint
