"""Who is here, across both dialects."""

import asyncio
from functools import partial

import pytest

from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.integration.clients.kinds import KINDS, one_of_each
from tests.integration.clients.raw import announcement, raw_client
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

SOON = 5.0  # seconds; the reference servers need up to 15 s for what is waited for here


async def present(driver: Driver, server: LyceumServer, session: str) -> list[Client]:
    """A client of each kind that shows its name, and is seen by all others."""
    clients = await one_of_each(driver, server.ws, session)
    for client in clients:
        await client.set_awareness({"user": {"name": f"{client.kind} ü 👋"}, "cursor": 0})
    await asyncio.gather(
        *(client.wait_awareness(match={"cursor": 0}, count=len(KINDS) - 1) for client in clients)
    )
    return clients


async def test_presence_appears_and_moves(server: LyceumServer, driver: Driver) -> None:
    """Each kind sees each other kind's state and its changes, and so does who comes later."""
    clients = await present(driver, server, "presence")
    for position, mover in enumerate(clients, start=1):
        await mover.set_awareness_field("cursor", position)
        moved = {"user": {"name": f"{mover.kind} ü 👋"}, "cursor": position}
        await asyncio.gather(
            *(other.wait_awareness(match=moved) for other in clients if other is not mover)
        )
    for late in await one_of_each(driver, server.ws, "presence"):
        states = await late.wait_awareness(ids=[client.client_id for client in clients])
        assert {client.client_id: states[client.client_id]["cursor"] for client in clients} == {
            client.client_id: position for position, client in enumerate(clients, start=1)
        }


@pytest.mark.parametrize("kind", KINDS)
async def test_leaving_is_seen_at_once(server: LyceumServer, driver: Driver, kind: Kind) -> None:
    """A socket that closes takes its presence along, with a goodbye, a FIN or a RST."""
    session = f"leaving {kind}"
    watchers = await one_of_each(driver, server.ws, session)
    for how in ("destroyed", "disconnected", "cut", "reset"):
        leaver = await driver.join(kind, server.ws, session, state={"how": how})
        await seen(watchers, leaver)
        match how:
            case "destroyed":
                await leaver.destroy()
            case "disconnected":
                await leaver.disconnect()
            case _:
                await leaver.terminate(reset=how == "reset")
                await leaver.disconnect()  # or it would come back
        await asyncio.gather(
            *(watcher.wait_awareness(count=0, timeout=SOON) for watcher in watchers)
        )


async def seen(watchers: list[Client], client: Client) -> None:
    """Until all others see a client's presence."""
    await asyncio.gather(
        *(watcher.wait_awareness(ids=[client.client_id], timeout=SOON) for watcher in watchers)
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_local_state_null_reaches_the_others(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Who hides is gone for all others, and comes back with its next state."""
    session = f"hiding {kind}"
    watchers = await one_of_each(driver, server.ws, session)
    hider = await driver.join(kind, server.ws, session, state={"name": "here"})
    await seen(watchers, hider)
    for _ in range(2):
        await hider.set_awareness(None)
        await asyncio.gather(
            *(watcher.wait_awareness(count=0, timeout=SOON) for watcher in watchers)
        )
        await hider.set_awareness({"name": "back"})
        await seen(watchers, hider)
    assert (await hider.info())["sockets_opened"] == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_quick_return_sees_and_is_seen(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """After a cut, a client and the others see each other as soon as it is back."""
    others = await present(driver, server, f"return {kind}")
    returning = await driver.join(
        kind,
        server.ws,
        f"return {kind}",
        state={"name": "returning"},
        socket_options={} if kind == "yws" else {"delay": 100, "minDelay": 100},
    )
    await asyncio.gather(
        *(other.wait_awareness(match={"name": "returning"}, timeout=SOON) for other in others)
    )
    await returning.wait_awareness(count=len(others))
    for _ in range(3):
        await returning.terminate()
        await returning.disconnect()  # so that all see it gone before it is back
        await asyncio.gather(
            *(other.wait_awareness(absent={"name": "returning"}, timeout=SOON) for other in others)
        )
        await returning.connect()
        await asyncio.gather(
            returning.wait_awareness(ids=[other.client_id for other in others], timeout=SOON),
            *(other.wait_awareness(match={"name": "returning"}, timeout=SOON) for other in others),
        )
        await returning.set_awareness_field("cursor", 1)
        await asyncio.gather(
            *(other.wait_awareness(match={"cursor": 1, "name": "returning"}) for other in others)
        )
        await returning.set_awareness({"name": "returning"})

    before = len(await returning.events())
    await returning.terminate()  # and now it comes back by itself
    await returning.wait_event("socket-close", after=before)
    await returning.wait_event("socket-open", after=before)
    await returning.wait_awareness(ids=[other.client_id for other in others], timeout=SOON)
    await returning.set_awareness_field("cursor", 2)
    await asyncio.gather(
        *(other.wait_awareness(match={"cursor": 2}, timeout=SOON) for other in others)
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_speaks_for_another(server: LyceumServer, driver: Driver, kind: Kind) -> None:
    """What a participant says of another's client id is dropped, whatever clock it claims."""
    session = f"impostor {kind}"
    victim = await driver.join("yws", server.ws, session, state={"name": "victim"})
    watchers = await one_of_each(driver, server.ws, session)
    await seen(watchers, victim)
    impostor = await driver.join(kind, server.ws, session, state={"name": "impostor"})
    await asyncio.gather(
        *(watcher.wait_awareness(match={"name": "impostor"}, count=2) for watcher in watchers)
    )
    prefix = b"" if kind == "yws" else bytes((len(session),)) + session.encode()
    for state in ('{"name":"stolen"}', None):
        for clock in (5, 1_000_000, 2**53 - 1):
            body = announcement(victim.client_id, clock, state)
            await impostor.send_raw(prefix + b"\x01" + bytes((len(body),)) + body)
    await impostor.set_awareness_field("said", True)
    await asyncio.gather(*(watcher.wait_awareness(match={"said": True}) for watcher in watchers))
    for client in [*watchers, victim]:
        known = (await client.awareness())[victim.client_id]
        assert known["state"] == {"name": "victim"}
        assert known["clock"] < 5
    assert (await impostor.info())["sockets_opened"] == 1
    await victim.set_awareness_field("cursor", 7)
    await asyncio.gather(*(watcher.wait_awareness(match={"cursor": 7}) for watcher in watchers))


async def test_queries_are_answered_in_both_dialects(server: LyceumServer, driver: Driver) -> None:
    """«Who is here?» is answered with everybody's state."""
    clients = await present(driver, server, "query")
    expected = {client.client_id for client in clients}
    for hocuspocus in (False, True):
        async with raw_client(server, "query", hocuspocus) as asker:
            assert await asker.present() == expected


async def test_renewals_reach_all_kinds(server: LyceumServer, driver: Driver) -> None:
    """Everybody hears of a state that is only renewed, with the next news at the latest."""
    watchers = await one_of_each(driver, server.ws, "renewals")
    async with raw_client(server, "renewals") as raw:
        await raw.announce(77, 1, '{"name":"raw"}')
        await asyncio.gather(*(watcher.wait_awareness(ids=[77]) for watcher in watchers))
        await raw.announce(77, 2, '{"name":"raw"}')
        await raw.announce(78, 1, '{"name":"news"}')
        for watcher in watchers:
            await eventually(partial(has_heard, watcher, 77, 2), what="the renewal")


async def has_heard(watcher: Client, client: int, clock: int) -> bool:
    """Whether a client knows of another's state with this clock."""
    return bool((await watcher.awareness())[client]["clock"] >= clock)
