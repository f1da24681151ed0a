"""What holds when nothing happens for long; all of it is waited for at the same time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack

import pytest_asyncio

from server.domain.roles import Role
from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.clients.accounts import token
from tests.integration.clients.kinds import KINDS, one_of_each
from tests.integration.clients.raw import raw_client
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

EXPIRY = 45.0  # seconds within which a state that is not renewed is gone; it may stay for 30
LONG = 36_000  # milliseconds: clients give up after 30 s of silence, and look every 3 s


async def silent_states_expire(server: LyceumServer, driver: Driver) -> None:
    """Two bare clients announce themselves once, on sockets that stay open."""
    async with AsyncExitStack() as stack:
        raws = [
            await stack.enter_async_context(raw_client(server, "silent", hocuspocus))
            for hocuspocus in (False, True)
        ]
        for number, raw in enumerate(raws, start=1):
            await raw.announce(number, 1, '{"name":"silent"}')
        live = await driver.join("hp4", server.ws, "silent", state={"name": "live"})
        late = await driver.join("yws", server.ws, "silent")
        await late.wait_awareness(ids=[1, 2, live.client_id])
        await asyncio.gather(*(asyncio.wait_for(raw.wait_gone(1, 2), EXPIRY) for raw in raws))
        for client in (live, late):
            await client.wait_awareness(absent={"name": "silent"})
        for raw in raws:
            present = await raw.present()
            assert live.client_id in present
            assert present.isdisjoint({1, 2})
        await raws[0].announce(1, 2, '{"name":"back"}')
        for client in (live, late):
            await client.wait_awareness(match={"name": "back"})


async def heard_until(client: Client, milliseconds: int) -> None:
    """Until a traced client heard something that late in its life."""

    async def heard() -> bool:
        return any(frame.at > milliseconds for frame in await client.frames("in"))

    await eventually(heard, 60, f"a message to {client}")


async def idle_clients_stay(server: LyceumServer, driver: Driver) -> None:
    """Clients without presence, and one with two quiet documents on its socket."""
    quiet = await one_of_each(driver, server.ws, "quiet", trace=True)
    for client in quiet:
        await client.set_awareness(None)
    shared = [
        await driver.join("hp4", server.ws, f"quiet {number}", socket="quiet", trace=True)
        for number in range(2)
    ]
    for client in shared:
        await client.set_awareness(None)
    await asyncio.gather(*(heard_until(client, LONG) for client in quiet))
    for client in [*quiet, *shared]:
        assert (await client.info())["sockets_opened"] == 1
        assert not [event for event in await client.events() if event["event"] == "exception"]
        await client.insert("still here")
    await driver.wait_converged(*quiet)


async def refused_clients_are_patient(guarded: LyceumServer, driver: Driver) -> None:
    """Wrong tokens and names, one of each kind, while another client stays for long."""
    good = token("patience", Role.EDITOR)
    clock = await driver.join("yws", guarded.ws, "patience", token=good, trace=True)
    refused = [
        await driver.open(kind, guarded.ws, session, token=bad)
        for kind in KINDS
        for session, bad in (("patience", "rubbish"), ("x" * 256, good))
    ]
    await heard_until(clock, LONG)
    for client in refused:
        info = await client.info()
        # Hocuspocus providers look for a sign of life every 30 s, and connect anew without one.
        assert info["sockets_opened"] <= (1 if client.kind == "yws" else 2), client
        assert not info["synced"]


Checks = dict[str, asyncio.Task[None]]


@pytest_asyncio.fixture(scope="module")
async def checks(
    server: LyceumServer, guarded: LyceumServer, driver: Driver
) -> AsyncIterator[Checks]:
    """All of this module, already running."""
    wanted: dict[str, Coroutine[None, None, None]] = {
        "expire": silent_states_expire(server, driver),
        "idle": idle_clients_stay(server, driver),
        "refused": refused_clients_are_patient(guarded, driver),
    }
    running = {name: asyncio.create_task(check) for name, check in wanted.items()}
    yield running
    for task in running.values():
        task.cancel()
    await asyncio.gather(*running.values(), return_exceptions=True)


async def test_presence_that_is_not_renewed_expires(checks: Checks) -> None:
    """Who falls silent on an open socket is gone after 30 s, and is back with its next word."""
    await checks["expire"]


async def test_idle_clients_stay_connected(checks: Checks) -> None:
    """A client that says nothing hears enough from the server not to give it up."""
    await checks["idle"]


async def test_refused_clients_do_not_hammer_the_server(checks: Checks) -> None:
    """Who was refused for good does not come back again and again."""
    await checks["refused"]
