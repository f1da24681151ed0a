"""Compressed messages: what we make is what any peer unpacks, and what we unpack is bounded."""

import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.errors import CorruptMessage, MessageTooBig
from server.protocol.deflate import deflated, inflated, stored

TEXT = b"what a class types, " * 500
BODIES = st.binary(max_size=3000) | st.integers(0, 200_000).map(bytes)
Compressor = Callable[[bytes], bytes]


@given(body=BODIES)
@example(b"")
def test_what_is_deflated_is_inflated(body: bytes) -> None:
    """The way there and back, with and without a limit that it just fits."""
    assert inflated(deflated(body), 0) == body
    assert inflated(deflated(body), len(body)) == body


@given(head=st.binary(max_size=50), body=BODIES)
@example(head=b"h" * 65_535, body=TEXT)
@example(head=b"h" * 65_536, body=TEXT)
@example(head=b"h" * 200_000, body=b"")
def test_a_head_goes_before_a_body_that_was_deflated_for_others(head: bytes, body: bytes) -> None:
    """One deflated body serves messages that begin differently, however long their beginnings."""
    assert inflated(stored(head) + deflated(body), 0) == head + body


def by_level(level: int, bits: int = -15) -> Compressor:
    """As an implementation with these settings compresses."""

    def compress(body: bytes) -> bytes:
        deflate = zlib.compressobj(level, zlib.DEFLATED, bits)
        return (deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]

    return compress


def with_a_last_block(body: bytes) -> bytes:
    """As one that can't flush: the stream ends, and an empty block follows (RFC 7692, 7.2.3.4)."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(body) + deflate.flush() + b"\x00"


def in_pieces(body: bytes) -> bytes:
    """As one that flushes now and then."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    pieces = [
        deflate.compress(body[at : at + 1000]) + deflate.flush(zlib.Z_SYNC_FLUSH)
        for at in range(0, len(body), 1000)
    ]
    return b"".join(pieces)[:-4]


@pytest.mark.parametrize(
    "compress",
    [by_level(0), by_level(1), by_level(9), by_level(6, -9), with_a_last_block, in_pieces],
    ids=["stored", "fast", "best", "small window", "last block", "pieces"],
)
def test_every_way_to_deflate_is_understood(compress: Compressor) -> None:
    """Peers choose blocks, levels, windows and flushes as they like."""
    assert inflated(compress(TEXT), len(TEXT)) == TEXT


@pytest.mark.parametrize("size", [1, 2, 1000, 2**20])
def test_one_byte_too_many_is_refused(size: int) -> None:
    """The limit is exact, also where the last bytes come from one reference back."""
    for body in (bytes(size + 1), TEXT[: size + 1]):
        assert inflated(deflated(body), len(body)) == body
        with pytest.raises(MessageTooBig, match=f"more than {len(body) - 1} bytes"):
            inflated(deflated(body), len(body) - 1)


def test_a_bomb_is_not_unpacked() -> None:
    """What would become 256 MiB takes no more memory than a message may."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflate.compress(bytes(2**20)) for _ in range(256))
    bomb += deflate.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(bomb) < 2**19
    tracemalloc.start()
    with pytest.raises(MessageTooBig):
        inflated(bomb, 2**20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * 2**20


@pytest.mark.parametrize(
    "message",
    [b"\xff\xff", b"\x07", b"\x00\x01\x00\x00\x00x", deflated(TEXT)[:-20], deflated(TEXT)[:9]],
    ids=["no block", "reserved block", "wrong length", "end missing", "only a start"],
)
def test_no_stream(message: bytes) -> None:
    """Bytes that are no whole deflate stream have no meaning, not even in part."""
    with pytest.raises(CorruptMessage, match="can't be unpacked"):
        inflated(message, 0)


@given(message=st.binary(max_size=300) | st.binary(max_size=40).map(lambda end: stored(b"x") + end))
def test_any_bytes(message: bytes) -> None:
    """They are unpacked within the limit or refused."""
    with suppress(MessageTooBig, CorruptMessage):
        assert len(inflated(message, 1000)) <= 1000
