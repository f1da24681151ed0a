"""Documents as they are stored: whole at every moment, and compacted without loss."""

import asyncio
import random
from datetime import timedelta

import pytest

from server.errors import DocumentDamaged
from server.ids import DocumentId, Seq, SessionName
from server.persistence import documents
from server.persistence.database import Database
from server.persistence.types import Connection
from tests.support.journal import Writer, create_documents, rows

DAY = timedelta(days=1)
NOTHING = timedelta()
NAME = SessionName("a document – 例")
IN_TRANSACTION = b"Z\x00\x00\x00\x05T"  # ReadyForQuery


async def append(connection: Connection, document_id: DocumentId, count: int) -> None:
    """Rows whose payload is their number."""
    writer = await Writer.register(connection)
    first = await connection.fetchval("select last_seq from documents where id = $1", document_id)
    for seq in range(first + 1, first + 1 + count):
        assert await writer.append((document_id, b"%d" % seq)) == {document_id: seq}


async def document_with_rows(connection: Connection, count: int) -> DocumentId:
    """A new document named NAME."""
    (document_id,) = await create_documents(connection, NAME)
    await append(connection, document_id, count)
    return document_id


async def snapshot(
    connection: Connection, document_id: DocumentId, seq: int, history: timedelta
) -> None:
    """A snapshot whose payload tells what it covers."""
    await documents.save_snapshot(connection, document_id, Seq(seq), b"up to %d" % seq, history)


async def age(connection: Connection, **interval: float) -> None:
    """Let all that is stored become older."""
    for table in ("document_updates", "document_snapshots"):
        await connection.execute(
            f"update {table} set created_at = created_at - $1::interval", timedelta(**interval)
        )


async def snapshots(connection: Connection) -> list[int]:
    """The snapshots that are kept, by what they cover."""
    found = await connection.fetch("select seq from document_snapshots order by seq")
    return [row["seq"] for row in found]


async def seqs(connection: Connection, document_id: DocumentId) -> list[int]:
    """The rows that are kept, by number."""
    return [seq for seq, _ in await rows(connection, document_id)]


async def test_new_document(connection: Connection) -> None:
    """A name that nobody used yet gets a document, empty and always the same."""
    made = await documents.load(connection, NAME)
    assert (made.seq, made.snapshot_seq, made.parts) == (0, 0, [])
    assert await documents.load(connection, NAME) == made
    other = await documents.load(connection, SessionName("another"))
    assert other.document_id != made.document_id


async def test_many_make_one_document(database: Database) -> None:
    """Many that open a new name at once get the same document."""

    async def open_it() -> DocumentId:
        async with database.acquire() as connection:
            return (await documents.load(connection, NAME)).document_id

    assert len(set(await asyncio.gather(*(open_it() for _ in range(8))))) == 1


async def test_rows_without_a_snapshot(connection: Connection) -> None:
    """Without a snapshot a document is its rows, in order."""
    document_id = await document_with_rows(connection, 12)
    stored = await documents.load(connection, NAME)
    assert stored == (document_id, 12, 0, [b"%d" % seq for seq in range(1, 13)])


async def test_newest_snapshot_and_rows_after_it(connection: Connection) -> None:
    """With snapshots a document is the newest one and the rows that it does not cover."""
    document_id = await document_with_rows(connection, 5)
    await snapshot(connection, document_id, 2, DAY)
    await snapshot(connection, document_id, 4, DAY)
    stored = await documents.load(connection, NAME)
    assert stored == (document_id, 5, 4, [b"up to 4", b"5"])
    await snapshot(connection, document_id, 5, DAY)
    assert await documents.load(connection, NAME) == (document_id, 5, 5, [b"up to 5"])


async def test_snapshot_that_comes_late(connection: Connection) -> None:
    """A snapshot older than the newest, from a slower server, changes nothing for readers."""
    document_id = await document_with_rows(connection, 5)
    await snapshot(connection, document_id, 4, NOTHING)
    await snapshot(connection, document_id, 2, NOTHING)
    await snapshot(connection, document_id, 4, NOTHING)
    assert await documents.load(connection, NAME) == (document_id, 5, 4, [b"up to 4", b"5"])


@pytest.mark.parametrize(
    "harm",
    [
        "delete from document_updates where seq = 5",
        "delete from document_updates where seq = 7",
        "delete from document_updates where seq = 10",
        "delete from document_updates",
        "delete from document_snapshots",
        "update documents set last_seq = 11",
        "update documents set last_seq = 9",
        "update documents set last_seq = 3",
        "delete from document_updates where seq > 4; update documents set last_seq = 3",
    ],
)
async def test_missing_rows_are_seen(connection: Connection, harm: str) -> None:
    """A document of which anything is missing is not loaded, so it is never shown with holes."""
    document_id = await document_with_rows(connection, 10)
    await snapshot(connection, document_id, 4, NOTHING)
    assert len((await documents.load(connection, NAME)).parts) == 7
    await connection.execute(harm)
    with pytest.raises(DocumentDamaged, match=f"document {document_id}: .* without gaps"):
        await documents.load(connection, NAME)


async def test_openings_while_it_grows_and_is_compacted(database: Database) -> None:
    """Openings beside a writer and two compactors never miss a row and never fail."""
    async with database.acquire() as connection:
        document_id = await document_with_rows(connection, 1)

    async def grow() -> None:
        async with database.acquire() as connection:
            await append(connection, document_id, 150)

    async def compact(writing: "asyncio.Task[None]") -> None:
        async with database.acquire() as connection:
            while not writing.done():
                stored = await documents.load(connection, NAME)
                await snapshot(connection, document_id, stored.seq, NOTHING)

    async def read(writing: "asyncio.Task[None]") -> None:
        async with database.acquire() as connection:
            while not writing.done():
                stored = await documents.load(connection, NAME)
                tail = [b"%d" % seq for seq in range(stored.snapshot_seq + 1, stored.seq + 1)]
                head = [b"up to %d" % stored.snapshot_seq] if stored.snapshot_seq else []
                assert stored.parts == head + tail

    writing = asyncio.create_task(grow())
    await asyncio.gather(writing, compact(writing), compact(writing), read(writing))
    async with database.acquire() as connection:
        assert (await documents.load(connection, NAME)).seq == 151


async def test_history_is_kept_for_its_time(connection: Connection) -> None:
    """Rows and snapshots stay within the retention; later they end at the newest old snapshot."""
    document_id = await document_with_rows(connection, 4)
    await snapshot(connection, document_id, 2, DAY)
    await age(connection, hours=2)
    await snapshot(connection, document_id, 4, DAY)
    assert await snapshots(connection) == [2, 4]
    assert await seqs(connection, document_id) == [1, 2, 3, 4]

    await age(connection, hours=23)  # snapshot 2 is too old to be needed, 4 is not yet
    await append(connection, document_id, 2)
    await snapshot(connection, document_id, 6, DAY)
    assert await snapshots(connection) == [2, 4, 6]
    assert await seqs(connection, document_id) == [3, 4, 5, 6]

    await age(connection, hours=2)
    await snapshot(connection, document_id, 6, DAY)
    assert await snapshots(connection) == [4, 6]
    assert await seqs(connection, document_id) == [5, 6]


async def test_no_history(connection: Connection) -> None:
    """Without retention only the newest snapshot and the rows after it stay."""
    document_id = await document_with_rows(connection, 6)
    await snapshot(connection, document_id, 3, NOTHING)
    await snapshot(connection, document_id, 5, NOTHING)
    assert await snapshots(connection) == [5]
    assert await seqs(connection, document_id) == [6]


async def test_one_snapshot_an_hour(connection: Connection) -> None:
    """Within the retention the newest snapshot of each hour stays, and all rows."""
    document_id = await document_with_rows(connection, 9)
    kept = []
    for hour in range(3):
        for part in range(3):
            await snapshot(connection, document_id, 3 * hour + part + 1, DAY)
            await connection.execute(
                "update document_snapshots set created_at = date_trunc('hour', now())"
                " - interval '5 hours' + $1::interval where seq = $2",
                timedelta(hours=hour, minutes=20 * part),
                3 * hour + part + 1,
            )
        kept.append(3 * hour + 3)
    await snapshot(connection, document_id, 9, DAY)
    assert await snapshots(connection) == kept
    assert await seqs(connection, document_id) == list(range(1, 10))


async def test_retention_shorter_than_an_hour(connection: Connection) -> None:
    """The snapshot that the kept rows build on stays, though there is a later one in its hour."""
    document_id = await document_with_rows(connection, 4)
    hour = await connection.fetchval("select date_trunc('hour', now())")
    for seq, minutes in ((2, 50), (4, 10)):
        await snapshot(connection, document_id, seq, DAY)
        await connection.execute(
            "update document_snapshots set created_at = $1 where seq = $2",
            hour - timedelta(minutes=minutes),
            seq,
        )
    between = await connection.fetchval("select now() - $1", hour - timedelta(minutes=30))
    await append(connection, document_id, 1)
    await snapshot(connection, document_id, 5, between)
    assert await snapshots(connection) == [2, 4, 5]
    assert await seqs(connection, document_id) == [3, 4, 5]


async def test_other_documents_are_left_alone(connection: Connection) -> None:
    """Compacting one document touches no other."""
    document_id = await document_with_rows(connection, 3)
    (other,) = await create_documents(connection, "another")
    await append(connection, other, 3)
    await snapshot(connection, other, 1, DAY)
    await age(connection, days=2)
    await snapshot(connection, document_id, 3, NOTHING)
    assert await seqs(connection, other) == [1, 2, 3]
    assert await snapshots(connection) == [1, 3]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("minutes", [30, 90, 1440])
async def test_every_moment_within_the_retention(
    connection: Connection, minutes: int, seed: int
) -> None:
    """Whatever is written, compacted and grows old: each state younger than the retention can be
    read back, and the newest always."""
    choice = random.Random(seed)
    document_id = await document_with_rows(connection, 1)
    retention = timedelta(minutes=minutes)
    for _ in range(20):
        await age(connection, minutes=choice.choice([1, 10, minutes / 3, minutes]))
        await append(connection, document_id, choice.randint(1, 3))
        last = (await documents.load(connection, NAME)).seq
        await snapshot(connection, document_id, last, retention)
        kept, known = set(await seqs(connection, document_id)), await snapshots(connection)
        oldest = await connection.fetchval(
            "select min(seq) from document_updates"
            " where document_id = $1 and created_at > now() - $2::interval",
            document_id,
            retention,
        )
        for moment in range(oldest or last, last + 1):
            base = max((seq for seq in known if seq <= moment), default=0)
            assert kept >= set(range(base + 1, moment + 1)), (moment, base, kept)


async def test_updates_after(connection: Connection) -> None:
    """What another server wrote is read from where one stands, in order."""
    document_id = await document_with_rows(connection, 5)
    assert await documents.updates_after(connection, document_id, Seq(5)) == []
    assert await documents.updates_after(connection, document_id, Seq(3)) == [(4, b"4"), (5, b"5")]
    await snapshot(connection, document_id, 4, DAY)
    assert await documents.updates_after(connection, document_id, Seq(3)) == [(4, b"4"), (5, b"5")]


async def test_updates_after_compaction(connection: Connection) -> None:
    """Rows that were compacted away are stood for by the snapshot, under its own number."""
    document_id = await document_with_rows(connection, 5)
    await snapshot(connection, document_id, 4, NOTHING)
    five = (5, b"5")
    assert await documents.updates_after(connection, document_id, Seq(4)) == [five]
    assert await documents.updates_after(connection, document_id, Seq(2)) == [(4, b"up to 4"), five]
    await snapshot(connection, document_id, 5, NOTHING)
    assert await documents.updates_after(connection, document_id, Seq(2)) == [(5, b"up to 5")]
    assert await documents.updates_after(connection, document_id, Seq(5)) == []
    assert await documents.updates_after(connection, DocumentId(999), Seq(0)) == []
