"""Each statement of the school finds what it looks for by an index; search has tests of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from server.persistence.queries import Query
from server.persistence.types import Connection
from tests.school import plans_community, plans_learning, plans_ranks
from tests.school.plans import Area, plan_of, scans
from tests.support.logins import connected, migrated_by_owner
from tests.support.postgres import PostgresInstance

AREAS = (plans_community.AREA, plans_learning.AREA, plans_ranks.AREA)
# Months of which there is nothing yet.
EMPTY = """
select relname
from pg_class
where relkind = 'r' and relispartition and pg_relation_size(oid) = 0
"""


@pytest.mark.parametrize("area", AREAS, ids=str)
def test_no_statement_is_left_out(area: Area) -> None:
    """All of the modules are tried, each by a name of its own."""
    found = {
        value
        for module in area.modules
        for value in vars(module).values()
        if isinstance(value, Query)
    }
    assert found == area.arguments.keys()
    assert len({query.name for query in found}) == len(found)


@pytest_asyncio.fixture(scope="module")
async def full(
    postgres: PostgresInstance,
) -> AsyncIterator[Callable[[Area], Awaitable[Connection]]]:
    """Connects to an area's database, with so many rows that reading a whole table is no good."""
    filled: dict[str, Connection] = {}
    async with AsyncExitStack() as stack:

        async def fill(area: Area) -> Connection:
            if area.name not in filled:
                connection = await stack.enter_async_context(
                    connected(await migrated_by_owner(postgres))
                )
                await connection.execute(area.fill, timeout=120)
                await connection.execute("analyze")
                filled[area.name] = connection
            return filled[area.name]

        yield fill


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize(
    ("area", "query"),
    [pytest.param(area, query, id=query.name) for area in AREAS for query in area.arguments],
)
async def test_no_table_is_read_from_end_to_end(
    full: Callable[[Area], Awaitable[Connection]], area: Area, query: Query, mode: str
) -> None:
    """Whether planned once for all or for its arguments."""
    connection = await full(area)
    plan = await plan_of(connection, query, area.arguments[query], mode)
    empty = {row[0] for row in await connection.fetch(EMPTY)}
    assert set(scans(plan)) - set(area.few) - empty == set()
