"""What most updates are, read in one look: one piece of text typed, or one deletion.

Source: https://github.com/yjs/yjs (src/structs, src/utils/encoding.js), update format v1.
"""

import re
from typing import NamedTuple

from server.errors import ProtocolError
from server.protocol.lib0 import utf16_length, varuint
from server.protocol.update import StateVector

# Numbers only as encoders write them; the same number then always has the same bytes.
NUMBER = rb"([\x00-\x7f]|[\x80-\xff]{1,7}[\x01-\x7f])"
TYPED = re.compile(rb"\x01\x01NN(?:[\x84\x44]NN|\xc4NNNN)([\x01-\x7f])".replace(b"N", NUMBER))
ERASED = re.compile(rb"\x00\x01N\x01N([\x01-\x7f])\Z".replace(b"N", NUMBER))

Clocks = dict[bytes, int]  # client, as it is encoded → the clock that comes next


class Keystroke(NamedTuple):
    """One piece of text beside another, or one deletion.

    client, clock: where its text begins, or what is deleted. inserted, deleted: UTF-16 code units;
    one of them is 0. needs: what must be there already, as clients and clocks.
    """

    client: bytes
    clock: int
    inserted: int
    deleted: int
    needs: tuple[tuple[bytes, int], ...]


def keystroke(update: bytes) -> Keystroke | None:
    """An update as a keystroke; None if it is more than that, or nothing that can be read."""
    found = TYPED.match(update)
    if found is not None:
        client, clock, beside, at, left, left_at, right, right_at, size = found.groups()
        start = found.end()
        if len(update) != start + size[0] + 1 or update[-1] != 0:
            return None
        try:
            length = utf16_length(update[start:-1])
        except ProtocolError:
            return None
        if beside is not None:
            needs: tuple[tuple[bytes, int], ...] = ((beside, _number(at)),)
        else:
            needs = ((left, _number(left_at)), (right, _number(right_at)))
        return Keystroke(client, _number(clock), length, 0, needs)
    found = ERASED.match(update)
    if found is None:
        return None
    client, clock, size = found.groups()
    first = _number(clock)
    return Keystroke(client, first, 0, size[0], ((client, first + size[0] - 1),))


def follows(stroke: Keystroke, clocks: Clocks) -> bool:
    """Whether a document that is at these clocks can take a keystroke at once, as something new."""
    for client, clock in stroke.needs:
        if clock >= clocks.get(client, 0):
            return False
    return not stroke.inserted or stroke.clock == clocks.get(stroke.client, 0)


def clocks_of(state: StateVector) -> Clocks:
    """A state vector with its clients as they are encoded."""
    return {varuint(client): clock for client, clock in state.items()}


def _number(encoded: bytes) -> int:
    if len(encoded) == 1:
        return encoded[0]
    number = 0
    for byte in reversed(encoded):
        number = number << 7 | byte & 0x7F
    return number
