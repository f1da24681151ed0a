"""Many clients of all kinds type at the same time, over connections that fail."""

import asyncio
import os
import random

from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.clients.kinds import KINDS, fresh_digests
from tests.support.server import LyceumServer

CLIENTS = 10
STEPS = 60
QUICK = {"delay": 100, "minDelay": 50, "maxDelay": 300, "jitter": True}


async def test_ten_clients_converge(server: LyceumServer, driver: Driver) -> None:
    """After random edits, pauses, disconnects, cuts and offline work all hold the same.

    LYCEUM_TEST_SEED replays a run.
    """
    seed = int(os.environ.get("LYCEUM_TEST_SEED", random.randrange(2**31)))
    print(f"LYCEUM_TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    session = f"typing {seed}"
    clients = await asyncio.gather(
        *(
            driver.join(
                KINDS[number % len(KINDS)],
                server.ws,
                session,
                options={"maxBackoffTime": 300} if number % len(KINDS) == 0 else {},
                socket_options=QUICK if number % len(KINDS) else {},
            )
            for number in range(CLIENTS)
        )
    )
    done = await asyncio.gather(
        *(
            client.typist(
                seed=seed + number, steps=STEPS, pause=(0.0, 0.05), offline=0.04, cut=0.04
            )
            for number, client in enumerate(clients)
        )
    )
    assert sum(counts["insertions"] + counts["deletions"] for counts in done) == CLIENTS * STEPS
    assert sum(counts["offline"] for counts in done) > 0
    assert sum(counts["cuts"] for counts in done) > 0

    digest = await driver.wait_converged(*clients, timeout=20)
    await asyncio.gather(*(client.wait_settled() for client in clients if client.kind != "yws"))
    await assert_equal(clients)
    assert await fresh_digests(driver, server.ws, session) == {digest}
    fresh = await driver.fresh_text(server.ws, session)
    assert fresh.text == await clients[0].text()
    assert fresh.state_vector == await clients[0].state_vector()


async def assert_equal(clients: list[Client]) -> None:
    """Text and state vector are the same everywhere, and nothing waits for what never comes."""
    texts = await asyncio.gather(*(client.text() for client in clients))
    vectors = await asyncio.gather(*(client.state_vector() for client in clients))
    pending = await asyncio.gather(*(client.has_pending() for client in clients))
    assert texts == [texts[0]] * len(clients)
    assert vectors == [vectors[0]] * len(clients)
    assert not any(pending)


async def test_work_done_offline_by_everybody_is_merged(
    server: LyceumServer, driver: Driver
) -> None:
    """Everybody goes offline, edits one text, and comes back to all that the others wrote."""
    clients = await asyncio.gather(*(driver.join(kind, server.ws, "offline") for kind in KINDS))
    await clients[0].insert("begin end")
    await driver.wait_converged(*clients)
    await asyncio.gather(*(client.disconnect() for client in clients))
    for client in clients:
        await client.insert(f"<{client.kind}>", 6)
        await client.delete(0, 1)
    await asyncio.gather(*(client.connect() for client in clients))
    digest = await driver.wait_converged(*clients)
    text = await clients[0].text()
    assert all(f"<{kind}>" in text for kind in KINDS)
    assert text.startswith("egin <")
    assert await fresh_digests(driver, server.ws, "offline") == {digest}


async def test_a_client_that_wrote_before_it_ever_joined(
    server: LyceumServer, driver: Driver
) -> None:
    """What was written before the first connection arrives with it."""
    for kind in KINDS:
        client = await driver.open(kind, server.ws, f"before {kind}", connect=False)
        await client.insert("written at home")
        await client.connect()
        other = await driver.open("hp4", server.ws, f"before {kind}")
        await other.wait_text(equals="written at home")


async def test_the_first_messages_may_outrun_the_token(
    server: LyceumServer, driver: Driver
) -> None:
    """An edit made while the connection comes up is neither lost nor doubled."""
    for kind in KINDS:
        client = await driver.open(kind, server.ws, f"early {kind}")
        await client.insert("early")
        other = await driver.open("yws", server.ws, f"early {kind}")
        await other.wait_text(equals="early")
