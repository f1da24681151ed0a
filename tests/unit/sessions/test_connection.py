"""A socket reads the same messages however TCP cuts its bytes."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode

from server.config import Limits
from server.errors import LyceumError
from server.protocol.deflate import deflated
from server.sessions.channels import SeatMaker
from server.sessions.compression import deflated_frame
from server.sessions.connection import Connection

UPGRADE = (
    b"GET /hocuspocus HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


class Wire(asyncio.Transport):
    """The other side: keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Listener:
    """A host whose channel keeps every message."""

    limits = Limits(messages_per_second=0, bytes_per_second=0)
    deflates = True
    clock = 0.0

    @property
    def make_seat(self) -> SeatMaker:
        return cast(SeatMaker, None)  # nobody takes a seat here

    def now(self) -> float:
        return 0.0

    def add(self, connection: Connection) -> None:
        pass

    def remove(self, connection: Connection) -> None:
        pass

    def admit(self, connection: Connection, peer: str, headers: Headers) -> LyceumError | None:
        return None


class Heard:
    """A channel that only listens."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def received(self, message: bytes) -> None:
        self.messages.append(message)

    def keep_alive(self) -> bytes:
        return b""

    def drained(self) -> None:
        pass

    def check(self, now: float, unix_time: float) -> float:
        return now

    def closed(self) -> None:
        pass


def masked(opcode: Opcode, body: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, body, fin).serialize(mask=True)


def packed(body: bytes) -> bytes:
    """A compressed message as a client sends it; its mask is of zeros, which change nothing."""
    plain = deflated_frame(deflated(body))
    head = len(plain) - len(deflated(body))
    return plain[:1] + bytes((plain[1] | 0x80,)) + plain[2:head] + bytes(4) + plain[head:]


bodies = st.binary(max_size=200) | st.sampled_from([126, 65_535, 65_536, 70_000]).map(bytes)
sent = st.one_of(
    bodies.map(lambda body: ([body], masked(Opcode.BINARY, body))),
    bodies.map(lambda body: ([body], packed(body))),
    st.binary(max_size=20).map(lambda body: (list[bytes](), masked(Opcode.PING, body))),
    st.just((list[bytes](), masked(Opcode.PONG, b""))),
    st.tuples(bodies, bodies).map(
        lambda two: (
            [two[0] + two[1]],
            masked(Opcode.BINARY, two[0], fin=False)
            + masked(Opcode.PING, b"between")
            + masked(Opcode.CONT, two[1]),
        )
    ),
)


async def heard(pieces: Sequence[bytes]) -> tuple[list[bytes], bytes, Connection]:
    """What a connection makes of pieces, and what it answers."""
    connection, wire, channel = Connection(Listener()), Wire(), Heard()
    connection.connection_made(wire)
    connection.data_received(UPGRADE)
    connection._channel = channel
    wire.written = b""
    for piece in pieces:
        connection.data_received(piece)
    return channel.messages, wire.written, connection


@given(frames=st.lists(sent, max_size=6), cuts=st.lists(st.integers(0, 200_000), max_size=12))
def test_cuts_change_nothing(frames: list[tuple[list[bytes], bytes]], cuts: list[int]) -> None:
    """Messages come whole, once and in order, pings are answered, and nothing is kept after."""
    wanted = [message for messages, _ in frames for message in messages]
    stream = b"".join(data for _, data in frames)
    ends = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(ends)]
    messages, answers, connection = asyncio.run(heard(pieces))
    assert messages == wanted
    assert answers == asyncio.run(heard([data for _, data in frames]))[1]
    assert connection._core is None or not frames
    assert connection._partial == b""


WRONG = {
    "text": b"\x81" + masked(Opcode.BINARY, b"x")[1:],
    "unknown": b"\x83" + masked(Opcode.BINARY, b"x")[1:],
    "reserved bit": b"\xa2" + masked(Opcode.BINARY, b"x")[1:],
    "within a message": masked(Opcode.BINARY, b"x", fin=False) + masked(Opcode.BINARY, b"y"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_closes_however_it_is_cut(kind: str) -> None:
    """Text and frames that are none end the socket, be they sent a byte at a time."""
    _, whole, _ = asyncio.run(heard([WRONG[kind]]))
    messages, answers, _ = asyncio.run(heard([bytes((byte,)) for byte in WRONG[kind]]))
    assert whole
    assert (messages, answers) == ([], whole)
