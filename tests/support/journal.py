"""Documents and journal rows, made and looked at directly."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from server.ids import DocumentId, Seq, SessionName
from server.persistence import documents, journal
from server.persistence.journal import Append
from server.persistence.types import Connection
from tests.support.waiting import eventually

LOCK_DOCUMENT = "select from documents where id = $1 for update"


class Writer:
    """A writer of the journal, on a connection of its own, which counts its batches."""

    def __init__(self, connection: Connection, writer: UUID, batch: int = 0) -> None:
        self.connection = connection
        self.id = writer
        self.batch = batch

    @classmethod
    async def register(cls, connection: Connection) -> "Writer":
        """A new one that the database knows."""
        writer = uuid4()
        await journal.register(connection, writer)
        return cls(connection, writer)

    def on(self, connection: Connection) -> "Writer":
        """The same writer at the same batch, on another connection."""
        return Writer(connection, self.id, self.batch)

    async def append(self, *batch: tuple[DocumentId, bytes]) -> dict[DocumentId, Seq] | None:
        """Its next batch."""
        self.batch += 1
        entries = [Append(document_id, payload) for document_id, payload in batch]
        return await journal.append(self.connection, self.id, self.batch, entries)


async def create_documents(connection: Connection, *names: str) -> list[DocumentId]:
    """New documents without any updates."""
    return [(await documents.load(connection, SessionName(name))).document_id for name in names]


async def rows(connection: Connection, document_id: DocumentId) -> list[tuple[int, bytes]]:
    """The journal of one document."""
    found = await connection.fetch(
        "select seq, payload from document_updates where document_id = $1 order by seq",
        document_id,
    )
    return [(row["seq"], row["payload"]) for row in found]


async def blocked_backends(connection: Connection) -> list[int]:
    """Backends on this database that wait for a lock, by pid."""
    found = await connection.fetch(
        "select pid from pg_stat_activity"
        " where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
        " order by query_start"
    )
    return [row["pid"] for row in found]


async def wait_blocked(
    connection: Connection, count: int = 1, *tasks: "asyncio.Task[object]"
) -> list[int]:
    """Return the pids of waiting backends once there are so many; a task that ends fails it."""

    async def blocked() -> Sequence[int]:
        for task in tasks:
            assert not task.done(), f"{task} did not wait"
        found = await blocked_backends(connection)
        return found if len(found) == count else []

    return list(await eventually(blocked, what=f"{count} backends waiting for a lock"))
