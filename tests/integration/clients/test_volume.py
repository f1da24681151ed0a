"""Much of everything: a large paste, a long history, a thousand documents."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.driver import Driver, Kind
from tests.integration.clients.histories import history
from tests.integration.clients.kinds import KINDS, fresh_digests, one_of_each
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

DOCUMENTS = 1_000
AT_ONCE = 50
HISTORY_SEED = 20
EDITS = 6_000
TURN = 250


@pytest_asyncio.fixture(scope="module")
async def forgetful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LyceumServer]:
    """A server that lets sessions go as soon as nobody is in them."""
    environ = {"LYCEUM_LINGER_SECONDS": "0"}
    async with LyceumServer(tmp_path_factory.mktemp("forgetful"), environ) as server:
        yield server


async def all_let_go(server: LyceumServer) -> None:
    """Until the server holds no session in memory."""

    async def none_open() -> bool:
        return await server.metric("lyceum_sessions_open") == 0

    await eventually(none_open, 30, "that all sessions are let go")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_paste_of_five_megabytes(
    forgetful: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """One edit of 5 MB reaches all, is acknowledged, and is what newcomers load from the disk."""
    session = f"paste {kind}"
    clients = await one_of_each(driver, forgetful.ws, session)
    author = next(client for client in clients if client.kind == kind)
    await author.insert("before ")
    await author.paste(5_000_000)
    await author.insert(" after")
    await asyncio.gather(*(client.wait_text(length=5_000_013, timeout=20) for client in clients))
    if kind != "yws":
        await author.wait_settled(20)
    digest = await driver.wait_converged(*clients)
    await asyncio.gather(*(client.destroy() for client in clients))
    await all_let_go(forgetful)
    fresh = await driver.fresh_text(forgetful.ws, session, kind=kind, timeout=20)
    assert fresh.digest == digest
    assert (fresh.text[:7], len(fresh.text), fresh.text[-6:]) == ("before ", 5_000_013, " after")


async def test_a_long_history(forgetful: LyceumServer, driver: Driver) -> None:
    """Thousands of edits and deletions of several authors, update by update through all kinds."""
    updates, text = await asyncio.to_thread(history, HISTORY_SEED, EDITS)
    assert len(updates) == EDITS
    clients = await one_of_each(driver, forgetful.ws, "history")
    for start in range(0, EDITS, TURN):
        # A Yjs client does not send on what it could not integrate at once: so all take turns.
        author = clients[start // TURN % len(clients)]
        await asyncio.gather(*(author.apply_update(one) for one in updates[start : start + TURN]))
        digest = await driver.wait_converged(*clients)
    await asyncio.gather(*(client.wait_settled(20) for client in clients if client.kind != "yws"))
    for client in clients:
        assert await client.text() == text
        assert not await client.has_pending()
    assert await fresh_digests(driver, forgetful.ws, "history") == {digest}
    await asyncio.gather(*(client.destroy() for client in clients))
    await all_let_go(forgetful)
    assert await fresh_digests(driver, forgetful.ws, "history") == {digest}
    assert (await driver.fresh_text(forgetful.ws, "history")).text == text


async def test_a_thousand_documents(forgetful: LyceumServer, driver: Driver) -> None:
    """Opened, written and closed by all kinds of clients, each is found again as it was."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def write(number: int) -> None:
        kind = KINDS[number % len(KINDS)]
        async with slots:
            key = None if kind == "yws" else f"{kind} {number % 40}"
            client = await driver.join(
                kind, forgetful.ws, f"document {number}", timeout=30, socket=key
            )
            await client.insert(f"this is number {number}")
            if kind != "yws":
                await client.wait_settled(30)
            await client.destroy()

    async def read(number: int) -> str:
        async with slots:
            kind = KINDS[(number + 1) % len(KINDS)]
            fresh = await driver.fresh_text(
                forgetful.ws, f"document {number}", kind=kind, timeout=30
            )
            return fresh.text

    opened = await forgetful.metric("lyceum_sessions_opened_total")
    await asyncio.gather(*(write(number) for number in range(DOCUMENTS)))
    await all_let_go(forgetful)
    found = await asyncio.gather(*(read(number) for number in range(DOCUMENTS)))
    assert found == [f"this is number {number}" for number in range(DOCUMENTS)]
    assert await forgetful.metric("lyceum_sessions_opened_total") - opened >= 2 * DOCUMENTS
    await all_let_go(forgetful)
    assert await forgetful.metric("lyceum_participants") == 0
