"""The journal: numbers without gaps in commit order, and each batch exactly once."""

import asyncio
import random
from collections import defaultdict
from uuid import uuid4

import asyncpg
import pytest

from server.ids import DocumentId
from server.persistence import journal
from server.persistence.database import Database
from server.persistence.journal import Append, WriterUnknown
from server.persistence.types import Connection
from tests.support.journal import (
    LOCK_DOCUMENT,
    Writer,
    create_documents,
    rows,
    wait_blocked,
)
from tests.support.proxy import Proxy

LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)
VISIBLE = """
select id, last_seq, (select array_agg(seq order by seq) from document_updates
    where document_id = id) as seqs
from documents
"""


async def test_numbers_of_one_writer(connection: Connection) -> None:
    """Each batch raises the number of the documents in it by one, and of no others."""
    first, second, third = await create_documents(connection, "a", "b", "c")
    writer = await Writer.register(connection)
    assert await writer.append((first, b"1")) == {first: 1}
    assert await writer.append((second, b"2"), (first, b"3")) == {first: 2, second: 1}
    assert await writer.append((first, b"4")) == {first: 3}
    assert await rows(connection, first) == [(1, b"1"), (2, b"3"), (3, b"4")]
    assert await rows(connection, second) == [(1, b"2")]
    assert await rows(connection, third) == []
    last = {row["id"]: row["last_seq"] for row in await connection.fetch(VISIBLE)}
    assert last == {first: 3, second: 1, third: 0}


async def test_many_writers_on_the_same_documents(database: Database) -> None:
    """Whoever writes what in which order: no gap, no deadlock, nothing lost, own order kept.

    A reader sees whole journals at every moment: the rows 1 to last_seq of each document.
    """
    choice = random.Random(7)
    reader = await database.connect()
    ids = await create_documents(reader, *(f"document {number}" for number in range(10)))
    connections = [await database.connect() for _ in range(8)]
    written: dict[DocumentId, dict[int, bytes]] = defaultdict(dict)

    async def write(number: int) -> None:
        writer = await Writer.register(connections[number])
        last: dict[DocumentId, int] = defaultdict(int)
        for turn in range(25):
            some = choice.sample(ids, choice.randint(1, 6))
            seqs = await writer.append(*((some_id, b"%d %d" % (number, turn)) for some_id in some))
            assert seqs is not None
            assert set(seqs) == set(some)
            for document_id, seq in seqs.items():
                assert seq > last[document_id]
                last[document_id] = seq
                assert seq not in written[document_id]
                written[document_id][seq] = b"%d %d" % (number, turn)

    async def read(writers: "asyncio.Future[list[None]]") -> None:
        while not writers.done():
            for row in await reader.fetch(VISIBLE):
                assert (row["seqs"] or []) == list(range(1, row["last_seq"] + 1))

    writers = asyncio.gather(*(write(number) for number in range(len(connections))))
    await asyncio.gather(writers, read(writers))
    for document_id in ids:
        found = await rows(reader, document_id)
        assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
        assert dict(found) == written[document_id]
    for connection in (reader, *connections):
        await connection.close()


async def test_numbers_follow_commits(database: Database) -> None:
    """A document's next number is given out only when the one before it is committed."""
    async with database.acquire() as first, database.acquire() as second:
        (document_id,) = await create_documents(first, "a")
        slow, quick = await Writer.register(first), await Writer.register(second)
        async with first.transaction():
            assert await slow.append((document_id, b"slow")) == {document_id: 1}
            waiting = asyncio.create_task(quick.append((document_id, b"quick")))
            async with database.acquire() as third:
                await wait_blocked(third, 1, waiting)
        assert await waiting == {document_id: 2}


async def test_documents_are_locked_in_order(database: Database) -> None:
    """Whatever the order of a batch, a writer that waits holds only documents of lower ids."""
    async with database.acquire() as holder, database.acquire() as other:
        ids = await create_documents(holder, *"abcdefgh")
        for document_id in reversed(ids):  # so that they lie the other way round on the disk
            await holder.execute("update documents set name = name where id = $1", document_id)
        writer = await Writer.register(other)
        for held in (0, 4, 7):
            async with holder.transaction():
                await holder.execute(LOCK_DOCUMENT, ids[held])
                batch = [(document_id, b"x") for document_id in reversed(ids)]
                waiting = asyncio.create_task(writer.append(*batch))
                async with database.acquire() as looker:
                    await wait_blocked(looker, 1, waiting)
                    free = await looker.fetch(
                        "select id from documents order by id for update skip locked"
                    )
                assert [row["id"] for row in free] == ids[held + 1 :]
            assert len(await waiting or ()) == len(ids)


async def test_repeated_batch_writes_nothing(connection: Connection) -> None:
    """A batch under a number that was committed answers None and leaves the journal alone."""
    (document_id,) = await create_documents(connection, "a")
    writer = await Writer.register(connection)
    again = writer.on(connection)
    assert await writer.append((document_id, b"once")) == {document_id: 1}
    assert await again.append((document_id, b"once")) is None
    assert await rows(connection, document_id) == [(1, b"once")]


async def test_first_try_still_hangs(database: Database) -> None:
    """A batch sent again while its first try hangs in a lost backend is written once."""
    async with database.acquire() as holder, database.acquire() as looker:
        (document_id,) = await create_documents(holder, "a")
        writer = await Writer.register(lost := await database.connect())
        second = writer.on(await database.connect())
        async with holder.transaction():
            await holder.execute(LOCK_DOCUMENT, document_id)
            first_try = asyncio.create_task(writer.append((document_id, b"once")))
            await wait_blocked(looker, 1, first_try)
            lost.terminate()
            with pytest.raises(LOST):
                await first_try
            second_try = asyncio.create_task(second.append((document_id, b"once")))
            await wait_blocked(looker, 2, second_try)
        assert await second_try is None
        assert await rows(looker, document_id) == [(1, b"once")]
        second.connection.terminate()


async def test_first_try_dies_while_the_second_waits(database: Database) -> None:
    """If the first try is rolled back in the end, the second one writes."""
    async with database.acquire() as holder, database.acquire() as looker:
        (document_id,) = await create_documents(holder, "a")
        writer = await Writer.register(await database.connect())
        second = writer.on(await database.connect())
        async with holder.transaction():
            await holder.execute(LOCK_DOCUMENT, document_id)
            first_try = asyncio.create_task(writer.append((document_id, b"once")))
            (backend,) = await wait_blocked(looker, 1, first_try)
            second_try = asyncio.create_task(second.append((document_id, b"once")))
            await wait_blocked(looker, 2, second_try)
            await looker.execute("select pg_terminate_backend($1)", backend)
            with pytest.raises(LOST):
                await first_try
        assert await second_try == {document_id: 1}
        assert await rows(looker, document_id) == [(1, b"once")]
        second.connection.terminate()


async def test_result_lost_after_commit(database_url: str, connection: Connection) -> None:
    """The answer was cut off behind COMMIT: the repetition learns that all is written."""
    (document_id,) = await create_documents(connection, "a")
    async with Proxy.before_database(database_url) as proxy:
        writer = await Writer.register(await asyncpg.connect(proxy.url))
        again = writer.on(await asyncpg.connect(proxy.url))
        trap = proxy.lose_answer(b"once and only once")
        with pytest.raises(LOST):
            await writer.append((document_id, b"once and only once"))
        assert trap.is_sprung
        assert await rows(connection, document_id) == [(1, b"once and only once")]
        assert await again.append((document_id, b"once and only once")) is None
        assert await again.append((document_id, b"next")) == {document_id: 2}
        again.connection.terminate()


async def test_request_lost_before_commit(database_url: str, connection: Connection) -> None:
    """The request was cut off on its way: the repetition writes it."""
    (document_id,) = await create_documents(connection, "a")
    async with Proxy.before_database(database_url) as proxy:
        writer = await Writer.register(await asyncpg.connect(proxy.url))
        again = writer.on(connection)
        proxy.cut_request(b"once and only once")
        with pytest.raises(LOST):
            await writer.append((document_id, b"once and only once"))
        assert await again.append((document_id, b"once and only once")) == {document_id: 1}


@pytest.mark.parametrize("number", [1, 2, 5, 2**40])
async def test_wrong_number(connection: Connection, number: int) -> None:
    """A batch that is neither the next one nor the last one is refused and not written."""
    (document_id,) = await create_documents(connection, "a")
    writer = await Writer.register(connection)
    batches = [await writer.append((document_id, b"x")) for _ in range(3)]
    assert batches == [{document_id: 1}, {document_id: 2}, {document_id: 3}]
    with pytest.raises(WriterUnknown):
        await journal.append(connection, writer.id, number, [Append(document_id, b"wrong")])
    assert b"wrong" not in dict(await rows(connection, document_id)).values()


async def test_unknown_writer(connection: Connection) -> None:
    """Who never registered, or registered in a database that was lost since, writes nothing."""
    (document_id,) = await create_documents(connection, "a")
    for number in (1, 2):
        with pytest.raises(WriterUnknown):
            await journal.append(connection, uuid4(), number, [Append(document_id, b"x")])
    assert await rows(connection, document_id) == []


async def test_old_writers_are_forgotten(connection: Connection) -> None:
    """A writer silent for a month is forgotten when another one registers; others are not."""
    (document_id,) = await create_documents(connection, "a")
    gone, silent = [await Writer.register(connection) for _ in range(2)]
    for writer, days in ((gone, 31), (silent, 29)):
        assert await writer.append((document_id, b"x"))
        await connection.execute(
            "update journal_writers set last_commit_at = now() - $2 * interval '1 day'"
            " where id = $1",
            writer.id,
            days,
        )
    await Writer.register(connection)
    assert await silent.append((document_id, b"still known")) == {document_id: 3}
    with pytest.raises(WriterUnknown):
        await gone.append((document_id, b"forgotten"))


async def test_deleted_document(connection: Connection) -> None:
    """A document that was deleted is missing from the answer; the others are written."""
    gone, kept = await create_documents(connection, "gone", "kept")
    writer = await Writer.register(connection)
    assert await writer.append((gone, b"x"))
    await connection.execute("delete from documents where id = $1", gone)
    assert await writer.append((gone, b"y"), (kept, b"y")) == {kept: 1}
    assert await writer.append((gone, b"z")) == {}
    assert await rows(connection, gone) == []


async def test_refused_batch_leaves_no_trace(connection: Connection) -> None:
    """One row that Postgres refuses takes its whole batch with it, and the number stays free."""
    await connection.execute(
        "alter table document_updates"
        " add constraint no_poison check (payload <> 'poison') not valid"
    )
    first, second = await create_documents(connection, "a", "b")
    writer = await Writer.register(connection)
    again = writer.on(connection)
    with pytest.raises(asyncpg.CheckViolationError):
        await writer.append((first, b"good"), (second, b"poison"))
    assert await rows(connection, first) == []
    assert await again.append((first, b"good")) == {first: 1}
