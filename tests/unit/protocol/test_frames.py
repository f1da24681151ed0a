"""Plain WebSocket frames, read and written without the library's core, mean the same to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from server.protocol.frames import frame_size, framed, plain_message, pong_end

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
bodies = st.binary(max_size=200) | st.sampled_from(SIZES).map(bytes)
MOST = 2**16 - 1


def masked(opcode: Opcode, body: bytes, fin: bool = True) -> bytes:
    """A frame as clients send it."""
    return Frame(opcode, body, fin).serialize(mask=True)


@given(bodies)
def test_the_library_reads_what_we_write(body: bytes) -> None:
    """A message in one of our frames arrives as it was."""
    client = Protocol(CLIENT, max_size=None)
    client.receive_data(framed(body))
    (event,) = client.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, bytes(event.data), event.fin) == (Opcode.BINARY, body, True)


@given(before=st.binary(max_size=20), body=bodies, after=st.binary(max_size=20))
def test_plain_messages_are_read(before: bytes, body: bytes, after: bytes) -> None:
    """A whole binary frame of less than 64 KiB gives its message, wherever it stands."""
    frame = masked(Opcode.BINARY, body)
    found = plain_message(before + frame + after, len(before), MOST)
    if len(body) > MOST:
        assert found is None
    else:
        assert found == (body, len(before) + len(frame))


@given(body=bodies, cut=st.integers(min_value=1))
def test_a_frame_that_is_not_whole_is_none(body: bytes, cut: int) -> None:
    """Whatever is missing of a frame, it is not read yet."""
    frame = masked(Opcode.BINARY, body)
    assert plain_message(frame[: len(frame) - 1 - cut % len(frame)], 0, 2**20) is None


OTHERS = {
    "text": masked(Opcode.TEXT, b"text"),
    "ping": masked(Opcode.PING, b"ping"),
    "close": masked(Opcode.CLOSE, b"\x03\xe8"),
    "first fragment": masked(Opcode.BINARY, b"first", fin=False),
    "next fragment": masked(Opcode.CONT, b"next"),
    "not masked": Frame(Opcode.BINARY, b"not masked").serialize(mask=False),
    "reserved bit": b"\xa2\x80mask",
    "length in two bytes for one": b"\x82\xfe\x00\x05mask12345",
    "length in eight bytes for one": b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05mask12345",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_all_others_are_left_to_the_library(kind: str) -> None:
    """Text, control frames, fragments and what is wrong is not taken for a message."""
    assert plain_message(OTHERS[kind], 0, MOST) is None


def test_the_bound_is_kept() -> None:
    """A message of more bytes than allowed is left to the library, which refuses it."""
    frame = masked(Opcode.BINARY, bytes(200))
    assert plain_message(frame, 0, 199) is None
    assert plain_message(frame, 0, 200) is not None


@given(before=st.binary(max_size=20), body=st.binary(max_size=125), after=st.binary(max_size=20))
def test_pongs_are_passed_over(before: bytes, body: bytes, after: bytes) -> None:
    """A whole pong ends where the next frame begins; one that is not whole yet is none."""
    frame = masked(Opcode.PONG, body)
    whole = len(before) + len(frame)
    assert pong_end(before + frame + after, len(before)) == whole
    assert pong_end((before + frame)[:-1], len(before)) == 0


@pytest.mark.parametrize("kind", [*OTHERS, "a pong in two bytes", "a pong not masked"])
def test_all_but_pongs_are_left_to_the_library(kind: str) -> None:
    """What is no pong, or a wrong one, is not passed over."""
    wrong = {
        "a pong in two bytes": b"\x8a\xfe\x00\x05mask12345",
        "a pong not masked": Frame(Opcode.PONG, b"not masked").serialize(mask=False),
    }
    assert pong_end((OTHERS | wrong)[kind], 0) == 0


@given(body=bodies, mask=st.booleans(), opcode=st.sampled_from(Opcode), rest=st.binary(max_size=9))
def test_a_frame_ends_where_the_library_says(
    body: bytes, mask: bool, opcode: Opcode, rest: bytes
) -> None:
    """The size is that of the whole frame as soon as its head is there, and not told before."""
    if opcode >= Opcode.CLOSE:
        body = body[:125]  # more is not allowed in them
    frame = Frame(opcode, body).serialize(mask=mask)
    assert frame_size(b"x" + frame + rest, 1) == len(frame)
    sizes = [frame_size(frame[:size]) for size in range(min(len(frame), 11))]
    assert sizes == sorted(sizes)
    assert set(sizes) <= {0, len(frame)}
    assert sizes[-1] == len(frame) or len(frame) <= 10


@given(st.lists(bodies, max_size=5))
def test_one_after_the_other(messages: list[bytes]) -> None:
    """Frames that come together are found one behind the other, as the library finds them."""
    data = b"".join(masked(Opcode.BINARY, message) for message in messages)
    server = Protocol(SERVER, max_size=None)
    server.receive_data(data)
    events = [event for event in server.events_received() if isinstance(event, Frame)]
    assert [bytes(event.data) for event in events] == messages
    at = 0
    for message in messages:
        assert plain_message(data, at, 2**20) in (None, (message, at + frame_size(data, at)))
        at += frame_size(data, at)
    assert at == len(data)
