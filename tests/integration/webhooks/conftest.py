"""Servers and receivers for tests of webhooks."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.domain.roles import Role
from tests.integration.webhooks.api import SECRET, Api
from tests.support.receiver import Receiver
from tests.support.server import LyceumServer


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that takes everything unless told otherwise."""
    async with Receiver() as receiver:
        yield receiver


@pytest_asyncio.fixture(scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that knows tokens, delivers to loopback, and lets sessions go at once."""
    environ = {
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_WEBHOOKS_PRIVATE": "allow",
        "LYCEUM_WEBHOOK_CHANGED_SECONDS": "0.5",
        "LYCEUM_LINGER_SECONDS": "0.1",
    }
    async with LyceumServer(tmp_path_factory.mktemp("hooked"), environ) as server:
        yield server


@pytest.fixture
def teacher(server: LyceumServer) -> Api:
    """A teacher of all sessions."""
    return Api(server, {"*": Role.TEACHER})
