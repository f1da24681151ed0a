"""Fixtures that tests share: Postgres instances, databases, and servers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from server.persistence.database import Database
from server.persistence.types import Connection
from tests.clients.driver import Driver
from tests.support import watchdog
from tests.support.postgres import FLAVOURS, Instances, PostgresInstance, started_once
from tests.support.server import LyceumServer


def pytest_configure(config: pytest.Config) -> None:
    """Have the end of a run tell what held servers' event loops."""
    config.pluginmanager.register(watchdog)


@pytest_asyncio.fixture(scope="session")
async def instances() -> AsyncIterator[Instances]:
    """Starts the Postgres of a flavour unless it runs."""
    async with started_once() as instances:
        yield instances


@pytest_asyncio.fixture(scope="session", params=FLAVOURS)
async def postgres(
    request: pytest.FixtureRequest, instances: Instances
) -> AsyncIterator[PostgresInstance]:
    """A Postgres for all tests that ask for one; they run on each flavour."""
    instance = await instances(request.param)
    yield instance
    await instance.clear()


@pytest_asyncio.fixture
async def database_url(postgres: PostgresInstance) -> AsyncIterator[str]:
    """The URL of a migrated database of the test's own."""
    async with postgres.database() as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a migrated database of the test's own."""
    database = await Database.open(database_url)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a migrated database of the test's own."""
    connection = await asyncpg.connect(database_url)
    yield connection
    connection.terminate()


@pytest_asyncio.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server with an embedded database, for all tests of a module that don't harm it."""
    async with LyceumServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest_asyncio.fixture
async def make_server(tmp_path: Path) -> AsyncIterator[Callable[..., LyceumServer]]:
    """Makes servers of the test's own; not started. Keyword arguments are LYCEUM_… settings."""
    servers: list[LyceumServer] = []

    def make(**settings: str) -> LyceumServer:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        environ = {f"LYCEUM_{name.upper()}": value for name, value in settings.items()}
        servers.append(LyceumServer(folder, environ))
        return servers[-1]

    yield make
    for server in servers:
        await server.__aexit__()


@pytest_asyncio.fixture(scope="session")
async def driver() -> AsyncIterator[Driver]:
    """Real Yjs clients in one Node process."""
    async with Driver() as driver:
        yield driver
