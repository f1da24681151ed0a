"""lib0's encoding: what clients write is read exactly, and nothing else is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol.lib0 import MAX_VARUINT, Reader, varbuf, varstring, varuint, whole_varbuf
from tests.unit.protocol import wire


@given(wire.NUMBERS)
@example(127)
@example(128)
@example(MAX_VARUINT)
def test_numbers_round_trip(number: int) -> None:
    """Every number up to 2^53 - 1 is written as lib0 writes it and read back."""
    assert varuint(number) == wire.number(number)
    reader = Reader(wire.number(number))
    assert reader.varuint() == number
    assert reader.done


@given(st.binary(max_size=300))
def test_buffers_round_trip(data: bytes) -> None:
    """Bytes come back as they were."""
    assert varbuf(data) == wire.buffer(data)
    reader = Reader(wire.buffer(data))
    assert reader.varbuf() == data
    reader.end()


@given(wire.TEXTS)
@example("grüße 👋 данные")
def test_texts_round_trip(text: str) -> None:
    """A text's length counts its bytes in UTF-8, not its characters."""
    assert varstring(text) == wire.string(text)
    reader = Reader(wire.string(text))
    assert reader.varstring() == text
    reader.end()


@given(st.lists(wire.NUMBERS | wire.TEXTS | st.binary(max_size=20)))
def test_values_behind_each_other_are_read_in_order(values: list[int | str | bytes]) -> None:
    """A reader takes exactly the bytes of each value."""
    writers = {int: wire.number, str: wire.string, bytes: wire.buffer}
    reader = Reader(b"".join(writers[type(value)](value) for value in values))  # type: ignore[operator]
    for value in values:
        read = {int: reader.varuint, str: reader.varstring, bytes: reader.varbuf}[type(value)]
        assert read() == value
    reader.end()


@given(wire.NUMBERS, st.data())
def test_a_number_cut_short_is_refused(number: int, data: st.DataObject) -> None:
    """A frame that ends inside a number is an error, not a smaller number."""
    encoded = wire.number(number)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(ProtocolError, match="ends inside a varuint at byte 0"):
        Reader(encoded[:cut]).varuint()


@given(st.integers(min_value=2**53, max_value=2**80))
@example(2**53)
@example(2**63)
@example(2**64)
def test_numbers_beyond_53_bits_are_refused(number: int) -> None:
    """JavaScript could not hold such a number exactly, so no client sends one."""
    with pytest.raises(ProtocolError, match="more than 53 bits"):
        Reader(wire.number(number)).varuint()


def test_an_endless_number_is_refused_at_once() -> None:
    """A megabyte of continuation bits is not walked through."""
    reader = Reader(b"\x80" * 2**20 + b"\x00")
    with pytest.raises(ProtocolError, match="more than 53 bits"):
        reader.varuint()
    assert reader.position == 0


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_buffer_cut_short_is_refused(payload: bytes, data: st.DataObject) -> None:
    """A buffer that says it has more bytes than the frame is an error; nothing is read."""
    encoded = wire.buffer(payload)
    header = len(encoded) - len(payload)
    cut = data.draw(st.integers(header, len(encoded) - 1))
    with pytest.raises(ProtocolError, match=f"needs {len(payload)} bytes, {cut - header} are left"):
        Reader(encoded[:cut]).varbuf()


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"ok\x80"],
    ids=["never", "cut", "overlong", "surrogate", "beyond", "stray"],
)
def test_text_that_is_not_utf8_is_refused(data: bytes) -> None:
    """Every way of not being UTF-8 is an error that says where."""
    with pytest.raises(ProtocolError, match="varstring at byte 0 is not UTF-8"):
        Reader(wire.buffer(data)).varstring()


@given(st.binary(min_size=1))
def test_bytes_left_over_are_refused(rest: bytes) -> None:
    """`end` counts what nobody read."""
    reader = Reader(wire.number(300) + rest)
    reader.varuint()
    assert not reader.done
    with pytest.raises(ProtocolError, match=f"^{len(rest)} bytes follow the message"):
        reader.end()


@given(st.binary(max_size=40), st.lists(st.sampled_from(["varuint", "varbuf", "varstring"])))
def test_any_bytes_are_read_or_refused(frame: bytes, calls: list[str]) -> None:
    """Whatever comes, a reader returns values or raises ProtocolError, and stays in the frame."""
    reader = Reader(frame)
    try:
        for call in calls:
            getattr(reader, call)()
    except ProtocolError:
        pass
    assert 0 <= reader.position <= len(frame)


@given(before=st.binary(max_size=9), body=st.binary(max_size=200), rest=st.binary(max_size=2))
def test_a_short_varbuf_at_the_end_is_read_in_a_hurry(
    before: bytes, body: bytes, rest: bytes
) -> None:
    """It is what the reader finds there; anything else is left to the reader."""
    frame = before + varbuf(body) + rest
    whole = not rest and len(body) < 0x80
    assert whole_varbuf(frame, len(before)) == (body if whole else None)
    assert whole_varbuf(frame, len(frame)) is None
