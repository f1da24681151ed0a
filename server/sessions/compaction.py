"""Compacts a document: a snapshot and the updates after it become one snapshot.

Large ones are compacted in a process of their own, since pycrdt holds the interpreter and with it
the event loop. Run as a program, this module reads parts, each headed by its length, from standard
input and writes the snapshot to standard output; no output means a damaged document.
"""

import asyncio
import struct
import subprocess
import sys
from collections.abc import Sequence

from server.sessions.document import Document

LARGE = 256 * 2**10  # bytes; below, a process costs more than the work
LENGTH = struct.Struct("<Q")
TIMEOUT = 120.0  # seconds


async def compact(parts: Sequence[bytes]) -> bytes | None:
    """The document that these parts make as one update; None if some of them can't be integrated.

    Raises OSError if the process for a large document fails, TimeoutError if it takes too long.
    """
    if sum(map(len, parts)) < LARGE:
        return _compact(parts)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.sessions.compaction",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate(_packed(parts))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise OSError(f"the compacting process ended with {process.returncode}")
    return output or None


def _compact(parts: Sequence[bytes]) -> bytes | None:
    document = Document.load(parts)
    return None if document.damaged else document.encode()


def _packed(parts: Sequence[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(part)) + part for part in parts)


def _unpacked(packed: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(packed):
        (size,) = LENGTH.unpack_from(packed, at)
        at += LENGTH.size
        parts.append(packed[at : at + size])
        at += size
    return parts


if __name__ == "__main__":
    sys.stdout.buffer.write(_compact(_unpacked(sys.stdin.buffer.read())) or b"")
