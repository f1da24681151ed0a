"""A participant that does not read costs nobody else anything."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.clients.kinds import fresh_digests, one_of_each
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

CHUNK = 1_000_000
CHUNKS = 50  # more than the kernel's buffers take
READERS = 2  # of each kind
OWED = 4 * CHUNK  # bytes that may wait for one of them: the bound of 1 MiB, and what crosses it
SLACK = 200 * 2**20  # bytes: unbounded, nearly CHUNK * CHUNKS would wait for each reader


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise KeyError(pid)


async def rewrite(author: Client, rounds: int) -> None:
    """Paste much and delete it again, so that traffic is large and the document is not."""
    for number in range(rounds):
        mark = f"[{author.name} {number}]"
        await author.batch(
            {"edit": "insert", "text": mark, "index": 0},
            {"edit": "paste", "size": CHUNK, "index": 0},
        )
        await author.delete(0, CHUNK)


async def test_slow_readers_are_caught_up_with(
    make_server: Callable[..., LyceumServer], driver: Driver
) -> None:
    """What they are owed stays bounded and is one diff in the end; all others go on meanwhile."""
    server = make_server()
    await server.start()
    watchers, *groups = await asyncio.gather(
        *(one_of_each(driver, server.ws, "slow") for _ in range(1 + READERS))
    )
    readers = [reader for group in groups for reader in group]
    author = await driver.join("hp4", server.ws, "slow")
    await rewrite(author, 2)
    await driver.wait_converged(author, *readers, *watchers)
    assert await server.metric("lyceum_slow_receivers_collapsed_total") == 0

    for reader in readers:
        await reader.pause()
    before = resident(server.pid)
    most = before
    for _ in range(CHUNKS):
        await rewrite(author, 1)
        await author.wait_settled()
        await driver.wait_converged(author, *watchers)
        most = max(most, resident(server.pid))
    owed = await eventually(lambda: server.metric("lyceum_outbox_bytes"), what="the gauge")
    assert owed < OWED * len(readers)
    assert most - before < SLACK
    assert await server.metric("lyceum_slow_receivers_collapsed_total") >= len(readers)
    for reader in readers:
        await reader.insert("still heard ")
        await author.wait_text(contains="still heard ")
        await author.delete(0, len("still heard "))
    await author.set_awareness({"name": "author"})
    await asyncio.gather(
        *(watcher.wait_awareness(match={"name": "author"}) for watcher in watchers)
    )

    for reader in readers:
        await reader.resume()
    digest = await driver.wait_converged(author, *watchers, *readers, timeout=30)
    await asyncio.gather(
        *(reader.wait_awareness(match={"name": "author"}) for reader in readers),
        *(reader.wait_settled() for reader in readers if reader.kind != "yws"),
    )
    assert await fresh_digests(driver, server.ws, "slow") == {digest}
    for client in [*readers, *watchers, author]:
        assert not await client.has_pending()
        assert (await client.info())["sockets_opened"] == 1
