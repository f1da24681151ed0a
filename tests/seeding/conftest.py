"""A seeded database for all tests here; it is only read."""

from datetime import UTC, date, datetime

import pytest
import pytest_asyncio

from server.persistence.seeding.plan import PROFILES, Plan
from server.persistence.seeding.runner import seed
from server.persistence.seeding.runs import Run
from server.persistence.seeding.work import Progress
from tests.support.people import ring
from tests.support.postgres import PostgresInstance


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


@pytest_asyncio.fixture(scope="session")
async def seeded(postgres: PostgresInstance, plan: Plan) -> str:
    """The URL of a database that was seeded in one go."""
    url = await postgres.create_database()
    await seed(url, Run(plan, 100_000), ring(1), quiet)
    return url
