"""Activity that waits to be saved: rows, and counts of edits that become rows. Pure, bounded.

What it has no room for is shed and told in the answer. A participant that is being counted already
takes no more room for further edits.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from server.ids import DocumentId
from server.persistence.activity import Row, Seen
from server.sessions.counting import Edits

MOST = 2**31 - 1  # that a column takes; who sends nonsense can claim to delete more


class Batch(NamedTuple):
    """What is saved together."""

    rows: Sequence[Row]
    seen: Sequence[Seen]

    @property
    def halves(self) -> "tuple[Batch, Batch]":
        """The same as two."""
        rows, seen = len(self.rows) // 2, (len(self.seen) + 1) // 2
        return (
            Batch(self.rows[:rows], self.seen[:seen]),
            Batch(self.rows[rows:], self.seen[seen:]),
        )


class _Count:
    """Edits of one participant in this interval."""

    __slots__ = ("deleted", "inserted", "name", "since", "unmeasured", "until", "updates", "user")

    def __init__(self, user: str | None, name: str, since: datetime) -> None:
        self.user = user
        self.name = name
        self.since = self.until = since
        self.updates = self.inserted = self.deleted = self.unmeasured = 0

    def add(self, at: datetime, edits: Edits) -> None:
        self.until = at
        self.updates += edits.updates
        self.inserted += edits.inserted
        self.deleted += edits.deleted
        self.unmeasured += edits.unmeasured

    def row(self, session: DocumentId, participant: UUID) -> Row:
        return Row(
            self.since,
            session,
            participant,
            self.user,
            "edit",
            max(0.0, (self.until - self.since).total_seconds()),
            min(self.updates, MOST),
            min(self.inserted, MOST),
            min(self.deleted, MOST),
            f'{{"unmeasured": {self.unmeasured}}}' if self.unmeasured else None,
        )


class Tally:
    """See the module. most: rows that may wait, those included that are being saved; 0: any."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: deque[Row] = deque()
        self._counts: dict[tuple[DocumentId, UUID], _Count] = {}
        self._seen: dict[tuple[DocumentId, str], Seen] = {}
        self._flying = 0

    def __len__(self) -> int:
        """Rows that are not saved yet."""
        return len(self._rows) + len(self._counts) + self._flying

    @property
    def full(self) -> bool:
        """Whether there is no room for another row."""
        return 0 < self._most <= len(self)

    def note(self, row: Row, name: str | None = None) -> bool:
        """Keep a row; returns whether there was room.

        name: of its user, if the row shows that the user was there.
        """
        if self.full:
            return False
        self._rows.append(row)
        if name is not None:
            self._see(row.session_id, row.user_id, name, row.at, row.at)
        return True

    def count(
        self,
        session: DocumentId,
        participant: UUID,
        user: str | None,
        name: str,
        at: datetime,
        edits: Edits,
    ) -> bool:
        """Count a participant's edits; returns whether there was room."""
        count = self._counts.get((session, participant))
        if count is None:
            if self.full:
                return False
            count = self._counts[session, participant] = _Count(user, name, at)
        count.add(at, edits)
        return True

    def _see(
        self, session: DocumentId, user: str | None, name: str, first: datetime, last: datetime
    ) -> None:
        if user is None:
            return
        seen = self._seen.get((session, user))
        if seen is not None:
            name = name or seen.name
            first, last = min(first, seen.first_at), max(last, seen.last_at)
        self._seen[session, user] = Seen(session, user, name, first, last)

    def end_interval(self) -> None:
        """Edits until now make rows of their own."""
        counts, self._counts = self._counts, {}
        for (session, participant), count in counts.items():
            self._rows.append(count.row(session, participant))
            self._see(session, count.user, count.name, count.since, count.until)

    def take(self, most: int) -> Batch:
        """The longest waiting rows, at most so many; they count as waiting until `landed`."""
        rows = [self._rows.popleft() for _ in range(min(most, len(self._rows)))]
        users = list(self._seen)[:most]
        batch = Batch(rows, [self._seen.pop(user) for user in users])
        self._flying += len(rows)
        return batch

    def landed(self, batch: Batch) -> None:
        """A batch that was taken is saved, or given up."""
        self._flying -= len(batch.rows)
