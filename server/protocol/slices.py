"""Cuts a large update into small ones that can be integrated one behind the other. Pure.

An item builds on those that it was inserted beside, on its parent, and on what its client did
before. So each client's structs are cut into segments, wherever an item builds on more of another
client than those before it did, and a segment comes as soon as all that it builds on is there.
Source: https://github.com/yjs/yjs (src/structs/Item.js, getMissing), update format v1.
"""

import heapq
import re
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from server.errors import ProtocolError
from server.protocol.lib0 import MAX_VARUINT, utf16_length, varuint
from server.protocol.structs import (
    ANY,
    CONTENTS,
    DELETED,
    GC,
    HAS_ORIGIN,
    HAS_PARENT_SUB,
    HAS_RIGHT_ORIGIN,
    JSON,
    REF,
    SKIP,
    STRING,
    Walk,
)
from server.protocol.update import EMPTY

MOST_STRUCTS = 1_000  # or deletions, of one slice: about a millisecond of integrating
MOST_BYTES = 64 * 2**10  # of one slice, unless a single segment is larger
SEGMENT_STRUCTS = 250
SEGMENT_BYTES = 16 * 2**10
READ_AT_ONCE = 250  # structs: less than a millisecond

# What most structs are: text or something deleted, beside other items, shorter than 128. Captured
# are the clients of what is on the left or right, or of both.
BESIDE = re.compile(
    rb"(?:[\x84\x44\x81\x41](V)V|[\xc4\xc1](V)V(V)V)[\x00-\x7f]".replace(
        b"V", rb"[\x80-\xff]{0,7}[\x00-\x7f]"
    )
)

FIXED = 6  # numbers of a segment in front of what it needs, how much that is included

Id = tuple[int, int]  # client and clock
Ids = tuple[Id, ...]
Clocks = Mapping[int, int]  # client → the clock that comes next


class _Segment(NamedTuple):
    """Structs of one client behind each other: where they are, and what they build on."""

    start: int
    end: int
    clock: int
    next_clock: int
    structs: int
    needs: Ids


class _Group:
    """The structs of one client in an update, and which of them are in no slice yet.

    Segments are kept as bare numbers: Python's garbage collector would look through hundreds of
    thousands of objects again and again, for longer than anybody may hold the event loop.
    """

    __slots__ = ("_at", "_numbers", "client")

    def __init__(self, client: int) -> None:
        self.client = client
        self._numbers = array("q")
        self._at = 0

    def append(self, segment: _Segment) -> None:
        """Add a segment behind all others; raises ProtocolError if its clocks are too large."""
        if segment.next_clock > MAX_VARUINT:
            raise ProtocolError(f"the clock {segment.next_clock} has more than 53 bits")
        *numbers, needs = segment
        self._numbers.extend((*numbers, len(needs), *chain.from_iterable(needs)))

    @property
    def done(self) -> bool:
        """Whether all are in slices."""
        return self._at >= len(self._numbers)

    @property
    def next(self) -> _Segment:
        """The first that is in no slice yet."""
        at, numbers = self._at + FIXED, self._numbers
        start, end, clock, next_clock, structs, count = numbers[self._at : at]
        needs = tuple((numbers[pair], numbers[pair + 1]) for pair in range(at, at + 2 * count, 2))
        return _Segment(start, end, clock, next_clock, structs, needs)

    def advance(self) -> None:
        """The next one is in a slice now."""
        self._at += FIXED + 2 * self._numbers[self._at + FIXED - 1]


class _Deletions(NamedTuple):
    """Some of one client's deletions: how many, and where they are."""

    client: int
    ranges: int
    start: int
    end: int


def slices(update: bytes, state: Clocks) -> Iterator[bytes]:
    """Cut an update into several, for a document with this state vector.

    Integrated in this order they make the same document, and none waits for a later one; what
    builds on nothing that is there comes in one piece behind all others. EMPTY comes where there
    was only something to read, so that no step takes long. Raises ProtocolError if these bytes
    are no update, before the first slice.
    """
    reading = _Reading(update, state)
    yield from reading.structs()
    yield from reading.deletes()
    yield from _inserting(update, reading.groups, dict(state))
    yield from _deleting(update, reading.deletions)


class _Reading:
    """One way through an update, with pauses."""

    def __init__(self, update: bytes, state: Clocks) -> None:
        self._update = update
        self._state = state
        self._walk = Walk(update)
        self._reader = self._walk.reader
        self.groups: list[_Group] = []
        self.deletions: list[_Deletions] = []

    def structs(self) -> Iterator[bytes]:
        """Read all structs."""
        reader = self._reader
        for _ in range(reader.varuint()):
            count, client, clock = reader.varuint(), reader.varuint(), reader.varuint()
            group = _Group(client)
            self.groups.append(group)
            yield from self._segments(group, count, clock)

    def _segments(self, group: _Group, left: int, clock: int) -> Iterator[bytes]:
        reader, state, client, own = self._reader, self._state, group.client, varuint(group.client)
        known: dict[int, int] = {}  # what is there as soon as this client's structs so far can be
        start = position = reader.position
        first, count = clock, 0
        needs: Ids = ()
        for index in range(left):
            if index % READ_AT_ONCE == 0:
                yield EMPTY
            length, ids, end = self._struct(position, client, clock, own)
            new = ids and tuple(
                id_ for id_ in ids if known.get(id_[0], state.get(id_[0], 0)) <= id_[1]
            )
            if count and (new or count >= SEGMENT_STRUCTS or position - start >= SEGMENT_BYTES):
                group.append(_Segment(start, position, first, clock, count, needs))
                start, first, count, needs = position, clock, 0, ()
            if new:
                needs = new
                known.update((other, needed + 1) for other, needed in sorted(new))
            position = end
            clock += length
            count += 1
        reader.position = position
        if count:
            group.append(_Segment(start, position, first, clock, count, needs))

    def _struct(self, position: int, client: int, clock: int, own: bytes) -> tuple[int, Ids, int]:
        """Read a struct; returns its length, what of other clients it builds on, and its end."""
        update = self._update
        beside = BESIDE.match(update, position)
        if beside is not None:
            end = beside.end()
            length = update[end - 1]
            if update[position] & REF == STRING:
                text = update[end : end + length]
                end += length
                if not text.isascii():
                    length = utf16_length(text)
            if end <= len(update):
                left, origin, right = beside.groups()
                if left == own or (origin == own and right == own):
                    return length, (), end
                return length, self._ids(position, client), end
        reader = self._reader
        reader.position = position
        length, ids = self._any_struct(client, clock)
        return length, ids, reader.position

    def _ids(self, position: int, client: int) -> Ids:
        """What an item that has others beside it builds on, but for its own client's."""
        reader = self._reader
        reader.position = position
        info = reader.byte()
        ids = []
        if info & HAS_ORIGIN:
            ids.append((reader.varuint(), reader.varuint()))
        if info & HAS_RIGHT_ORIGIN:
            ids.append((reader.varuint(), reader.varuint()))
        return tuple(id_ for id_ in ids if id_[0] != client)

    def _any_struct(self, client: int, clock: int) -> tuple[int, Ids]:
        reader = self._reader
        start = reader.position
        info = reader.byte()
        ref = info & REF
        if ref == GC:
            return reader.varuint(), ()
        if ref == SKIP:  # a gap: what follows builds on what is not in this update
            length = reader.varuint()
            return length, ((client, clock + length - 1),)
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN):
            ids = self._ids(start, client)
        else:
            ids = self._parent(client)
            if info & HAS_PARENT_SUB:
                reader.varbuf()
        return self._content(ref), ids

    def _parent(self, client: int) -> Ids:
        reader = self._reader
        if reader.varuint():
            reader.varbuf()  # the name of a root type
            return ()
        id_ = (reader.varuint(), reader.varuint())
        return (id_,) if id_[0] != client else ()

    def _content(self, ref: int) -> int:
        """Read an item's content; returns its length."""
        reader = self._reader
        if ref == DELETED:
            return reader.varuint()
        if ref == STRING:
            return utf16_length(reader.varbuf())
        if ref not in CONTENTS:
            raise ProtocolError(f"there is no content of kind {ref}")
        start = reader.position
        CONTENTS[ref](self._walk)
        if ref not in (JSON, ANY):
            return 1
        end, reader.position = reader.position, start
        count, reader.position = reader.varuint(), end
        return count

    def deletes(self) -> Iterator[bytes]:
        """Read all deletions."""
        reader = self._reader
        for _ in range(reader.varuint()):
            client, left = reader.varuint(), reader.varuint()
            while left:
                yield EMPTY
                count, start = min(left, MOST_STRUCTS), reader.position
                reader.skip_numbers(2 * count)
                self.deletions.append(_Deletions(client, count, start, reader.position))
                left -= count
        reader.end()


class _Slice:
    """Segments for one update: those of a client are one stretch of the bytes they came in."""

    def __init__(self) -> None:
        self._stretches: dict[int, list[_Segment]] = {}
        self._count = 0
        self._bytes = 0

    def takes(self, client: int, segment: _Segment, most: bool = True) -> bool:
        """Whether a segment fits in; most: the bounds of a slice count."""
        stretch = self._stretches.get(client)
        if stretch is not None and stretch[-1].end != segment.start:
            return False
        size = segment.end - segment.start
        small = self._count + segment.structs <= MOST_STRUCTS and self._bytes + size <= MOST_BYTES
        return small or not self._count or not most

    def add(self, client: int, segment: _Segment) -> None:
        """Take a segment in."""
        self._stretches.setdefault(client, []).append(segment)
        self._count += segment.structs
        self._bytes += segment.end - segment.start

    def encode(self, update: bytes) -> bytes:
        """As an update, of bytes of the one it was read from."""
        encoded = [varuint(len(self._stretches))]
        for client, segments in self._stretches.items():
            count = sum(segment.structs for segment in segments)
            encoded += [varuint(count), varuint(client), varuint(segments[0].clock)]
            encoded.append(update[segments[0].start : segments[-1].end])
        return b"".join(encoded) + b"\x00"


def _inserting(update: bytes, groups: list[_Group], done: dict[int, int]) -> Iterator[bytes]:
    """The structs of all groups in an order in which they can be integrated.

    done: what is there, as it grows.
    """
    waiting: dict[int, list[Id]] = {}  # client → heap of clocks and the groups that wait for them
    ready = deque(range(len(groups)))
    current = _Slice()
    while ready:
        number = ready.popleft()
        group = groups[number]
        client = group.client
        while not group.done:
            segment = group.next
            missing = _missing(client, segment, done)
            if missing is not None:
                heapq.heappush(waiting.setdefault(missing[0], []), (missing[1], number))
                break
            if not current.takes(client, segment):
                yield current.encode(update)
                current = _Slice()
            current.add(client, segment)
            done[client] = max(done.get(client, 0), segment.next_clock)
            group.advance()
        waits = waiting.get(client)
        while waits and waits[0][0] < done.get(client, 0):
            ready.append(heapq.heappop(waits)[1])
    yield current.encode(update)
    yield from _left(update, groups)


def _missing(client: int, segment: _Segment, done: Clocks) -> Id | None:
    """Something that a segment builds on and that is not there."""
    if done.get(client, 0) < segment.clock:
        return client, segment.clock - 1
    for id_ in segment.needs:
        if done.get(id_[0], 0) <= id_[1]:
            return id_
    return None


def _left(update: bytes, groups: list[_Group]) -> Iterator[bytes]:
    """What is in no slice yet, since it builds on what is not there."""
    current = _Slice()
    for group in groups:
        while not group.done:
            segment = group.next
            group.advance()
            if not current.takes(group.client, segment, most=False):
                yield current.encode(update)
                current = _Slice()
            current.add(group.client, segment)
    yield current.encode(update)


def _deleting(update: bytes, deletions: list[_Deletions]) -> Iterator[bytes]:
    """All deletions, a bounded number at once and no client twice in one update."""
    at_once: dict[int, _Deletions] = {}
    count = 0
    for some in deletions:
        if some.client in at_once or count + some.ranges > MOST_STRUCTS:
            yield _encode_deletions(update, at_once.values())
            at_once, count = {}, 0
        at_once[some.client] = some
        count += some.ranges
    yield _encode_deletions(update, at_once.values())


def _encode_deletions(update: bytes, deletions: Collection[_Deletions]) -> bytes:
    encoded = [b"\x00", varuint(len(deletions))]
    for some in deletions:
        encoded += [varuint(some.client), varuint(some.ranges), update[some.start : some.end]]
    return b"".join(encoded)
