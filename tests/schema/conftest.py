"""One database for all tests of the schema; each works in a transaction that is undone."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from server.persistence.types import Connection
from tests.support.postgres import PostgresInstance


@pytest_asyncio.fixture(scope="session")
async def schema(postgres: PostgresInstance) -> AsyncIterator[Connection]:
    """A connection to a migrated database that nobody changes for good."""
    connection = await asyncpg.connect(await postgres.create_database())
    yield connection
    connection.terminate()


@pytest_asyncio.fixture
async def db(schema: Connection) -> AsyncIterator[Connection]:
    """The same within a transaction that is undone at the end of the test."""
    transaction = schema.transaction()
    await transaction.start()
    yield schema
    await transaction.rollback()
