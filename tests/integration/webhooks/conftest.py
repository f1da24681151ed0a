"""Receivers for tests of webhooks."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.receiver import Receiver


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that takes everything unless told otherwise."""
    async with Receiver() as receiver:
        yield receiver
