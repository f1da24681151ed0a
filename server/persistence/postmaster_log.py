"""What Postgres writes about itself: bounded, and read when it does not start."""

import os
import re
import shutil
from pathlib import Path

BOUND = 10 * 2**20
TAIL = 64 * 2**10


class PostmasterLog:
    """The file that a postmaster writes to; `since_start` is what the latest one wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = 0

    def open(self) -> int:
        """A descriptor for a new postmaster to write to; the caller closes it."""
        self.bound()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._start = os.fstat(descriptor).st_size
        return descriptor

    def bound(self) -> None:
        """Keep at most two files of about BOUND bytes.

        Copies and truncates, since Postgres goes on writing to its descriptor.
        """
        if self._path.exists() and self._path.stat().st_size > BOUND:
            shutil.copy(self._path, f"{self._path}.1")
            os.truncate(self._path, 0)
            self._start = 0

    def since_start(self) -> str:
        """The end of what the latest postmaster wrote."""
        with self._path.open("rb") as file:
            file.seek(max(self._start, self._path.stat().st_size - TAIL))
            return file.read().decode(errors="replace")

    def state(self) -> str:
        """What a postmaster that is not ready yet is doing."""
        recovers = re.search("automatic recovery in progress|redo ", self.since_start())
        return "recovering" if recovers else "starting"

    def reason(self) -> str:
        """Why a postmaster ended, in one line."""
        lines = [line.strip() for line in self.since_start().splitlines() if line.strip()]
        bad = [
            found[0].replace(":  ", ": ")
            for line in lines
            if (found := re.search(r"\b(FATAL|PANIC|ERROR|DETAIL|HINT|error): .*", line))
        ]
        return "; ".join(bad[-3:] or lines[-3:]) or f"see {self._path}"
