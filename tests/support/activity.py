"""Activity rows, made and looked at directly."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.ids import DocumentId, SessionName
from server.persistence import activity, collaboration
from server.persistence.activity import Row, Seen
from server.persistence.types import Connection


class ActivityWriter:
    """A writer of activity, on a connection of its own, which counts its batches."""

    def __init__(self, connection: Connection, writer: UUID, batch: int = 0) -> None:
        self.connection = connection
        self.id = writer
        self.batch = batch

    @classmethod
    async def register(cls, connection: Connection) -> "ActivityWriter":
        """A new one that the database knows."""
        writer = uuid4()
        await activity.register(connection, writer)
        return cls(connection, writer)

    def on(self, connection: Connection) -> "ActivityWriter":
        """The same writer at the same batch, on another connection."""
        return ActivityWriter(connection, self.id, self.batch)

    async def write(self, *rows: Row, seen: Sequence[Seen] = ()) -> bool:
        """Its next batch."""
        self.batch += 1
        return await activity.write(self.connection, self.id, self.batch, rows, seen)


async def create_sessions(connection: Connection, *names: str) -> list[DocumentId]:
    """New sessions."""
    return [
        (await collaboration.open_for_join(connection, SessionName(name), True)).id
        for name in names
    ]


def now() -> datetime:
    """A moment for which there is a partition."""
    return datetime.now(UTC)


async def counts(connection: Connection) -> dict[str, int]:
    """How many rows of each kind there are."""
    found = await connection.fetch("select kind, count(*) from session_activity group by kind")
    return {row[0]: row[1] for row in found}
