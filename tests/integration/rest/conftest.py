"""A server with small limits, and people who use its API."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.domain.roles import Role
from tests.clients.driver import Driver
from tests.support.api import SECRET, Api
from tests.support.server import LyceumServer


@pytest_asyncio.fixture(scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens and lets guests in, for all tests of this folder."""
    environ = {
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_GUESTS": "editor",
        "LYCEUM_LIMIT_REQUEST_BYTES": "100000",
        "LYCEUM_LIMIT_DOCUMENT_BYTES": "30000",
        "LYCEUM_LIMIT_CHAT_CHARACTERS": "100",
    }
    async with LyceumServer(tmp_path_factory.mktemp("rest"), environ) as server:
        yield server


@pytest.fixture
def teacher(server: LyceumServer) -> Api:
    """A teacher of all sessions."""
    return Api(server, {"*": Role.TEACHER})


@pytest.fixture
def editor(server: LyceumServer) -> Api:
    """Somebody who may edit everywhere."""
    return Api(server, {"*": Role.EDITOR}, "ed", "Ed")


@pytest_asyncio.fixture(scope="module")
async def driver() -> AsyncIterator[Driver]:
    """Real Yjs clients in a Node process that ends with the module, and they with it."""
    async with Driver() as driver:
        yield driver
