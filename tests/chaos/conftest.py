"""What the tests under attack share: a database of their own behind a proxy, and servers on it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.typists import Typists
from tests.chaos.victims import Victim
from tests.support.postgres import PostgresInstance
from tests.support.proxy import Proxy


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresInstance]:
    """Debian's Postgres only: where a server has an embedded one here, that is the bundled one."""
    instance = await PostgresInstance.start(tmp_path_factory.mktemp("attacked"), "debian")
    yield instance
    await instance.server.stop()


@pytest_asyncio.fixture(autouse=True)
async def no_typists_left() -> AsyncIterator[None]:
    """A test that failed leaves nobody typing behind."""
    yield
    for typists in list(Typists.left):
        await typists.end()


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the test's own database."""
    async with Proxy.before_database(database_url) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def make_victim(
    tmp_path: Path, database_url: str, proxy: Proxy
) -> AsyncIterator[Callable[..., Victim]]:
    """Makes servers on that database, behind the proxy; not started."""
    victims: list[Victim] = []

    def make(**settings: str) -> Victim:
        folder = tmp_path / f"victim-{len(victims)}"
        folder.mkdir()
        environ = {"LYCEUM_DATABASE_URL": proxy.url, "LYCEUM_GUESTS": "editor"}
        environ |= {f"LYCEUM_{name.upper()}": value for name, value in settings.items()}
        victims.append(Victim(folder, environ))
        return victims[-1]

    yield make
    for victim in victims:
        if victim._process is not None:
            await victim.kill()


@pytest_asyncio.fixture
async def victim(make_victim: Callable[..., Victim]) -> Victim:
    """A server behind the proxy; not started."""
    return make_victim()
