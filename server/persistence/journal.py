"""The journal: appends batches of updates exactly once, numbered per document in commit order.

A batch has a number, 1, 2, 3, … per writer, and the same statement that writes it raises the
writer's `last_batch` from the number before. So a batch whose outcome is unknown is simply sent
again: if it had been committed, or still is in some backend we lost, one of the two finds
`last_batch` raised already and writes nothing.

Rows of `documents` are locked in the order of their ids and kept until COMMIT. Hence sequence
numbers have no gaps and follow commit order, whoever else writes, and no two writers deadlock.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from server.ids import DocumentId, Seq
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection


class Append(NamedTuple):
    """One document's part of a batch: an update to be written as one row."""

    document_id: DocumentId
    payload: bytes


class WriterUnknown(Exception):
    """The database does not know this writer, or not this far; it must register again."""


REGISTER = "insert into journal_writers (id) values ($1)"

FORGET_OLD_WRITERS = """
delete from journal_writers
where last_commit_at < now() - interval '30 days'
"""


async def register(connection: Connection, writer: UUID) -> None:
    """Make a writer known, whose first batch has the number 1."""
    await connection.execute(REGISTER, writer)
    await connection.execute(FORGET_OLD_WRITERS)


APPEND = Query(
    "journal.append",
    Kind.WRITE,
    """
with fence as (
    update journal_writers
    set last_batch = $2::bigint, last_commit_at = now()
    where id = $1 and last_batch = $2::bigint - 1
    returning id
),
batch as (
    select document_id, payload
    from unnest($3::bigint[], $4::bytea[]) as batch (document_id, payload)
    where exists (select from fence)
),
locked as materialized (
    select id, last_seq
    from documents
    where id in (select document_id from batch)
    order by id
    for no key update
),
numbered as (
    update documents
    set last_seq = locked.last_seq + 1
    from locked
    where documents.id = locked.id
),
written as (
    insert into document_updates (document_id, seq, payload)
    select locked.id, locked.last_seq + 1, batch.payload
    from locked
    join batch on batch.document_id = locked.id
    returning document_id, seq
)
select null::bigint as document_id, null::bigint as seq from fence
union all
select document_id, seq from written
""",
)

LAST_BATCH = "select last_batch from journal_writers where id = $1"


async def append(
    connection: Connection, writer: UUID, number: int, batch: Sequence[Append]
) -> dict[DocumentId, Seq] | None:
    """Commit a batch, at most one update a document, unless that has happened already.

    Returns the sequence number of each document written; those that are missing do not exist any
    more. Returns None if this batch was committed before. Raises WriterUnknown.
    """
    ids = [entry.document_id for entry in batch]
    payloads = [entry.payload for entry in batch]
    rows = await queries.fetch(connection, APPEND, writer, number, ids, payloads)
    if rows:
        return {DocumentId(row[0]): Seq(row[1]) for row in rows if row[0] is not None}
    last = await connection.fetchval(LAST_BATCH, writer)
    if last != number:
        raise WriterUnknown
    return None
