"""What the database holds of a document, read past the server; what must hold of typed lines."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg
from pycrdt import Doc, Text

from server.persistence.types import Connection
from tests.support.waiting import eventually


class Row(NamedTuple):
    """One row of the journal."""

    seq: int
    payload: bytes


class StoredDocument(NamedTuple):
    """A document's rows as they are in the database at one moment."""

    last_seq: int
    snapshots: list[Row]  # by seq
    updates: list[Row]  # by seq

    @property
    def text(self) -> str:
        """The text that the newest snapshot and the journal after it make."""
        snapshot = self.snapshots[-1:]
        tail = [row for row in self.updates if not snapshot or row.seq > snapshot[0].seq]
        return text_of([row.payload for row in (*snapshot, *tail)])

    def check_numbers(self) -> None:
        """The journal has no gap: it reaches from where a snapshot begins to the last number."""
        numbers = [row.seq for row in self.updates]
        covered = self.snapshots[-1].seq if self.snapshots else 0
        assert covered <= self.last_seq
        first = numbers[0] if numbers else self.last_seq + 1
        assert numbers == list(range(first, self.last_seq + 1)), "the journal has gaps"
        assert first <= covered + 1, f"rows between {covered} and {first} are missing"

    def check_written_once(self) -> None:
        """Each line is in one row of the journal only, and the journal is all there."""
        assert [row.seq for row in self.updates] == list(range(1, self.last_seq + 1))
        payloads = b"".join(row.payload for row in self.updates)
        for line in self.text.splitlines():
            assert payloads.count(f"{line}\n".encode()) == 1, line

    def check_snapshots(self) -> None:
        """Each snapshot is what the journal before it makes, as far as that is still there."""
        for snapshot in self.snapshots:
            before = [row for row in self.updates if row.seq <= snapshot.seq]
            if [row.seq for row in before] == list(range(1, snapshot.seq + 1)):
                assert text_of([row.payload for row in before]) == text_of([snapshot.payload])


def text_of(updates: Sequence[bytes], name: str = "content") -> str:
    """The text that these updates make."""
    document: Doc[Text] = Doc()
    for update in updates:
        document.apply_update(update)
    return str(document.get(name, type=Text))


async def read_stored(connection: Connection, session: str) -> StoredDocument:
    """A document as it is stored; without rows if there is none of that name."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = await connection.fetchrow(
            "select id, last_seq from documents where name = $1", session
        )
        if found is None:
            return StoredDocument(0, [], [])
        snapshots, updates = [
            [
                Row(row["seq"], row["payload"])
                for row in await connection.fetch(
                    f"select seq, payload from {table} where document_id = $1 order by seq",
                    found["id"],
                )
            ]
            for table in ("document_snapshots", "document_updates")
        ]
    return StoredDocument(found["last_seq"], snapshots, updates)


async def stored(url: str, session: str) -> StoredDocument:
    """A document as it is stored, its numbers and snapshots checked."""
    connection = await asyncpg.connect(url)
    try:
        document = await read_stored(connection, session)
    finally:
        connection.terminate()
    document.check_numbers()
    document.check_snapshots()
    return document


async def until_stored(url: str, session: str, text: str) -> StoredDocument:
    """Wait until the database holds this text."""

    async def found() -> StoredDocument | None:
        document = await stored(url, session)
        return document if document.text == text else None

    document = await eventually(found, 15, "the text in the database")
    assert document is not None
    return document


def check_lines(text: str, prefix: str, present: Iterable[str]) -> int:
    """An author's lines are there once, in order, without a hole, these ones among them.

    Returns how many there are.
    """
    lines = [line for line in text.split("\n") if line.rpartition("-")[0] == prefix]
    assert lines == [f"{prefix}-{number}" for number in range(len(lines))], (
        f"the lines of {prefix} are out of order, doubled or have holes"
    )
    lost = set(present) - set(lines)
    assert not lost, f"{len(lost)} lines of {prefix} are lost, for example {min(lost)}"
    return len(lines)
