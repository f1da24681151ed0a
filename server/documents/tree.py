"""A document put together from its items, in the order that all Yjs documents agree on. Pure.

Source: https://github.com/yjs/yjs (src/structs/Item.js, integrate), the YATA algorithm.
"""

from bisect import bisect_right

from server.documents.items import Id, Item, Items, Shared, read_items
from server.documents.reading import opened
from server.errors import Conflict, ProtocolError
from server.protocol.structs import EMBED, FORMAT, STRING, TYPE
from server.protocol.update import DeleteSet

ARRAY, MAP, TEXT, XML_ELEMENT, XML_FRAGMENT, XML_HOOK, XML_TEXT = range(7)  # kinds of Shared
KINDS = ("Array", "Map", "Text", "XmlElement", "XmlFragment", "XmlHook", "XmlText")
XML = (XML_ELEMENT, XML_HOOK, XML_TEXT)

MAX_STEPS = 5_000_000  # in deciding what stands where: that may cost the square of concurrent edits


class Unreadable(Conflict):
    """This document holds what only made-up updates hold; it can only be read as a Yjs update."""


class Tangled(Unreadable):
    """So much of this document was written at the same places at once that it can't be read."""


class Tree:
    """A document's shared types by name, and what edits of it need.

    roots: with their kind, None where nothing tells it. Raises Unreadable.
    """

    def __init__(self, encoded: bytes) -> None:
        try:
            self._items, deletes = read_items(opened(encoded).get_update())
        except ProtocolError:
            raise Unreadable from None
        self.roots: dict[str, Shared] = {}
        self._clocks = {client: [item.clock for item in own] for client, own in self._items.items()}
        self._steps = 0
        for item in _in_order(self._items):
            self._take(item)
        self._delete(deletes)
        for root in self.roots.values():
            root.kind = _kind_of(root)

    def clock(self, client: int) -> int:
        """The clock that comes next for a client."""
        own = self._items.get(client)
        return own[-1].clock + own[-1].length if own else 0

    def root(self, name: str) -> Shared:
        """A root, made if there is none."""
        return self.roots.setdefault(name, Shared(None, "", name))

    def _find(self, id: Id) -> Item:
        client, clock = id
        own = self._items.get(client, [])
        at = bisect_right(self._clocks.get(client, []), clock) - 1
        if at < 0 or clock >= own[at].clock + own[at].length:
            raise Unreadable
        return own[at]

    def _take(self, item: Item) -> None:
        """Put an item into its place; all that it refers to is in place already."""
        left = None if item.origin is None else self._find(item.origin)
        right = None if item.right_origin is None else self._find(item.right_origin)
        parent = self._parent(item, left, right)
        item.parent = parent
        if parent is None:  # what it stood in was deleted, and forgotten
            item.deleted = True
            return
        head = parent.first if item.key is None else parent.heads.get(item.key)
        if (left is None and (right is None or right.left is not None)) or (
            left is not None and left.right is not right
        ):
            left = self._place(item, left, right, head)
        item.left = left
        item.right = head if left is None else left.right
        if left is not None:
            left.right = item
        elif item.key is None:
            parent.first = item
        else:
            parent.heads[item.key] = item
        if item.right is not None:
            item.right.left = item
        elif item.key is not None:
            parent.tails[item.key] = item

    def _parent(self, item: Item, left: Item | None, right: Item | None) -> Shared | None:
        if isinstance(item.parent, str):
            return self.root(item.parent)
        if isinstance(item.parent, tuple):
            holder = self._find(item.parent)
            return holder.content if holder.kind == TYPE else None
        for side in (left, right):
            if side is not None and not isinstance(side.parent, Shared):
                return None
        beside = left or right
        if beside is None:  # deleted, and forgotten
            return None
        item.key = beside.key
        return beside.parent if isinstance(beside.parent, Shared) else None

    def _place(
        self, item: Item, left: Item | None, right: Item | None, head: Item | None
    ) -> Item | None:
        """What an item comes behind of those that were inserted at the same place at once."""
        other = head if left is None else left.right
        conflicting: set[Id] = set()
        before: set[Id] = set()
        while other is not None and other is not right:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise Tangled
            before.add(other.last_id)
            conflicting.add(other.last_id)
            if item.origin == other.origin:
                if other.client < item.client:
                    left = other
                    conflicting.clear()
                elif item.right_origin == other.right_origin:
                    break
            elif other.origin is not None and other.origin in before:
                if other.origin not in conflicting:
                    left = other
                    conflicting.clear()
            else:
                break
            other = other.right
        return left

    def _delete(self, deletes: DeleteSet) -> None:
        for client, ranges in deletes.items():
            own, clocks = self._items.get(client, []), self._clocks.get(client, [])
            for start, end in ranges:
                at = max(0, bisect_right(clocks, start) - 1)
                while at < len(own) and own[at].clock < end:
                    own[at].deleted = True
                    at += 1


def _in_order(items: Items) -> list[Item]:
    """All items, each behind those that it refers to."""
    ordered: list[Item] = []
    place = dict.fromkeys(items, 0)
    for client in sorted(items, reverse=True):
        targets = [(client, len(items[client]))]  # up to which piece of whom
        while targets:
            current, target = targets[-1]
            if place[current] >= target:
                targets.pop()
                continue
            item = items[current][place[current]]
            missing = _missing(item, items, place)
            if missing is None:
                ordered.append(item)
                place[current] += 1
            elif len(targets) > len(items):
                raise Unreadable  # they wait for each other
            else:
                targets.append(missing)
    return ordered


def _missing(item: Item, items: Items, place: dict[int, int]) -> tuple[int, int] | None:
    """Whose pieces have to come first, and how many more of them at least."""
    references = (item.origin, item.right_origin, item.parent)
    for reference in references:
        if isinstance(reference, tuple):
            client, clock = reference
            own, at = items.get(client, []), place.get(client, 0)
            if at < len(own) and own[at].clock <= clock:
                return client, at + 1
    return None


def _kind_of(root: Shared) -> int | None:
    """The kind of a root by what it holds; None if that is nothing any more.

    An Array that holds nothing but XML elements looks as an XmlFragment does, and is taken for one.
    """
    items = list(root.visible()) or [item for item in root.items() if item.content is not None]
    if any(item.kind in (STRING, FORMAT, EMBED) for item in items):
        return TEXT
    if items:
        xml = all(item.kind == TYPE and item.content.kind in XML for item in items)
        return XML_FRAGMENT if xml else ARRAY
    return MAP if root.tails else None
