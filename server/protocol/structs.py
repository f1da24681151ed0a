"""How much an encoded Yjs update inserts and deletes, read off it without applying it.

Source: https://github.com/yjs/yjs (src/structs, src/utils/encoding.js), update format v1, and
https://github.com/dmonad/lib0 (encoding.js).
"""

from collections.abc import Callable
from typing import NamedTuple

from server.errors import ProtocolError
from server.protocol.keystrokes import keystroke
from server.protocol.lib0 import Reader, utf16_length
from server.protocol.update import DeleteSet, read_deletes, uncovered
from server.protocol.values import skip_values

HAS_ORIGIN, HAS_RIGHT_ORIGIN, HAS_PARENT_SUB, REF = 0x80, 0x40, 0x20, 0x1F
GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)
TYPES, TYPES_WITH_NAME = 7, (3, 5)  # YXmlElement and YXmlHook have one


class Measured(NamedTuple):
    """What an update does to text, in UTF-16 code units, as editors and Yjs count.

    deleted: whatever was there before; a replaced value of a map counts as one.
    """

    inserted: int
    deleted: int


def measure(update: bytes, parts: int = 0, done: DeleteSet | None = None) -> Measured:
    """Count what an update inserts and deletes.

    Text that was deleted before it was first sent is neither. parts: of how many structs, values
    and deletions it may consist, 0 for any number. done: what was deleted before; it does not
    count again. Raises ProtocolError if these bytes are no update or have more parts. Bytes within
    strings that are no text are not looked into.
    """
    if done is None:
        stroke = keystroke(update)
        if stroke is not None:
            return Measured(stroke.inserted, stroke.deleted)
    walk = Walk(update, parts)
    inserted = walk.structs()
    deleted = walk.deletes() if done is None else walk.deletes_beyond(done)
    walk.reader.end()
    return Measured(inserted, max(0, deleted - walk.unseen))


class Walk:
    """One way through the structs of an update; parts: as `measure` takes it.

    unseen: clocks of what came deleted already, which the delete set behind names as well.
    """

    __slots__ = ("_left", "reader", "unseen")

    def __init__(self, update: bytes, parts: int = 0) -> None:
        self.reader = Reader(update)
        self.unseen = 0
        self._left = parts or len(update) + 1  # each takes a byte at least

    def spend(self, parts: int) -> None:
        """Take note of so many parts that are to come."""
        self._left -= parts
        if self._left < 0:
            raise ProtocolError("the update has more parts than are looked at")

    def structs(self) -> int:
        """Read all structs; returns the length of their text."""
        reader, inserted = self.reader, 0
        for _ in range(reader.varuint()):
            count = reader.varuint()
            self.spend(count + 1)
            reader.skip_numbers(2)  # client and clock
            for _ in range(count):
                info = reader.byte()
                ref = info & REF
                if ref in (GC, SKIP):
                    length = reader.varuint()
                    if ref == GC:
                        self.unseen += length
                    continue
                self._place(info)
                if ref == STRING:
                    inserted += utf16_length(reader.varbuf())
                elif ref in CONTENTS:
                    CONTENTS[ref](self)
                else:
                    raise ProtocolError(f"there is no content of kind {ref}")
        return inserted

    def deletes(self) -> int:
        """Read the delete set; returns how much it deletes."""
        reader, deleted = self.reader, 0
        for _ in range(reader.varuint()):
            reader.skip_numbers(1)  # client
            count = reader.varuint()
            self.spend(count + 1)
            for _ in range(count):
                reader.skip_numbers(1)  # clock
                deleted += reader.varuint()
        return deleted

    def deletes_beyond(self, done: DeleteSet) -> int:
        """The same, without what was deleted before."""
        deletes = uncovered(read_deletes(self.reader, self.spend), done)
        return sum(end - start for ranges in deletes.values() for start, end in ranges)

    def _place(self, info: int) -> None:
        """Where an item stands: beside others, or in a parent."""
        reader = self.reader
        if info & HAS_ORIGIN:
            reader.skip_numbers(4 if info & HAS_RIGHT_ORIGIN else 2)  # ids: client and clock
            return
        if info & HAS_RIGHT_ORIGIN:
            reader.skip_numbers(2)
            return
        if reader.varuint():
            reader.varbuf()  # the name of a root type
        else:
            reader.skip_numbers(2)
        if info & HAS_PARENT_SUB:
            reader.varbuf()

    def deleted(self) -> None:
        self.unseen += self.reader.varuint()

    def strings(self) -> None:
        count = self.reader.varuint()
        self.spend(count)
        for _ in range(count):
            self.reader.varbuf()

    def string(self) -> None:
        self.reader.varbuf()

    def format(self) -> None:
        self.reader.varbuf()
        self.reader.varbuf()

    def type(self) -> None:
        kind = self.reader.varuint()
        if kind >= TYPES:
            raise ProtocolError(f"there is no shared type of kind {kind}")
        if kind in TYPES_WITH_NAME:
            self.reader.varbuf()

    def doc(self) -> None:
        self.reader.varbuf()
        skip_values(self.reader, 1, spend=self.spend)

    def any(self) -> None:
        skip_values(self.reader, self.reader.varuint(), spend=self.spend)


CONTENTS: dict[int, Callable[[Walk], None]] = {
    DELETED: Walk.deleted,
    JSON: Walk.strings,
    BINARY: Walk.string,
    EMBED: Walk.string,
    FORMAT: Walk.format,
    TYPE: Walk.type,
    ANY: Walk.any,
    DOC: Walk.doc,
}
