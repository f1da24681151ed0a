"""What a y-websocket client that may only read is told, and what it gets."""

from collections.abc import Callable

from server.domain.roles import Role
from server.sessions.participant import READ_ONLY
from server.sessions.tokens import make_token
from tests.clients.driver import Driver
from tests.support.server import LyceumServer

SECRET = "a secret of at least thirty-two bytes"


async def test_a_reader_is_told_and_goes_on_reading(
    make_server: Callable[..., LyceumServer], driver: Driver
) -> None:
    """It hears once, by type 2, that it may not write; its edits are dropped, all others come."""
    async with make_server(guests="viewer", auth_secret=SECRET) as server:
        token = make_token(SECRET, "teacher", None, {"*": Role.EDITOR}, 3600)
        writer = await driver.join("yws", server.ws, "reading", token=token)
        reader = await driver.join("yws", server.ws, "reading")
        await reader.wait_event("permissionDenied", reason=READ_ONLY)
        await reader.insert("mine ")
        await writer.insert("yours")
        await reader.wait_text(contains="yours")
        assert await writer.text() == "yours"
        assert (await driver.fresh_text(server.ws, "reading")).text == "yours"
        assert (await reader.info())["sockets_opened"] == 1
        assert [event["event"] for event in await reader.events()].count("permissionDenied") == 1
        assert "permissionDenied" not in [event["event"] for event in await writer.events()]
        await writer.destroy()
        await reader.destroy()
