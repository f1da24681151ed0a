"""Two servers on one database, without any bus between them: one document through both at once."""

import asyncio
from collections.abc import Callable

import pytest

from server.persistence.types import Connection
from tests.chaos.stored import check_lines, stored
from tests.chaos.typists import KINDS, Typists, open_client
from tests.chaos.victims import COMPACT_ALWAYS, Victim
from tests.clients.driver import Driver
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

IN_TRANSACTION = b"Z\x00\x00\x00\x05T"  # Postgres: ready for the transaction's next statement
GONE = 75.0  # seconds: a client whose goodbye was lost counts as there for a minute
HOLDS_A_SESSION = (
    "lyceum_connections",
    "lyceum_participants",
    "lyceum_outbox_bytes",
    "lyceum_journal_queue_bytes",
    "lyceum_throttled_total",
)
EVERYBODY = [(kind, "lesson") for kind in KINDS]


@pytest.mark.parametrize(
    ("compacting", "history"),
    [(False, "86400"), (True, "86400"), (True, "0")],
    ids=["", "compacting", "compacting-without-history"],
)
async def test_one_document_through_both(
    make_victim: Callable[..., Victim],
    driver: Driver,
    database_url: str,
    compacting: bool,
    history: str,
) -> None:
    """The journal has no gap, each edit is there once, and a newcomer on either sees them all."""
    servers = [make_victim(linger_seconds="0", history_seconds=history) for _ in range(2)]
    for server in servers:
        server.constants = COMPACT_ALWAYS if compacting else {}
        await server.start()
    groups = [await Typists.start(driver, server.ws, EVERYBODY) for server in servers]
    await asyncio.gather(*(group.until_acknowledged(400) for group in groups))
    if compacting:
        for server in servers:
            await eventually(lambda server=server: has_compacted(server), 15, "a compaction")
    await asyncio.gather(*(group.stop() for group in groups))
    for group in groups:
        await group.until_all_acknowledged()
    typed = {one.name: (await one.lines()).sent for group in groups for one in group.clients}
    await asyncio.gather(*(group.end() for group in groups))
    for server in servers:
        await eventually(lambda server=server: is_empty(server), GONE, "the session's end")

    document = await stored(database_url, "lesson")
    if history != "0":
        document.check_written_once()
    for server in servers:
        fresh = await driver.fresh_text(server.ws, "lesson")
        assert fresh.text == document.text
    for author, lines in typed.items():
        assert check_lines(document.text, author, lines) == len(lines)
        assert not server.logs("session failed")


async def test_edits_cross_with_every_commit(
    make_victim: Callable[..., Victim], driver: Driver
) -> None:
    """When a server commits, its clients get all that was committed through the other before."""
    servers = [make_victim(), make_victim()]
    await asyncio.gather(*(server.start() for server in servers))
    groups = [await Typists.start(driver, server.ws, EVERYBODY) for server in servers]
    await asyncio.gather(*(group.until_acknowledged(100) for group in groups))
    await asyncio.gather(*(group.stop() for group in groups))
    for number in range(20):
        here, there = groups[number % 2], groups[1 - number % 2]
        await here.clients[number % 3].insert(f"from here {number}\n")
        await here.until_all_acknowledged()
        await there.clients[number % 3].insert(f"from there {number}\n")
        await asyncio.gather(
            *(client.wait_text(contains=f"from here {number}\n") for client in there.clients)
        )
    last = groups[0].clients[0]
    await last.insert("the last word\n")
    await groups[0].until_all_acknowledged()
    await groups[1].clients[0].insert("no, mine\n")
    await groups[1].until_all_acknowledged()
    for line in [line for one in groups[0].clients for line in (await one.lines()).sent]:
        await groups[1].clients[3].wait_text(contains=f"{line}\n")


async def has_compacted(server: Victim) -> bool:
    """Whether a server has written a snapshot."""
    return await server.metric("lyceum_compactions_total") > 0


async def is_empty(server: Victim) -> bool:
    """Whether no session is open; if one is, what may hold it is told as an error."""
    if await server.metric("lyceum_sessions_open") == 0:
        return True
    held = {name: await server.metric(name) for name in HOLDS_A_SESSION}
    logged = [entry for entry in server.logs() if entry["level"] not in ("debug", "info")]
    raise AssertionError(f"{held}, {logged[-5:]}")


async def test_what_is_written_while_catching_up(
    make_victim: Callable[..., Victim], driver: Driver, proxy: Proxy, connection: Connection
) -> None:
    """A server that is told of more rows while it reads some reads those as well."""
    here, there = make_victim(), make_victim()
    await asyncio.gather(here.start(), there.start())
    ours = await open_client(driver, "hp4", here.ws, "lesson")
    theirs = await open_client(driver, "hp4", there.ws, "lesson")
    document = await connection.fetchval("select id from documents where name = 'lesson'")
    after_the_first = b"".join(
        (8).to_bytes(4) + value.to_bytes(8) for value in (document, 0)
    )  # the arguments of the statement that reads the journal
    reading = proxy.hold_answer(after_the_first, until=IN_TRANSACTION)
    for client, line in ((theirs, "one\n"), (ours, "two\n")):
        await client.insert(line)
        await client.wait_unsynced_zero()
    await reading.sprung()
    for client, line in ((theirs, "three\n"), (ours, "four\n")):
        await client.insert(line)
        await client.wait_unsynced_zero()
    reading.release()
    for line in ("one\n", "three\n"):
        await ours.wait_text(contains=line)
    await asyncio.gather(ours.destroy(), theirs.destroy())
