"""Documents as they are stored: newest snapshot and the journal after it, and compacting."""

from datetime import timedelta
from typing import Any, NamedTuple

from server.errors import DocumentDamaged
from server.ids import DocumentId, Seq, SessionName
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection


class Stored(NamedTuple):
    """What the database holds of one document, read at one moment.

    seq: of the newest row. snapshot_seq: covered by the snapshot, 0 without one. parts: the
    snapshot and the updates after it, to be merged.
    """

    document_id: DocumentId
    seq: Seq
    snapshot_seq: Seq
    parts: list[bytes]


# One statement sees one state of the database, and a join waits for one answer.
LOAD = """
select documents.id, documents.last_seq, snapshot.seq as snapshot_seq, snapshot.payload as snapshot,
    tail.seqs, tail.payloads
from documents
left join lateral (
    select seq, payload
    from document_snapshots
    where document_id = documents.id
    order by seq desc
    limit 1
) snapshot on true
cross join lateral (
    select array_agg(seq order by seq) as seqs, array_agg(payload order by seq) as payloads
    from document_updates
    where document_id = documents.id and seq > coalesce(snapshot.seq, 0)
) tail
where name = $1
"""

CREATE = """
insert into documents (name) values ($1)
on conflict on constraint documents_name_key do nothing
"""

NEWEST_SNAPSHOT = """
select seq, payload
from document_snapshots
where document_id = $1
order by seq desc
limit 1
"""

UPDATES_AFTER = Query(
    "documents.updates_after",
    Kind.REPORT,
    """
select seq, payload
from document_updates
where document_id = $1 and seq > $2
order by seq
""",
)


async def load(connection: Connection, name: SessionName) -> Stored:
    """The document of that name, made if there is none; raises as `find`."""
    while True:
        stored = await find(connection, name)
        if stored is not None:
            return stored
        await connection.execute(CREATE, name)


async def find(connection: Connection, name: SessionName) -> Stored | None:
    """The document of that name, if there is one.

    Raises DocumentDamaged if rows are missing: better no document than one with holes.
    """
    row = await connection.fetchrow(LOAD, name)
    return None if row is None else stored_in(row)


def stored_in(row: Any) -> Stored:
    """The document of a row with what LOAD reads; raises as `find`."""
    document_id, last_seq, snapshot_seq = row["id"], row["last_seq"], row["snapshot_seq"] or 0
    found, parts = row["seqs"] or [], row["payloads"] or []
    if snapshot_seq > last_seq or found != list(range(snapshot_seq + 1, last_seq + 1)):
        raise DocumentDamaged(
            f"document {document_id}: the journal after {snapshot_seq} should reach {last_seq}"
            f" without gaps, it holds {len(found)} rows"
        )
    if snapshot_seq:
        parts = [row["snapshot"], *parts]
    return Stored(DocumentId(document_id), Seq(last_seq), Seq(snapshot_seq), parts)


async def updates_after(
    connection: Connection, document_id: DocumentId, seq: Seq
) -> list[tuple[Seq, bytes]]:
    """The journal's rows behind a sequence number, in order.

    If some were compacted away, the newest snapshot stands for them, under its own number.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await queries.fetch(connection, UPDATES_AFTER, document_id, seq)
        compacted = not rows or rows[0]["seq"] > seq + 1
        snapshot = await connection.fetchrow(NEWEST_SNAPSHOT, document_id) if compacted else None
    if snapshot is not None and snapshot["seq"] > seq:
        rows = [snapshot, *rows]
    return [(Seq(row["seq"]), row["payload"]) for row in rows]


SAVE_SNAPSHOT = """
insert into document_snapshots (document_id, seq, payload) values ($1, $2, $3)
on conflict on constraint document_snapshots_pkey do nothing
"""

# History older than its retention ends at a snapshot, never between two.
DROP_HISTORY = """
with horizon as (
    select max(seq) as seq
    from document_snapshots
    where document_id = $1 and created_at <= now() - $2::interval
),
dropped as (
    delete from document_updates
    using horizon
    where document_id = $1 and document_updates.seq <= horizon.seq
)
delete from document_snapshots
using horizon
where document_id = $1 and document_snapshots.seq < horizon.seq
"""

# Within the retention one snapshot an hour is enough to go back quickly. One whose own row is gone
# stays: the rows behind it build on it.
THIN_SNAPSHOTS = """
delete from document_snapshots as thinned
where document_id = $1
    and exists (
        select from document_snapshots as later
        where later.document_id = $1
            and later.seq > thinned.seq
            and date_trunc('hour', later.created_at) = date_trunc('hour', thinned.created_at)
    )
    and exists (
        select from document_updates
        where document_id = $1 and seq = thinned.seq
    )
"""


async def save_snapshot(
    connection: Connection, document_id: DocumentId, seq: Seq, payload: bytes, history: timedelta
) -> None:
    """Store a snapshot that covers the journal up to `seq`, and drop what it makes needless.

    Readers in flight keep what they need: they read at one moment, in one transaction.
    """
    async with connection.transaction():
        await connection.execute(SAVE_SNAPSHOT, document_id, seq, payload)
        await connection.execute(DROP_HISTORY, document_id, history)
        await connection.execute(THIN_SNAPSHOTS, document_id)
