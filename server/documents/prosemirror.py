"""ProseMirror documents as JSON: read from an XmlFragment, and checked before they are written.

ProseMirror's and Tiptap's JSON are the same. The form in the XmlFragment is y-prosemirror's.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from server.documents.items import Shared
from server.documents.plain import mark_name, nodes
from server.documents.tree import KINDS, XML_FRAGMENT, Tree
from server.errors import BadRequest, Conflict
from server.protocol.values import MAX_DEPTH, value

FIELDS = ("default", "prosemirror")  # as Tiptap and y-prosemirror name their fragment
MAX_NODES = 50_000  # in one import, with the values in attributes
LARGEST = 10**308  # of JavaScript's numbers, nearly
Name = Annotated[str, Meta(min_length=1, max_length=255)]
HASH_BYTES = 6


class Mark(Struct, frozen=True, forbid_unknown_fields=True):
    """A mark of a text."""

    type: Name
    attrs: dict[str, Any] | None = None


class Node(Struct, frozen=True, forbid_unknown_fields=True):
    """A node. text: of text nodes only, which have no content."""

    type: Name
    attrs: dict[str, Any] | None = None
    content: list["Node"] = []
    marks: list[Mark] = []
    text: Annotated[str, Meta(min_length=1)] | None = None


class Run(NamedTuple):
    """Text nodes beside each other: each a text and its marks."""

    texts: Sequence[tuple[str, Sequence[Mark]]]


class Element(NamedTuple):
    """Any other node."""

    name: str
    attrs: Mapping[str, Any]
    content: Sequence["Element | Run"]


def document_of(fragment: Shared | None) -> dict[str, Any]:
    """A fragment as a ProseMirror document."""
    return {"type": "doc", "content": [] if fragment is None else nodes(fragment)}


def fragment_in(tree: Tree, field: str | None) -> Shared | None:
    """The XmlFragment of that name, or the only one; None if there is nothing.

    Raises Conflict if the field is of another kind, BadRequest if there are several.
    """
    if field is not None:
        root = tree.roots.get(field)
        if root is not None and root.kind not in (None, XML_FRAGMENT):
            raise Conflict(f"The field {field!r} is no XmlFragment, it is a {KINDS[root.kind]}.")
        return root
    names = [name for name, root in tree.roots.items() if root.kind == XML_FRAGMENT]
    if len(names) > 1:
        raise BadRequest(f"Say which field; there are {', '.join(map(repr, sorted(names)))}.")
    return tree.roots[names[0]] if names else None


def field_for(tree: Tree, field: str | None) -> str:
    """The name of the fragment to be written; raises as `fragment_in`.

    Without one in the document: one that was emptied, else as Tiptap names its own.
    """
    fragment = fragment_in(tree, field)
    if field is None and fragment is not None:
        return str(fragment.parent)
    emptied = [name for name in FIELDS if name in tree.roots and tree.roots[name].kind is None]
    return field or (emptied[0] if emptied else FIELDS[0])


def checked(content: Sequence[Node]) -> list[Element | Run]:
    """The nodes of a document, with text nodes put together; raises BadRequest."""
    return _Checker().content(content, "content", MAX_DEPTH)


class _Checker:
    """Walks through nodes that somebody sent, and says where they are no nodes."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def content(self, nodes: Sequence[Node], path: str, depth: int) -> list[Element | Run]:
        self._take(len(nodes), depth)
        found: list[Element | Run] = []
        texts: list[tuple[str, Sequence[Mark]]] = []
        for number, node in enumerate(nodes):
            here = f"{path}[{number}]"
            self._marks(node.marks, here, depth)
            if node.type != "text":
                texts = []
                found.append(self._element(node, here, depth))
                continue
            if node.text is None or node.content:
                raise BadRequest(f"{here} is a text node: it has a text and no content.")
            _check_string(node.text, f"{here}.text")
            texts.append((node.text, node.marks))
            if len(texts) == 1:
                found.append(Run(texts))
        return found

    def _element(self, node: Node, path: str, depth: int) -> Element:
        if node.text is not None:
            raise BadRequest(f"{path} has a text, which only text nodes have.")
        _check_string(node.type, f"{path}.type")
        content = self.content(node.content, f"{path}.content", depth - 1)
        attrs = node.attrs or {}
        self._value(attrs, f"{path}.attrs", depth - 1)
        present = {key: attr for key, attr in attrs.items() if attr is not None}
        return Element(node.type, present, content)

    def _marks(self, marks: Sequence[Mark], path: str, depth: int) -> None:
        for number, mark in enumerate(marks):
            here = f"{path}.marks[{number}]"
            _check_string(mark.type, f"{here}.type")
            self._value(mark.attrs or {}, f"{here}.attrs", depth - 1)

    def _take(self, parts: int, depth: int) -> None:
        """Take note of nodes or values, so deep."""
        self._left -= parts
        if self._left < 0:
            raise BadRequest(f"A document may have {MAX_NODES} nodes and values, not more.")
        if depth < 0:
            raise BadRequest(f"A document may be nested {MAX_DEPTH} deep, not more.")

    def _value(self, given: Any, path: str, depth: int) -> None:
        """Refuse what Yjs could not hold or nobody could read."""
        if isinstance(given, str):
            _check_string(given, path)
        elif isinstance(given, int) and abs(given) > LARGEST:
            raise BadRequest(f"{path} is a number that JavaScript doesn't know.")
        elif isinstance(given, dict):
            self._take(len(given), depth)
            for key, inner in given.items():
                _check_string(key, path)
                self._value(inner, f"{path}.{key}", depth - 1)
        elif isinstance(given, list):
            self._take(len(given), depth)
            for number, inner in enumerate(given):
                self._value(inner, f"{path}[{number}]", depth - 1)


def _check_string(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{path} holds half of a surrogate pair.") from None


def formats(marks: Iterable[Mark], overlapping: frozenset[str]) -> dict[str, Any]:
    """The formats that stand for marks in a Text.

    overlapping: types of marks of which a text may have several; each then has a key of its own.
    """
    return {
        f"{mark.type}--{_hash(mark)}" if mark.type in overlapping else mark.type: mark.attrs or {}
        for mark in marks
    }


def overlapping_in(keys: Iterable[str]) -> frozenset[str]:
    """The types of marks that have keys of their own among these formats."""
    return frozenset(mark_name(key) for key in keys if mark_name(key) != key)


def overlapping_among(nodes: Sequence[Element | Run]) -> frozenset[str]:
    """The types of marks of which some text has several."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Element):
            found |= overlapping_among(node.content)
            continue
        for _, marks in node.texts:
            types = [mark.type for mark in marks]
            found.update(type for type in types if types.count(type) > 1)
    return frozenset(found)


def _hash(mark: Mark) -> str:
    """As y-prosemirror makes it (src/utils.js, hashOfJSON)."""
    json = {"type": mark.type, "attrs": mark.attrs} if mark.attrs else {"type": mark.type}
    digest = bytearray(sha256(value(json)).digest())
    for at in range(HASH_BYTES, len(digest)):
        digest[at % HASH_BYTES] ^= digest[at]
    return b64encode(digest[:HASH_BYTES]).decode()
