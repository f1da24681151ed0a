"""JavaScript values as lib0 encodes them ("any"), read and written.

Numbers are big-endian. Source: https://github.com/dmonad/lib0 (encoding.js, writeAny).
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from server.errors import ProtocolError
from server.protocol.lib0 import Reader, varbuf, varint, varstring, varuint

UNDEFINED, NULL, INTEGER, FLOAT32, FLOAT64, BIGINT = 127, 126, 125, 124, 123, 122
FALSE, TRUE, TEXT, OBJECT, ARRAY, BYTES = 121, 120, 119, 118, 117, 116
FIXED = {FALSE: 0, TRUE: 0, BIGINT: 8, FLOAT64: 8, FLOAT32: 4, NULL: 0, UNDEFINED: 0}
NUMBERS = {FLOAT32: struct.Struct(">f"), FLOAT64: struct.Struct(">d"), BIGINT: struct.Struct(">q")}
LARGEST_INTEGER = 2**31 - 1  # written as such; beyond, JavaScript's numbers are floats

MAX_DEPTH = 100  # of values within values that are read


class Special(Enum):
    """Values that Python has no word for. TOO_DEEP stands for one below `MAX_DEPTH`."""

    UNDEFINED = "undefined"
    TOO_DEEP = "too deep"


SIMPLE = {TRUE: True, FALSE: False, NULL: None, UNDEFINED: Special.UNDEFINED}


def read_value(reader: Reader, depth: int = MAX_DEPTH) -> Any:
    """The next value; raises ProtocolError. An integer may be a bigint."""
    kind = reader.byte()
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind in NUMBERS:
        (number,) = NUMBERS[kind].unpack(reader.take(FIXED[kind]))
        return number
    if kind == INTEGER:
        return reader.varint()
    if kind == TEXT:
        return reader.varstring()
    if kind == BYTES:
        return reader.varbuf()
    if kind not in (OBJECT, ARRAY):
        raise ProtocolError(f"there is no value of kind {kind}")
    count = reader.varuint()
    if depth == 0:
        skip_values(reader, count, keyed=kind == OBJECT)
        return Special.TOO_DEEP
    if kind == ARRAY:
        return [read_value(reader, depth - 1) for _ in range(count)]
    return {reader.varstring(): read_value(reader, depth - 1) for _ in range(count)}


def skip_values(
    reader: Reader,
    count: int,
    keyed: bool = False,
    spend: Callable[[int], None] = lambda parts: None,
) -> None:
    """Pass over values, and those inside them without recursion: they may nest deeply.

    keyed: whether a key is before each. spend: is told of so many values that are to be read.
    """
    spend(count)
    open_values = [(count, keyed)]  # how many are left
    while open_values:
        count, keyed = open_values.pop()
        if not count:
            continue
        open_values.append((count - 1, keyed))
        if keyed:
            reader.varbuf()
        kind = reader.byte()
        if kind in FIXED:
            reader.skip(FIXED[kind])
        elif kind == INTEGER:
            reader.skip_numbers(1)
        elif kind in (TEXT, BYTES):
            reader.varbuf()
        elif kind in (OBJECT, ARRAY):
            count = reader.varuint()
            spend(count)
            open_values.append((count, kind == OBJECT))
        else:
            raise ProtocolError(f"there is no value of kind {kind}")


def value(data: Any) -> bytes:
    """A value as JSON knows it (or bytes), encoded as JavaScript would."""
    match data:
        case None:
            return bytes((NULL,))
        case bool():
            return bytes((TRUE if data else FALSE,))
        case int() | float():
            return _number(data)
        case str():
            return bytes((TEXT,)) + varstring(data)
        case bytes():
            return bytes((BYTES,)) + varbuf(data)
        case Mapping():
            pairs = (varstring(key) + value(inner) for key, inner in data.items())
            return bytes((OBJECT,)) + varuint(len(data)) + b"".join(pairs)
        case Sequence():
            return bytes((ARRAY,)) + varuint(len(data)) + b"".join(map(value, data))
    raise TypeError(f"{type(data).__name__} is no value of JSON")


def _number(number: float) -> bytes:
    if number == int(number) and abs(number) <= LARGEST_INTEGER:
        return bytes((INTEGER,)) + varint(int(number))
    try:
        short = NUMBERS[FLOAT32].pack(number)
    except OverflowError:
        short = b""
    if short and NUMBERS[FLOAT32].unpack(short)[0] == float(number):
        return bytes((FLOAT32,)) + short
    return bytes((FLOAT64,)) + NUMBERS[FLOAT64].pack(number)
