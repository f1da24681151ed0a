"""Servers and clients for tests that look at what unmodified clients get."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.driver import Driver
from tests.integration.clients.accounts import SECRET
from tests.support.server import LyceumServer


@pytest_asyncio.fixture(scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server with an embedded database, for all tests of this folder that don't harm it."""
    async with LyceumServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest_asyncio.fixture(scope="package")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens, and lets those without one only look on."""
    environ = {"LYCEUM_AUTH_SECRET": SECRET, "LYCEUM_GUESTS": "viewer"}
    async with LyceumServer(tmp_path_factory.mktemp("guarded"), environ) as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def driver() -> AsyncIterator[Driver]:
    """Real Yjs clients in a Node process that ends with the module, and they with it."""
    async with Driver() as driver:
        yield driver
