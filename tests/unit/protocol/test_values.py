"""JavaScript's values: written as lib0 writes them, read back, and refused where they are none."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol.lib0 import Reader, varuint
from server.protocol.values import MAX_DEPTH, Special, read_value, skip_values, value
from tests.unit.protocol.wire import JSON_VALUES

VALUES = st.recursive(
    JSON_VALUES | st.binary(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)


def read(encoded: bytes) -> Any:
    """The one value in these bytes."""
    reader = Reader(encoded)
    found = read_value(reader)
    reader.end()
    return found


@given(VALUES)
def test_what_is_written_is_read_and_skipped(given: Any) -> None:
    """Whatever JSON can say, and bytes; large integers become floats, as in JavaScript."""
    encoded = value(given)
    assert read(encoded) == given
    reader = Reader(encoded * 2)
    skip_values(reader, 2)
    assert reader.done


@pytest.mark.parametrize(
    ("given", "encoded"),
    [
        (None, b"\x7e"),
        (True, b"\x78"),
        (False, b"\x79"),
        (0, b"\x7d\x00"),
        (-1, b"\x7d\x41"),
        (63, b"\x7d\x3f"),
        (64, b"\x7d\x80\x01"),
        (-(2**31) + 1, b"\x7d\xff\xff\xff\xff\x0f"),
        (2**31, b"\x7c\x4f\x00\x00\x00"),
        (1.0, b"\x7d\x01"),
        (0.5, b"\x7c\x3f\x00\x00\x00"),
        (0.1, b"\x7b" + struct.pack(">d", 0.1)),
        (1e300, b"\x7b" + struct.pack(">d", 1e300)),
        ("é", b"\x77\x02\xc3\xa9"),
        ([1, "a"], b"\x75\x02\x7d\x01\x77\x01a"),
        ({"a": None}, b"\x76\x01\x01a\x7e"),
        (b"\x00", b"\x74\x01\x00"),
    ],
)
def test_bytes_are_those_of_lib0(given: Any, encoded: bytes) -> None:
    """Each kind in the shortest form that lib0 takes."""
    assert value(given) == encoded


def test_what_json_does_not_know_is_read() -> None:
    """undefined, bigints, NaN and infinities."""
    assert read(b"\x7f") is Special.UNDEFINED
    assert read(b"\x7a" + struct.pack(">q", 2**60)) == 2**60
    assert str(read(b"\x7b" + struct.pack(">d", float("nan")))) == "nan"
    assert read(b"\x7c" + struct.pack(">f", float("inf"))) == float("inf")


def test_deep_nesting_stops_somewhere() -> None:
    """What lies deeper than anybody needs is passed over, however deep it is."""
    for encoded in (b"\x75\x01" * 10_000 + b"\x7e", b"\x76\x01\x00" * 10_000 + b"\x7e"):
        found = read(encoded)
        for _ in range(MAX_DEPTH):
            found = found[0] if isinstance(found, list) else found[""]
        assert found is Special.TOO_DEEP


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x00",
        b"\x80",
        b"\x75\x01",
        b"\x75\x01\x00",
        b"\x76\x01\x01",
        b"\x7b\x00",
        b"\x77\x01\xff",
    ],
)
def test_bad_bytes_are_refused(encoded: bytes) -> None:
    """No value, half a value, a kind that there is not."""
    with pytest.raises(ProtocolError):
        read(encoded)


def test_skipping_refuses_kinds_that_there_are_not() -> None:
    """Also within others."""
    for encoded in (b"\x00", b"\x75\x01\x20"):
        with pytest.raises(ProtocolError, match="no value of kind"):
            skip_values(Reader(encoded), 1)


def test_only_values_can_be_written() -> None:
    """Anything else is a mistake of ours."""
    with pytest.raises(TypeError, match="set is no value"):
        value({1})


def test_numbers_with_a_sign_have_a_bound() -> None:
    """More bits than JavaScript's integers have are refused, as for those without a sign."""
    assert Reader(b"\x80\x80\x01").varint() == 2**13
    with pytest.raises(ProtocolError, match="too many bits"):
        Reader(b"\xff" * 8 + varuint(1)).varint()
