"""A Yjs update taken apart into items, cut where others begin, end or refer to them.

pycrdt hides what exports need: which kind a root is of, and values of XML attributes that are no
text. So documents are read from their bytes here.
Source: https://github.com/yjs/yjs (src/structs, src/utils/encoding.js), update format v1.
"""

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from server.errors import ProtocolError
from server.protocol.lib0 import Reader
from server.protocol.structs import (
    ANY,
    BINARY,
    DELETED,
    DOC,
    EMBED,
    FORMAT,
    GC,
    HAS_ORIGIN,
    HAS_PARENT_SUB,
    HAS_RIGHT_ORIGIN,
    JSON,
    REF,
    SKIP,
    STRING,
    TYPE,
    TYPES,
    TYPES_WITH_NAME,
)
from server.protocol.update import DeleteSet, read_deletes
from server.protocol.values import Special, read_value

Id = tuple[int, int]  # client and clock


class Subdocument(NamedTuple):
    """A reference to a document within a document."""

    guid: str


class Shared:
    """A shared type. kind: see `tree`, None for a root, which nothing but its content tells.

    parent: by what its content names it, a root's name or the id of the item that holds it. name:
    of an XML element. first: of its sequence. heads, tails: the oldest and the newest item of each
    key.
    """

    __slots__ = ("first", "heads", "kind", "name", "parent", "tails")

    def __init__(self, kind: int | None, name: str, parent: "str | Id") -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.first: Item | None = None
        self.heads: dict[str, Item] = {}
        self.tails: dict[str, Item] = {}

    def items(self) -> Iterator["Item"]:
        """Its sequence, with what was deleted."""
        item = self.first
        while item is not None:
            yield item
            item = item.right

    def visible(self) -> Iterator["Item"]:
        """Its sequence without what was deleted."""
        return (item for item in self.items() if not item.deleted)

    def values(self) -> dict[str, Any]:
        """Its keys and their values."""
        return {
            key: item.content[-1] if item.kind in (ANY, JSON, STRING) else item.content
            for key, item in self.tails.items()
            if not item.deleted
        }


class Item:
    """One piece of a document, as one client inserted it.

    content: by kind. parent: the shared type, and before it is known how the update names it.
    """

    __slots__ = (
        "client",
        "clock",
        "content",
        "deleted",
        "key",
        "kind",
        "left",
        "length",
        "origin",
        "parent",
        "right",
        "right_origin",
    )

    def __init__(self, client: int, clock: int, kind: int) -> None:
        self.client = client
        self.clock = clock
        self.kind = kind
        self.length = 1
        self.content: Any = None
        self.origin: Id | None = None
        self.right_origin: Id | None = None
        self.parent: Shared | str | Id | None = None
        self.key: str | None = None
        self.deleted = kind in (GC, DELETED)
        self.left: Item | None = None
        self.right: Item | None = None

    @property
    def id(self) -> Id:
        """Its first unit."""
        return self.client, self.clock

    @property
    def last_id(self) -> Id:
        """Its last unit."""
        return self.client, self.clock + self.length - 1

    def split(self, clock: int) -> "Item":
        """Cut it in two before a clock; returns the second."""
        rest = Item(self.client, clock, self.kind)
        at = clock - self.clock
        rest.length, self.length = self.length - at, at
        rest.origin, rest.right_origin = self.last_id, self.right_origin
        if self.kind == STRING:
            units = self.content.encode("utf-16-le", "surrogatepass")
            self.content = units[: 2 * at].decode("utf-16-le", "surrogatepass")
            rest.content = units[2 * at :].decode("utf-16-le", "surrogatepass")
        elif self.kind in (ANY, JSON):
            self.content, rest.content = self.content[:at], self.content[at:]
        return rest


Items = dict[int, list[Item]]


def read_items(update: bytes) -> tuple[Items, DeleteSet]:
    """All items by client and clock, and what is deleted; raises ProtocolError."""
    reader = Reader(update)
    items: Items = {}
    for _ in range(reader.varuint()):
        count, client, clock = reader.varuint(), reader.varuint(), reader.varuint()
        found = items.setdefault(client, [])
        for _ in range(count):
            item = _read_item(reader, client, clock)
            found.append(item)
            clock += item.length
    deletes = read_deletes(reader)
    reader.end()
    return _cut(items, deletes), deletes


def _read_item(reader: Reader, client: int, clock: int) -> Item:
    info = reader.byte()
    item = Item(client, clock, info & REF)
    if item.kind == GC:
        item.length = reader.varuint()
        return item
    if item.kind == SKIP:
        raise ProtocolError("the update lacks something")
    if info & HAS_ORIGIN:
        item.origin = (reader.varuint(), reader.varuint())
    if info & HAS_RIGHT_ORIGIN:
        item.right_origin = (reader.varuint(), reader.varuint())
    if not info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN):
        named = reader.varuint()
        item.parent = reader.varstring() if named else (reader.varuint(), reader.varuint())
        if info & HAS_PARENT_SUB:
            item.key = reader.varstring()
    if item.kind not in CONTENTS:
        raise ProtocolError(f"there is no content of kind {item.kind}")
    CONTENTS[item.kind](reader, item)
    return item


def _deleted(reader: Reader, item: Item) -> None:
    item.length = reader.varuint()


def _json(reader: Reader, item: Item) -> None:
    item.length = reader.varuint()
    item.content = [_parsed(reader.varstring()) for _ in range(item.length)]


def _binary(reader: Reader, item: Item) -> None:
    item.content = reader.varbuf()


def _string(reader: Reader, item: Item) -> None:
    item.content = reader.varstring()
    item.length = utf16_units(item.content)


def _embed(reader: Reader, item: Item) -> None:
    item.content = _parsed(reader.varstring())


def _format(reader: Reader, item: Item) -> None:
    item.content = (reader.varstring(), _parsed(reader.varstring()))


def _type(reader: Reader, item: Item) -> None:
    kind = reader.varuint()
    if kind >= TYPES:
        raise ProtocolError(f"there is no shared type of kind {kind}")
    item.content = Shared(kind, reader.varstring() if kind in TYPES_WITH_NAME else "", item.id)


def _any(reader: Reader, item: Item) -> None:
    item.length = reader.varuint()
    item.content = [read_value(reader) for _ in range(item.length)]


def _doc(reader: Reader, item: Item) -> None:
    item.content = Subdocument(reader.varstring())
    read_value(reader)


CONTENTS: dict[int, Callable[[Reader, Item], None]] = {
    DELETED: _deleted,
    JSON: _json,
    BINARY: _binary,
    STRING: _string,
    EMBED: _embed,
    FORMAT: _format,
    TYPE: _type,
    ANY: _any,
    DOC: _doc,
}


def _parsed(text: str) -> Any:
    """A value written as JSON, or as `undefined`."""
    if text == "undefined":
        return Special.UNDEFINED
    try:
        return json.loads(text)
    except RecursionError:
        return Special.TOO_DEEP
    except ValueError:
        raise ProtocolError("a value is no JSON") from None


def utf16_units(text: str) -> int:
    """How long JavaScript finds a text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(items: Items, deletes: DeleteSet) -> Items:
    """Pieces so that every reference and every deletion meets the edges of one."""
    cuts: defaultdict[int, set[int]] = defaultdict(set)
    for found in items.values():
        for item in found:
            if item.origin is not None:
                cuts[item.origin[0]].add(item.origin[1] + 1)
            if item.right_origin is not None:
                cuts[item.right_origin[0]].add(item.right_origin[1])
    for client, ranges in deletes.items():
        cuts[client].update(clock for edges in ranges for clock in edges)
    return {client: _pieces(found, sorted(cuts[client])) for client, found in items.items()}


def _pieces(items: list[Item], cuts: list[int]) -> list[Item]:
    pieces = []
    for item in items:
        start = bisect_right(cuts, item.clock)
        end = bisect_left(cuts, item.clock + item.length)
        pieces.append(item)
        for clock in cuts[start:end]:
            pieces.append(pieces[-1].split(clock))
    return pieces
