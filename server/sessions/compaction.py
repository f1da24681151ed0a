"""Compacts a document: a snapshot and the updates after it become one snapshot.

Small ones are compacted in turns of the event loop. Large ones in a process of their own, since
encoding them takes long and pycrdt holds the interpreter, and with it the loop, for all that time;
the process gives way to everything else on the machine. What goes to it and comes back is copied
in a thread: files let go of the interpreter meanwhile.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import BinaryIO

from server.sessions.compacting import pack
from server.sessions.document import Document
from server.sessions.turns import Turns

LARGE = 256 * 2**10  # bytes; below, a process costs more than the work
TIMEOUT = 300.0  # seconds; on a machine that is full it gets a fourth of a core
NICENESS = 5


async def compact(parts: Sequence[bytes], turns: Turns, name: str) -> bytes | None:
    """The document that these parts make as one update; None if some of them can't be integrated.

    name: what the log calls it. Raises OSError if the process for a large document fails,
    TimeoutError if it takes too long.
    """
    if sum(map(len, parts)) < LARGE:
        return await turns.do("compaction", _compact(parts), session=name)
    with _scratch() as given, _scratch() as made:
        await asyncio.to_thread(pack, parts, given)
        await _run(given, made)
        return await asyncio.to_thread(_content, made) or None


def _compact(parts: Sequence[bytes]) -> Generator[None, None, bytes | None]:
    document = yield from Document.loading(parts)
    return None if document.damaged else document.encode()


async def _run(given: BinaryIO, made: BinaryIO) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.sessions.compacting", stdin=given, stdout=made
    )
    try:
        with suppress(OSError):  # it has ended, or may not be set back
            os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        async with asyncio.timeout(TIMEOUT):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise OSError(f"the compacting process ended with {process.returncode}")


def _scratch() -> BinaryIO:
    """A file for bytes under way, in memory where the system has such."""
    if sys.platform == "linux":
        return open(os.memfd_create("lyceum-compaction"), "w+b")
    return tempfile.TemporaryFile()


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
