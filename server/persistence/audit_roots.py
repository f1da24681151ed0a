"""The file off the database that seals are exported to, one JSON object a line; only appended to.

Many servers, and many processes of one machine, may append to the same file.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from server.domain.audit import Seal

TAIL = 2**18  # bytes, longer than the lines that end a file
encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Seal)


def newest_exported(path: Path) -> Seal | None:
    """The newest seal in a file; None if it has none or is not there."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return _newest(file.fileno())


def export(path: Path, seals: Sequence[Seal]) -> int:
    """Append seals that the file lacks, and have them on the disk; returns its newest number."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        seal = _newest(handle)
        newest = seal.number if seal else 0
        size = os.fstat(handle).st_size
        # A line that was cut off stays as it is; what it was to say follows whole.
        torn = b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""
        lines = b"".join(encoder.encode(seal) + b"\n" for seal in seals if seal.number > newest)
        if lines:
            _write(handle, torn + lines)
            os.fsync(handle)
        return max([newest, *(seal.number for seal in seals)])
    finally:
        os.close(handle)


def _write(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def _newest(handle: int) -> Seal | None:
    size = os.fstat(handle).st_size
    for line in reversed(os.pread(handle, TAIL, max(0, size - TAIL)).split(b"\n")):
        seal = _read(line)
        if seal is not None:
            return seal
    return None


def exported(path: Path) -> Iterator[Seal]:
    """The seals in a file, in its order; lines that were cut off are passed over."""
    with path.open("rb") as file:
        for line in file:
            seal = _read(line)
            if seal is not None:
                yield seal


def _read(line: bytes) -> Seal | None:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        return None
