"""Unmodified clients of every kind edit one session together."""

import pytest

from tests.clients.driver import Driver
from tests.support.server import LyceumServer

KINDS = ("yws", "hp2", "hp3", "hp4")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_edit_is_found_again(server: LyceumServer, driver: Driver, kind: str) -> None:
    """What one client typed is there for the next, names and texts beyond ASCII included."""
    session = f"Übung {kind} – 例"
    client = await driver.join(kind, server.ws, session)
    await client.insert("grüße 👋 данные")
    other = await driver.join(kind, server.ws, session)
    await other.wait_text(equals="grüße 👋 данные")
    await client.destroy()
    await other.destroy()
