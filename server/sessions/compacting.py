"""The program that compacts one large document, in a process of its own.

It reads parts, each headed by its length, from standard input and writes the document that they
make to standard output as one update; nothing if some can't be integrated. It starts often, so it
imports only what it needs.
"""

import struct
import sys
from collections.abc import Sequence
from typing import BinaryIO

from server.sessions.document import Document

LENGTH = struct.Struct("<Q")


def pack(parts: Sequence[bytes], file: BinaryIO) -> None:
    """Write parts so that the program can read them."""
    for part in parts:
        file.write(LENGTH.pack(len(part)))
        file.write(part)
    file.flush()
    file.seek(0)


def unpack(file: BinaryIO) -> list[bytes]:
    """The parts that were written so."""
    parts = []
    while head := file.read(LENGTH.size):
        (size,) = LENGTH.unpack(head)
        parts.append(file.read(size))
    return parts


def main() -> None:
    """Compact what standard input holds."""
    document = Document.load(unpack(sys.stdin.buffer))
    if not document.damaged:
        sys.stdout.buffer.write(document.encode())


if __name__ == "__main__":
    main()
