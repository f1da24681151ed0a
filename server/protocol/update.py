"""What can be read off an encoded Yjs update without applying it: clocks and deletions.

Source: https://github.com/yjs/yjs (src/utils/encoding.js, DeleteSet.js), update format v1.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from server.protocol.lib0 import Reader

EMPTY = b"\x00\x00"  # no structs, no deletions
NOTHING = b"\x00"  # the state vector of who has nothing yet

StateVector = dict[int, int]  # client → the clock that comes next
DeleteSet = dict[int, list[tuple[int, int]]]  # client → [start, end) of clocks, sorted, disjoint


def read_state_vector(encoded: bytes) -> StateVector:
    """An encoded state vector as a mapping; raises ProtocolError."""
    reader = Reader(encoded)
    state = {reader.varuint(): reader.varuint() for _ in range(reader.varuint())}
    reader.end()
    return state


def has_structs(update: bytes) -> bool:
    """Whether an update inserts anything."""
    return Reader(update).varuint() > 0


def read_delete_set(update: bytes) -> DeleteSet:
    """The deletions of an update that has no structs; raises ProtocolError."""
    reader = Reader(update)
    assert reader.varuint() == 0, "the update has structs in front of its delete set"
    return read_deletes(reader)


def read_deletes(reader: Reader, spend: Callable[[int], None] | None = None) -> DeleteSet:
    """The delete set that comes next; raises ProtocolError.

    spend: is told of so many parts that are to be read, and may raise if they are too many.
    """
    deletes: DeleteSet = {}
    for _ in range(reader.varuint()):
        client, count = reader.varuint(), reader.varuint()
        if spend is not None:
            spend(count + 1)
        ranges = deletes.setdefault(client, [])
        for _ in range(count):
            clock = reader.varuint()
            ranges.append((clock, clock + reader.varuint()))
    return {client: _joined(ranges) for client, ranges in deletes.items()}


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    return joined


def deletes_known(deletes: DeleteSet, state: StateVector) -> bool:
    """Whether all that is deleted was inserted before, as far as `state` goes."""
    return all(
        not ranges or ranges[-1][1] <= state.get(client, 0) for client, ranges in deletes.items()
    )


def deletes_within(deletes: DeleteSet, done: DeleteSet) -> bool:
    """Whether all that `deletes` deletes is deleted in `done` already."""
    for client, ranges in deletes.items():
        others = done.get(client, [])
        for start, end in ranges:
            at = bisect_right(others, start, key=lambda other: other[0]) - 1
            if at < 0 or others[at][1] < end:
                return False
    return True


def uncovered(deletes: DeleteSet, done: DeleteSet) -> DeleteSet:
    """What of `deletes` is not deleted in `done`."""
    return {client: _minus(ranges, done.get(client, [])) for client, ranges in deletes.items()}


def _minus(
    ranges: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    left = []
    at = 0
    for start, end in ranges:
        while at < len(others) and others[at][1] <= start:
            at += 1
        look = at  # the last one may reach into the next range as well
        while look < len(others) and others[look][0] < end:
            if others[look][0] > start:
                left.append((start, others[look][0]))
            start = max(start, others[look][1])
            look += 1
        if start < end:
            left.append((start, end))
    return left
