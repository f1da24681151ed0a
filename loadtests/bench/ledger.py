"""Which edits were made, when and in which session: shared by all generator processes.

Two arrays in a file that all of them map. Each process numbers its edits within a range of its
own, so nobody waits for anybody.
"""

import mmap
from pathlib import Path
from typing import cast

EDITS = 8 * 2**20  # of one process


class Ledger:
    """The ledger of `processes` generators in a file, made if it is not there."""

    def __init__(self, path: Path, processes: int) -> None:
        self.edits = count = EDITS * processes
        size = count * 12  # sparse: only what is used takes memory
        with path.open("a+b") as file:
            if file.seek(0, 2) < size:
                file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        view = memoryview(self._map)
        self.sent_at = cast("memoryview[float]", view[: count * 8].cast("d"))
        self._session = view[count * 8 :].cast("I")

    def note(self, number: int, session: int, at: float) -> None:
        """An edit is made now; sessions are numbered from 1."""
        self.sent_at[number] = at
        self._session[number] = session

    def made(self, ranges: list[tuple[int, int]]) -> dict[int, set[int]]:
        """The edits in ranges of numbers, by session."""
        edits: dict[int, set[int]] = {}
        for start, end in ranges:
            for number, session in enumerate(self._session[start:end].tolist(), start):
                if session:
                    edits.setdefault(session, set()).add(number)
        return edits
