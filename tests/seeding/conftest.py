"""A seeded database for all tests here; it is only read."""

from datetime import UTC, date, datetime
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from server.persistence.seeding.plan import PROFILES, Plan
from server.persistence.seeding.runner import seed
from server.persistence.seeding.runs import Run
from server.persistence.seeding.work import Progress
from tests.support.logins import connected, database_of
from tests.support.people import ring
from tests.support.postgres import PostgresInstance

_numbers = count(1)


@pytest.fixture(scope="session")
def until() -> date:
    """The day until which all tests seed, however long they take."""
    return datetime.now(UTC).date()


@pytest.fixture(scope="session")
def plan(until: date) -> Plan:
    """What is seeded."""
    small = PROFILES["small"]
    return Plan(small.users, small.events, 7, until, small.months)


def quiet(_progress: Progress) -> None:
    """Nobody looks."""


@pytest_asyncio.fixture
async def own_copy(postgres: PostgresInstance, seeded: str) -> str:
    """The URL of a copy of it that may be changed."""
    name = f"copy_{next(_numbers)}"
    async with connected(postgres.server.url) as connection:
        await connection.execute(f"create database {name} template {database_of(seeded)}")
    return urlunsplit(urlsplit(seeded)._replace(path=f"/{name}"))


@pytest_asyncio.fixture(scope="session")
async def seeded(postgres: PostgresInstance, plan: Plan) -> str:
    """The URL of a database that was seeded in one go."""
    url = await postgres.create_database()
    await seed(url, Run(plan, 100_000), ring(1), quiet)
    return url
