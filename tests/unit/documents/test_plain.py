"""Shared types as JSON: every kind, and what JSON has no word for."""

from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from server.documents import tree
from server.documents.exchange import export
from server.documents.plain import TooDeep, all_roots, clean, mark_name, one_root, whole
from server.documents.tree import Tree
from server.protocol.lib0 import varstring, varuint
from server.protocol.values import Special, value
from server.protocol.values import value as value_of
from tests.unit.documents.encoded import Encoded

YDoc = Doc[Any]
DEEP = 150


def tree_of(**roots: Any) -> Tree:
    """A document with these root types."""
    doc: YDoc = Doc()
    for name, root in roots.items():
        doc[name] = root
    return Tree(doc.get_update())


def test_every_kind() -> None:
    """A Text is a string, a Map an object, an Array a list, an XmlFragment a list of nodes."""
    paragraph = XmlElement("p", {"class": "x"}, [XmlText("hi")])
    made = tree_of(
        text=Text("é😀"),
        map=Map({"a": 1, "inner": Map({"b": [None, True, 1.5]}), "text": Text("t")}),
        array=Array([1, "x", Array([]), b"\x00\xff"]),
        xml=XmlFragment([paragraph, XmlElement("hr"), XmlText("loose")]),
    )
    assert all_roots(made) == {
        "text": "é😀",
        "map": {"a": 1, "inner": {"b": [None, True, 1.5]}, "text": "t"},
        "array": [1, "x", [], {"$binary": "AP8="}],
        "xml": [
            {"type": "p", "attrs": {"class": "x"}, "content": [{"type": "text", "text": "hi"}]},
            {"type": "hr"},
            {"type": "text", "text": "loose"},
        ],
    }
    assert one_root(made, "text") == "é😀"
    assert one_root(made, "nothing") is None


def update_of(*contents: bytes) -> bytes:
    """A document whose root `a` is a sequence of these contents."""
    first, *more = contents
    structs = [first[:1] + b"\x01\x01a" + first[1:]]
    for clock, content in enumerate(more):
        structs.append(bytes((content[0] | 0x80,)) + b"\x07" + varuint(clock) + content[1:])
    return b"\x01" + varuint(len(structs)) + b"\x07\x00" + b"".join(structs) + b"\x00"


def any_of(encoded: bytes) -> bytes:
    """One value as an item's content."""
    return b"\x08\x01" + encoded


def test_what_json_has_no_word_for() -> None:
    """undefined, NaN, bigints, bytes and subdocuments have documented forms."""
    encoded = update_of(
        any_of(b"\x7f"),
        any_of(b"\x7c\x7f\xc0\x00\x00"),
        any_of(b"\x7a\x10\x00\x00\x00\x00\x00\x00\x01"),
        any_of(b"\x76\x02\x01a\x7f\x01b\x7d\x01"),
        b"\x03\x02\x00\xff",
        b"\x09" + varstring("guid") + b"\x76\x00",
        any_of(b"\x7c\x40\x40\x00\x00"),
    )
    found = one_root(Tree(encoded), "a")
    binary = {"$binary": "AP8="}
    assert found == [None, None, 2**60 + 1, {"b": 1}, binary, {"$document": "guid"}, 3]
    assert all(type(number) is int for number in (found[2], found[6]))


def test_deep_values_and_types_are_refused_clearly() -> None:
    """Only what is asked for counts; a document that is too deep still gives its other roots."""
    deep: Any = Array([])
    for _ in range(DEEP):
        deep = Array([deep])
    nested: Any = XmlElement("p")
    for _ in range(DEEP):
        nested = XmlElement("p", contents=[nested])
    values = value([[]])
    for _ in range(DEEP):
        values = b"\x75\x01" + values
    doc: YDoc = Doc()
    doc["array"], doc["xml"], doc["text"] = deep, XmlFragment([nested]), Text("fine")
    made = Tree(doc.get_update())
    assert one_root(made, "text") == "fine"
    for field in ("array", "xml"):
        with pytest.raises(TooDeep, match="100 deep"):
            one_root(made, field)
    with pytest.raises(TooDeep):
        all_roots(Tree(update_of(any_of(values))))
    with pytest.raises(TooDeep):
        clean([Special.TOO_DEEP])


def test_plain_text_of_rich_text() -> None:
    """A line for each block that has text; breaks are line breaks."""
    doc: YDoc = Doc()
    quote = XmlElement("blockquote", contents=[XmlElement("p", contents=[XmlText("c")])])
    line = [XmlText("a"), XmlElement("hardBreak"), XmlText("b")]
    doc["default"] = XmlFragment([XmlElement("p", contents=line), XmlElement("p"), quote])
    encoded = doc.get_update()
    assert export(encoded, "text", None) == export(encoded, "text", "default") == "a\nb\nc"
    assert export(encoded, "text", "other") == ""
    doc["content"] = Text("code")
    assert export(doc.get_update(), "text", None) == "code"


def test_pairs_that_were_cut_in_two() -> None:
    """Halves beside each other are the character again; one alone is none."""
    assert whole("a\ud83d\ude00") == "a😀"
    assert whole("\ud83d!") == "\ufffd!"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("strong", "strong"),
        ("comment--UCrVW6WW", "comment"),
        ("comment--UCrVW6W", "comment--UCrVW6W"),
        ("comment--ÜCrVW6WW", "comment--ÜCrVW6WW"),
        ("a--b--0+/=abcd", "a--b"),
    ],
)
def test_names_of_marks(key: str, name: str) -> None:
    """A hash of eight characters of base64 is no part of them."""
    assert mark_name(key) == name


def test_types_that_are_no_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element within an Array, and a hook (which pycrdt can't read), stand for themselves."""
    hook = b"\x07\x05" + varstring("widget")
    element = b"\x07\x03" + varstring("p")
    monkeypatch.setattr(tree, "opened", Encoded)
    mixed = update_of(any_of(b"\x7d\x01"), element, hook)
    assert one_root(Tree(mixed), "a") == [1, [{"type": "p"}], {}]
    assert one_root(Tree(update_of(element, hook)), "a") == [{"type": "p"}, {"type": "widget"}]


def test_what_is_no_xml_within_xml() -> None:
    """Stands among the nodes in JSON; text and Markdown leave it out."""
    parent = b"\x00\x07\x00"  # the item at clock 0 of client 7
    inner = (b"\x07" + parent + b"\x06", b"\x04\x00\x07\x01\x01a", b"\x87\x07\x01\x01")
    value = b"\x28\x00\x07\x03\x04type\x01" + value_of("x") + b"\x88\x07\x03\x01" + value_of(1)
    element = b"\x07\x01\x07default\x03" + varstring("paragraph")
    encoded = b"\x01\x06\x07\x00" + element + b"".join(inner) + value + b"\x00"
    (paragraph,) = one_root(Tree(encoded), "default")
    assert paragraph["content"] == [{"type": "text", "text": "a"}, {"type": "x"}, 1]
    assert export(encoded, "text", None) == "a"
    assert export(encoded, "markdown", None) == "a\n"
