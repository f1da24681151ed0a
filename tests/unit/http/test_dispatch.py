"""An application that is made when it is first asked for."""

import asyncio
import threading

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from server.http.dispatch import Later


def client(app: Later) -> AsyncClient:
    """Asks it."""
    return AsyncClient(transport=ASGITransport(app), base_url="http://lyceum")


async def test_made_once_for_all_who_wait() -> None:
    """Requests that come while it is made wait for it, and those that come later find it."""
    made = 0
    go_on = threading.Event()

    def make() -> ASGIApp:
        nonlocal made
        made += 1
        go_on.wait()
        return PlainTextResponse("here")

    async with client(Later(make)) as asking:
        first, second = (asyncio.create_task(asking.get("/")) for _ in range(2))
        await asyncio.sleep(0)
        go_on.set()
        assert [(await task).text for task in (first, second)] == ["here", "here"]
        assert (await asking.get("/")).text == "here"
    assert made == 1


async def test_one_who_leaves_does_not_hinder_the_others() -> None:
    """A request that is broken off while it is made leaves the others waiting for it."""
    go_on = threading.Event()

    def make() -> ASGIApp:
        go_on.wait()
        return PlainTextResponse("here")

    async with client(Later(make)) as asking:
        leaving, staying = (asyncio.create_task(asking.get("/")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        go_on.set()
        assert (await staying).text == "here"


async def test_made_again_after_a_failure() -> None:
    """One that could not be made is tried again by the next request."""
    outcomes = iter([OSError("too many open files"), PlainTextResponse("here")])

    def make() -> ASGIApp:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with client(Later(make)) as asking:
        with pytest.raises(OSError, match="too many"):
            await asking.get("/")
        assert (await asking.get("/")).text == "here"
