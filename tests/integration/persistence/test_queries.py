"""Statements with a name."""

from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection

COUNT = Query("test.count", Kind.READ, "select n from generate_series(1, $1::int) as n order by n")


async def test_each_gives_what_it_says(connection: Connection) -> None:
    """Rows, a row, a value, or what was done; nothing where there is nothing."""
    assert [row["n"] for row in await queries.fetch(connection, COUNT, 2)] == [1, 2]
    row = await queries.fetchrow(connection, COUNT, 2)
    assert row is not None
    assert row["n"] == 1
    assert await queries.fetchrow(connection, COUNT, 0) is None
    assert await queries.fetchval(connection, COUNT, 2) == 1
    assert await queries.fetchval(connection, COUNT, 0) is None
    assert await queries.execute(connection, COUNT, 2) == "SELECT 2"
