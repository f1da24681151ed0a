"""Shared types as plain JSON values.

A Text becomes a string (formats and embedded things are left out), a Map an object, an Array a
list, an XmlFragment or XmlElement a list of nodes as ProseMirror writes them. What JSON has no word
for: bytes are `{"$binary": base64}`, a subdocument is `{"$document": its guid}`, NaN and the
infinities are null, an undefined value is left out of objects and null in lists, a bigint is a
number.
"""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from server.documents.items import Item, Shared, Subdocument
from server.documents.tree import ARRAY, MAP, TEXT, XML_ELEMENT, XML_HOOK, XML_TEXT, Tree
from server.errors import Conflict
from server.protocol.structs import ANY, BINARY, DOC, EMBED, FORMAT, JSON, STRING, TYPE
from server.protocol.values import MAX_DEPTH, Special

EXACT = 2**53  # up to here JavaScript writes a number without fraction as an integer


class TooDeep(Conflict):
    """The document is nested more than 100 deep; it can only be read as a Yjs update."""


def all_roots(tree: Tree) -> dict[str, Any]:
    """Every root by its name; null for one that was emptied, whose kind nothing tells any more."""
    return {name: plain(root) for name, root in tree.roots.items()}


def one_root(tree: Tree, name: str) -> Any:
    """One root; null if there is none."""
    root = tree.roots.get(name)
    return None if root is None else plain(root)


def plain(shared: Shared, depth: int = MAX_DEPTH) -> Any:
    """A shared type; raises TooDeep."""
    if depth < 0:
        raise TooDeep
    match shared.kind:
        case None:
            return None
        case kind if kind in (TEXT, XML_TEXT):
            return text_of(shared)
        case kind if kind in (MAP, XML_HOOK):
            return {
                key: _element(value, depth - 1)
                for key, value in shared.values().items()
                if value is not Special.UNDEFINED
            }
        case kind if kind == ARRAY:
            return [
                _element(value, depth - 1) for item in shared.visible() for value in _values(item)
            ]
        case kind if kind == XML_ELEMENT:
            return [_xml_element(shared, depth, foreign=True)]
    return nodes(shared, depth)


def _element(value: Any, depth: int) -> Any:
    return plain(value, depth) if isinstance(value, Shared) else clean(value, depth)


def _values(item: Item) -> list[Any]:
    """The elements that an item holds; a Text's formats are none."""
    if item.kind in (ANY, JSON):
        return list(item.content)
    return [item.content] if item.kind in (TYPE, BINARY, DOC, EMBED) else []


def clean(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A value as JSON can say it; raises TooDeep."""
    if value is Special.TOO_DEEP or depth < 0:
        raise TooDeep
    if isinstance(value, Mapping):
        return {
            key: clean(inner, depth - 1)
            for key, inner in value.items()
            if inner is not Special.UNDEFINED
        }
    if isinstance(value, list):
        return [clean(inner, depth - 1) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if isinstance(value, Subdocument):
        return {"$document": value.guid}
    if isinstance(value, bytes):
        return {"$binary": b64encode(value).decode()}
    return None if value is Special.UNDEFINED else value


def text_of(shared: Shared) -> str:
    """The characters of a Text."""
    return whole("".join(item.content for item in shared.visible() if item.kind == STRING))


def whole(text: str) -> str:
    """A text whose surrogate pairs were cut in two, put together; a half is no character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def runs(shared: Shared) -> list[tuple[Any, dict[str, Any]]]:
    """A Text as Yjs's toDelta gives it: inserted texts or embedded things, with their formats."""
    found: list[tuple[Any, dict[str, Any]]] = []
    formats: dict[str, Any] = {}
    text = ""

    def flush() -> None:
        if text:
            found.append((whole(text), dict(formats)))

    for item in shared.visible():
        if item.kind == STRING:
            text += item.content
            continue
        flush()
        text = ""
        if item.kind == FORMAT:
            key, value = item.content
            if value is None:
                formats.pop(key, None)
            else:
                formats[key] = value
        else:
            found += [(value, dict(formats)) for value in _values(item)]
    flush()
    return found


def nodes(shared: Shared, depth: int = MAX_DEPTH, foreign: bool = True) -> list[Any]:
    """The nodes in a fragment or element, as ProseMirror writes them; raises TooDeep.

    As y-prosemirror's yXmlFragmentToProsemirrorJSON gives them. foreign: what is no XML stands
    among them as it is, else it is left out.
    """
    if depth < 0:
        raise TooDeep
    found: list[Any] = []
    for item in shared.visible():
        for value in _values(item):
            kind = value.kind if isinstance(value, Shared) else None
            if kind == XML_TEXT:
                found += [_text_node(text, marks, depth - 1) for text, marks in runs(value)]
            elif kind in (XML_ELEMENT, XML_HOOK):
                found.append(_xml_element(value, depth - 1, foreign))
            elif foreign:
                found.append(_element(value, depth - 1))
    return found


def lines_of(content: Sequence[Any]) -> list[str]:
    """The text of nodes, a line for each block that holds text; hard breaks are line breaks."""
    lines: list[str] = []
    inline = ""
    for node in content:
        if node["type"] in ("text", "hard_break", "hardBreak"):
            text = node.get("text", "\n")
            inline += text if isinstance(text, str) else ""
            continue
        lines += [inline] if inline else []
        inline = ""
        lines += lines_of(node.get("content", []))
    return [*lines, inline] if inline else lines


def _xml_element(shared: Shared, depth: int, foreign: bool) -> dict[str, Any]:
    node: dict[str, Any] = {"type": shared.name}
    attributes = {
        key: _element(value, depth - 1)
        for key, value in shared.values().items()
        if value is not Special.UNDEFINED
    }
    if attributes:
        node["attrs"] = attributes
    content = nodes(shared, depth, foreign)
    if content:
        node["content"] = content
    return node


def _text_node(inserted: Any, formats: Mapping[str, Any], depth: int) -> dict[str, Any]:
    text = _element(inserted, depth)
    node: dict[str, Any] = {"type": "text", "text": text}
    if formats:
        node["marks"] = [
            {"type": mark_name(key), "attrs": clean(value, depth)} for key, value in formats.items()
        ]
    return node


def mark_name(key: str) -> str:
    """The mark that a format stands for: of a type that may overlap itself it ends in a hash."""
    name, dashes, hashed = key[:-10], key[-10:-8], key[-8:]
    if dashes == "--" and all(
        char.isascii() and (char.isalnum() or char in "+/=") for char in hashed
    ):
        return name
    return key
