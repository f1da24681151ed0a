"""What clients are told about saving: exactly once for each update, never before COMMIT."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from server.persistence.embedded import EmbeddedPostgres
from server.protocol.lib0 import Reader
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.integration.clients.kinds import HOCUSPOCUS, one_of_each
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

SYNC, SYNC_STATUS = 0, 8
STEP2, UPDATE = 1, 2


@asynccontextmanager
async def held_commits(server: LyceumServer, session: str) -> AsyncIterator[asyncpg.Connection]:
    """Nothing of a session can be committed meanwhile; gives a connection that looks on."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    holder, onlooker = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with holder.transaction():
            locked = await holder.fetchval(
                "select id from documents where name = $1 for update", session
            )
            assert locked is not None
            yield onlooker
    finally:
        await holder.close()
        await onlooker.close()


async def waits_for_commit(onlooker: asyncpg.Connection) -> bool:
    """Whether a statement that writes documents waits for a lock."""
    return bool(
        await onlooker.fetchval(
            "select exists (select from pg_stat_activity"
            " where wait_event_type = 'Lock' and query like '%document_updates%')"
        )
    )


async def counts(client: Client) -> tuple[int, list[int]]:
    """How many step2 and update frames a traced client sent, and each SyncStatus it got."""
    carried, statuses = 0, []
    for frame in await client.frames():
        reader = Reader(frame.data)
        reader.varstring()
        kind = reader.varuint()
        if frame.direction == "out" and kind == SYNC and reader.varuint() in (STEP2, UPDATE):
            carried += 1
        if frame.direction == "in" and kind == SYNC_STATUS:
            statuses.append(reader.varuint())
    return carried, statuses


async def round_trip(client: Client) -> None:
    """Until the server has answered something sent now, and hence sent all it had to before."""
    asked = len(await client.frames("in"))
    await client.force_sync()

    async def answered() -> bool:
        kinds = [frame.data for frame in (await client.frames("in"))[asked:]]
        address = len(client.session.encode()) + 1
        return any(data[address : address + 2] == bytes((SYNC, STEP2)) for data in kinds)

    await eventually(answered, what="the answer to step 1")


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_no_acknowledgement_before_commit(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """While COMMIT is held up the others see the edit, and its author counts it as unsaved."""
    session = f"held {kind}"
    peers = await one_of_each(driver, server.ws, session)
    author = await driver.join(kind, server.ws, session, trace=True)
    await author.insert("saved ")
    await author.wait_settled()
    await author.wait_unsynced_zero()
    carried, statuses = await counts(author)
    assert statuses == [1] * carried

    async with held_commits(server, session) as onlooker:
        await author.insert("not yet saved")
        await asyncio.gather(*(peer.wait_text(equals="saved not yet saved") for peer in peers))
        await eventually(lambda: waits_for_commit(onlooker), what="the commit")
        await author.insert("!")
        await asyncio.gather(*(peer.wait_text(equals="saved not yet saved!") for peer in peers))
        assert await author.has_unsynced_changes()
        await round_trip(author)
        assert (await counts(author))[1] == statuses
        assert await waits_for_commit(onlooker)
        stored = await onlooker.fetchval(
            "select count(*) from document_updates join documents on documents.id = document_id"
            " where name = $1 and payload like '%not yet saved%'",
            session,
        )
        assert stored == 0
    await author.wait_settled()
    carried, statuses = await counts(author)
    assert statuses == [1] * carried


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_one_acknowledgement_for_each_update(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """Alone or in a burst, new or known, with others writing at the same time: exactly one each."""
    session = f"one each {kind}"
    others = await one_of_each(driver, server.ws, session)
    client = await driver.join(kind, server.ws, session, trace=True)
    await client.wait_unsynced_zero()
    typing = [other.type_lines(other.name, 60, burst=5) for other in others]
    await asyncio.gather(client.type_lines("mine", 200, burst=20), *typing)
    for size in (1, 10_000, 300_000):
        await client.paste(size)
    await client.wait_settled()
    await client.wait_unsynced_zero()
    await round_trip(client)
    await client.wait_settled()
    carried, statuses = await counts(client)
    assert carried >= 204
    assert statuses == [1] * carried
    assert await client.unsynced() == 0
    lines = await client.lines()
    assert lines.acked == lines.sent


@pytest.mark.parametrize("kind", HOCUSPOCUS)
async def test_work_done_offline_is_acknowledged(
    server: LyceumServer, driver: Driver, kind: Kind
) -> None:
    """After a reconnection each frame gets its answer, and what was typed offline is saved."""
    session = f"offline {kind}"
    client = await driver.join(
        kind, server.ws, session, socket_options={"delay": 100, "minDelay": 100}
    )
    for round in range(3):
        await client.disconnect()
        await client.type_lines(f"offline-{round}", 5, ack_timeout=0)
        await client.connect()
        await client.wait_settled()
        await client.terminate()
        await client.type_lines(f"cut-{round}", 5, ack_timeout=0)
        await client.wait_settled()
    lines = await client.lines()
    assert len(lines.sent) == 30
    assert lines.acked == lines.sent
    fresh = await driver.fresh_text(server.ws, session, kind="yws")
    assert fresh.text == "".join(f"{line}\n" for line in lines.sent)
