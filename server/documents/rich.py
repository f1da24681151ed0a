"""Makes an XmlFragment hold other nodes by as small an edit as y-prosemirror would make.

Blocks at the beginning and the end that are to stay as they are, are not touched: others' carets
and edits in them survive. A block in between that only changes is changed in place.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from server.documents.edit import Edit, Place, canonical
from server.documents.items import Id, Item, Shared, utf16_units
from server.documents.plain import clean, runs
from server.documents.prosemirror import Element, Run, formats, overlapping_among, overlapping_in
from server.documents.tree import XML_ELEMENT, XML_TEXT, Tree
from server.protocol.structs import EMBED, FORMAT, STRING, TYPE
from server.protocol.values import MAX_DEPTH

Node = Element | Run
Formats = dict[str, Any]


class Piece(NamedTuple):
    """Characters of a Text beside each other, and their formats."""

    item: Item
    formats: Formats


def replace_nodes(tree: Tree, field: str, wanted: Sequence[Node], client: int) -> bytes:
    """The update that has a root XmlFragment hold just these nodes.

    client: of the edit; nobody else may write under it.
    """
    root = tree.root(field)
    overlapping = overlapping_in(_format_keys(root)) | overlapping_among(wanted)
    writer = _Writer(Edit(tree, client), overlapping)
    writer.children(root, wanted)
    return writer.edit.encode()


def _format_keys(shared: Shared) -> Iterator[str]:
    """The keys of all formats in a fragment."""
    waiting = [shared]
    while waiting:
        for item in waiting.pop().visible():
            if item.kind == TYPE:
                waiting.append(item.content)
            elif item.kind == FORMAT:
                yield item.content[0]


class _Writer:
    """Writes the differences between what is there and what is wanted."""

    def __init__(self, edit: Edit, overlapping: frozenset[str]) -> None:
        self.edit = edit
        self._overlapping = overlapping

    def children(self, parent: Shared, wanted: Sequence[Node]) -> None:
        """Make what a fragment or element holds what it is to be."""
        old = list(parent.visible())
        first, last = 0, 0
        shorter = min(len(old), len(wanted))
        while first < shorter and self._same(old[first], wanted[first]):
            first += 1
        while last < shorter - first and self._same(old[-1 - last], wanted[-1 - last]):
            last += 1
        while first + last < shorter and self._change(old[first], wanted[first]):
            first += 1
        while first + last < shorter and self._change(old[-1 - last], wanted[-1 - last]):
            last += 1
        for item in old[first : len(old) - last]:
            self.edit.delete_item(item)
        place = Place.behind(parent, old[first - 1] if first else None)
        for node in wanted[first : len(wanted) - last]:
            self._insert(place, node)

    def _same(self, old: Item, wanted: Node) -> bool:
        same: bool = _described(old) == self._wanted(wanted)
        return same

    def _wanted(self, node: Node) -> Any:
        """A node as `_described` describes one that is there."""
        if isinstance(node, Run):
            return _joined((text, canonical(formats)) for text, formats in self._formatted(node))
        content = [self._wanted(inner) for inner in node.content]
        return node.name, canonical(node.attrs), content

    def _formatted(self, run: Run) -> list[tuple[str, Formats]]:
        return [(text, formats(marks, self._overlapping)) for text, marks in run.texts]

    def _insert(self, place: Place, node: Node) -> None:
        if isinstance(node, Run):
            self._write(Place(self.edit.shared(place, XML_TEXT)), self._formatted(node), {}, {})
            return
        made: Id = self.edit.shared(place, XML_ELEMENT, node.name)
        for key, attr in node.attrs.items():
            self.edit.set(Place(made), key, attr)
        inside = Place(made)
        for inner in node.content:
            self._insert(inside, inner)

    def _change(self, old: Item, wanted: Node) -> bool:
        """Make what is there what is wanted, if it is of the same kind."""
        shared = old.content
        if not isinstance(shared, Shared):
            return False
        if isinstance(wanted, Run):
            if shared.kind != XML_TEXT or any(
                item.kind in (EMBED, TYPE) for item in shared.visible()
            ):
                return False
            self._change_text(shared, self._formatted(wanted))
            return True
        if shared.kind != XML_ELEMENT or shared.name != wanted.name:
            return False
        self._change_attributes(shared, wanted)
        self.children(shared, wanted.content)
        return True

    def _change_attributes(self, shared: Shared, wanted: Element) -> None:
        old = shared.values()
        for key, attr in wanted.attrs.items():
            if key not in old or canonical(clean(old[key])) != canonical(attr):
                self.edit.set(Place.of_key(shared, key), key, attr)
        for key in old.keys() - wanted.attrs.keys():
            self.edit.delete_item(shared.tails[key])

    def _change_text(self, shared: Shared, wanted: Sequence[tuple[str, Formats]]) -> None:
        pieces = _pieces(shared)
        old = [(char, canonical(piece.formats)) for piece in pieces for char in piece.item.content]
        new = [(char, key) for text, set in wanted for key in (canonical(set),) for char in text]
        first, last = 0, 0
        shorter = min(len(old), len(new))
        while first < shorter and old[first] == new[first]:
            first += 1
        while last < shorter - first and old[-1 - last] == new[-1 - last]:
            last += 1
        place, before = self._clear(shared, pieces, first, len(old) - last)
        after = _formats_at(pieces, len(old) - last)
        self._write(place, _between(wanted, first, len(new) - last), before, after)

    def _clear(
        self, shared: Shared, pieces: Sequence[Piece], start: int, end: int
    ) -> tuple[Place, Formats]:
        """Delete characters and the formats among them; where that was, and the formats before."""
        place, before = Place.behind(shared, None), {}
        done = 0
        for piece in pieces:
            item, text = piece.item, piece.item.content
            if done < start:
                kept = text[: start - done]
                place, before = Place.behind(shared, item), piece.formats
                if len(kept) < len(text):
                    clock = item.clock + utf16_units(kept)
                    place.left, place.right = (item.client, clock - 1), (item.client, clock)
            gone = text[max(0, start - done) : max(0, end - done)]
            if gone:
                clock = item.clock + utf16_units(text[: max(0, start - done)])
                self.edit.delete(item.client, clock, utf16_units(gone))
            done += len(text)
        seen = 0
        for item in shared.visible():
            if item.kind == FORMAT and start <= seen <= end:
                self.edit.delete_item(item)
            elif item.kind == STRING:
                seen += len(item.content)
        return place, before

    def _write(
        self, place: Place, texts: Sequence[tuple[str, Formats]], before: Formats, after: Formats
    ) -> None:
        """Insert formatted texts where formats are as before; behind them they are as after."""
        for text, set in texts:
            self._switch(place, before, set)
            self.edit.text(place, text)
            before = set
        self._switch(place, before, after)

    def _switch(self, place: Place, before: Formats, after: Formats) -> None:
        for key in before.keys() - after.keys():
            self.edit.format(place, key, None)
        for key, setting in after.items():
            if key not in before or canonical(before[key]) != canonical(setting):
                self.edit.format(place, key, setting)


def _described(item: Item, depth: int = MAX_DEPTH) -> Any:
    """What is there, to be compared: (name, attributes, content), or a list of formatted texts.

    None for what is not to stay in any case: nothing that deep is ever wanted.
    """
    shared = item.content
    if item.kind != TYPE or shared.kind not in (XML_ELEMENT, XML_TEXT) or depth < 0:
        return None
    if shared.kind == XML_TEXT:
        texts = runs(shared)
        if not all(isinstance(text, str) for text, _ in texts):
            return None
        return _joined((text, canonical(clean(formats))) for text, formats in texts)
    attributes = {key: clean(attr) for key, attr in shared.values().items() if _is_value(attr)}
    content = [_described(inner, depth - 1) for inner in shared.visible()]
    return shared.name, canonical(attributes), content


def _is_value(attr: Any) -> bool:
    return not isinstance(attr, Shared)


def _joined(texts: Any) -> list[tuple[str, str]]:
    """Texts with equal formats beside each other as one."""
    found: list[tuple[str, str]] = []
    for text, key in texts:
        if found and found[-1][1] == key:
            found[-1] = (found[-1][0] + text, key)
        else:
            found.append((text, key))
    return found


def _pieces(shared: Shared) -> list[Piece]:
    pieces = []
    current: Formats = {}
    for item in shared.visible():
        if item.kind == STRING:
            pieces.append(Piece(item, current))
        elif item.kind == FORMAT:
            key, setting = item.content
            current = {other: value for other, value in current.items() if other != key}
            if setting is not None:
                current[key] = clean(setting)
    return pieces


def _formats_at(pieces: Sequence[Piece], at: int) -> Formats:
    """The formats of a character; none behind the last."""
    for piece in pieces:
        if at < len(piece.item.content):
            return piece.formats
        at -= len(piece.item.content)
    return {}


def _between(
    texts: Sequence[tuple[str, Formats]], start: int, end: int
) -> list[tuple[str, Formats]]:
    """Part of formatted texts, in characters."""
    found = []
    done = 0
    for text, set in texts:
        part = text[max(0, start - done) : max(0, end - done)]
        if part:
            found.append((part, set))
        done += len(text)
    return found
