"""A database as production has it: it belongs to lyceum_owner, and logins are members of roles."""

from collections.abc import AsyncIterator

import pytest_asyncio

from server.persistence.access import Access
from server.persistence.types import Connection
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.postgres import PostgresInstance


@pytest_asyncio.fixture(scope="session")
async def owned(postgres: PostgresInstance) -> str:
    """The URL of such a database, of a superuser; for all tests that leave it as it is."""
    return await migrated_by_owner(postgres)


@pytest_asyncio.fixture(scope="session")
async def superuser(owned: str) -> AsyncIterator[Connection]:
    """A superuser's connection to it."""
    async with connected(owned) as connection:
        yield connection


@pytest_asyncio.fixture
async def db(superuser: Connection) -> AsyncIterator[Connection]:
    """The same within a transaction that is undone at the end of the test."""
    transaction = superuser.transaction()
    await transaction.start()
    yield superuser
    await transaction.rollback()


@pytest_asyncio.fixture(scope="session")
async def access(owned: str) -> AsyncIterator[Access]:
    """A way in as a person, through a login that is a member of lyceum_app only."""
    access = await Access.open(await login(owned, "lyceum_app"))
    yield access
    await access.close()
