"""Messages compressed as permessage-deflate has it (RFC 7692), without context takeover. Pure.

Every message is a deflate stream of its own, so nothing is remembered between two of them. Its
last four bytes, those of an empty stored block, don't travel.
"""

import zlib

from server.errors import CorruptMessage, MessageTooBig

WINDOW_BITS = -15  # raw deflate
LEVEL = 1
SYNCED = b"\x00\x00\xff\xff"  # what a flushed stream ends with, and does not travel
LAST = b"\x03\x00"  # a last block with nothing in it
MOST_STORED = 0xFFFF  # bytes in a stored block


def deflated(body: bytes) -> bytes:
    """A body as a whole message, or as the end of one."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS)
    return (deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH))[: -len(SYNCED)]


def stored(head: bytes) -> bytes:
    """What goes before a deflated body, as it is.

    So one body is deflated once for messages that begin differently: a stored block ends on a
    whole byte, and the body's stream refers to nothing before it.
    """
    return b"".join(
        _stored_block(head[start : start + MOST_STORED])
        for start in range(0, len(head), MOST_STORED)
    )


def _stored_block(piece: bytes) -> bytes:
    size = len(piece)
    return b"\x00" + size.to_bytes(2, "little") + (size ^ MOST_STORED).to_bytes(2, "little") + piece


def inflated(message: bytes, limit: int) -> bytes:
    """What a message says; never makes more than about `limit` bytes, 0 lifts that.

    Raises MessageTooBig; CorruptMessage if the stream is none, or breaks off.
    """
    inflate = zlib.decompressobj(WINDOW_BITS)
    try:
        said = inflate.decompress(message + SYNCED + LAST, limit + 1 if limit else 0)
    except zlib.error as error:
        raise CorruptMessage from error
    if limit and len(said) > limit:
        raise MessageTooBig(f"This message has more than {limit} bytes when it is unpacked.")
    if not inflate.eof:
        raise CorruptMessage
    return said
