"""A school in a database as production has it, for all tests; each makes people of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from server.persistence.access import Access
from server.persistence.types import Connection
from tests.school.campus import Campus, opened
from tests.school.make import ACHIEVEMENTS, BY_MONTH, MONTHS
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.postgres import PostgresInstance


@pytest_asyncio.fixture(scope="session")
async def school(postgres: PostgresInstance) -> str:
    """The URL of the database, of a superuser."""
    url = await migrated_by_owner(postgres)
    async with connected(url) as superuser:
        await superuser.execute(ACHIEVEMENTS)
        for table in BY_MONTH:
            await superuser.execute(MONTHS.format(table=table))
    return url


@pytest_asyncio.fixture(scope="session")
async def superuser(school: str) -> AsyncIterator[Connection]:
    """Whom tests look with, and prepare things."""
    async with connected(school) as connection:
        yield connection


@pytest_asyncio.fixture(scope="session")
async def server_url(school: str) -> str:
    """The URL of a login that is a member of lyceum_server only."""
    return await login(school, "lyceum_server")


@pytest_asyncio.fixture(scope="session")
async def server(server_url: str) -> AsyncIterator[Connection]:
    """A connection of it."""
    async with connected(server_url) as connection:
        yield connection


@pytest_asyncio.fixture(scope="session")
async def access(school: str) -> AsyncIterator[Access]:
    """A way in as a person, through a login that is a member of lyceum_app only."""
    access = await Access.open(await login(school, "lyceum_app"))
    yield access
    await access.close()


@pytest_asyncio.fixture(scope="module")
async def campus(postgres: PostgresInstance) -> AsyncIterator[Campus]:
    """A database of the module's own with a way in for each role, for those who write and teach."""
    async with opened(postgres) as campus:
        yield campus
