"""Rich text replaced: it becomes just what was asked for, and what stays the same isn't touched."""

import random
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from pycrdt import Doc, Text, XmlElement, XmlFragment

from server.documents.exchange import export, put_markdown, put_prosemirror
from server.documents.names import tiptap
from server.documents.prosemirror import MAX_NODES, Node
from server.errors import BadRequest, Conflict
from server.protocol.lib0 import varstring
from tests.unit.documents.rich import EMPTY, node, normal

YDoc = Doc[Any]
Json = dict[str, Any]
NOTHING = b"\0\0"


def put(encoded: bytes, content: list[Json], field: str | None = None) -> bytes:
    """The update that a client of ours would send."""
    return put_prosemirror(encoded, field, msgspec.convert(content, list[Node]), 7)


def content_of(encoded: bytes, field: str | None = None) -> list[Json]:
    """The nodes of a document."""
    found: list[Json] = msgspec.json.decode(export(encoded, "prosemirror", field))["content"]
    return found


def text(words: str, *marks: Json) -> Json:
    """A text node."""
    return {"type": "text", "text": words, "marks": list(marks)}


def _text(dice: random.Random) -> Json:
    marks = [{"type": "strong"}] if dice.random() < 0.4 else []
    if dice.random() < 0.3:
        marks.append({"type": "link", "attrs": {"href": dice.choice("uv"), "title": None}})
    if dice.random() < 0.2:
        marks += [{"type": "comment", "attrs": {"id": id}} for id in range(dice.randrange(1, 3))]
    return text("".join(dice.choices(["a", "b", "é", "😀", " "], k=dice.randrange(1, 5))), *marks)


def _blocks(dice: random.Random, depth: int = 0) -> list[Json]:
    blocks = []
    for _ in range(dice.randrange(0, 5)):
        kind = dice.randrange(4)
        if kind < 2:
            inner = [_text(dice), {"type": "hard_break"}, _text(dice), _text(dice)]
            blocks.append(node("paragraph", dice.sample(inner, dice.randrange(4))))
        elif kind == 2:
            odd = dice.choice([True, 1, 1.5, "1", None, [1, {"a": 2}]])
            blocks.append(node("heading", [_text(dice)], level=dice.randrange(1, 4), odd=odd))
        elif depth < 3:
            blocks.append(node("blockquote", _blocks(dice, depth + 1)))
    return blocks


def _changed(dice: random.Random, blocks: list[Json]) -> list[Json]:
    blocks = deepcopy(blocks)
    for _ in range(dice.randrange(1, 4)):
        kind = dice.randrange(4)
        if kind == 0 and blocks:
            blocks.pop(dice.randrange(len(blocks)))
        elif kind == 1:
            blocks.insert(dice.randrange(len(blocks) + 1), node("paragraph", [text("new")]))
        elif blocks:
            for inner in dice.choice(blocks).get("content", []):
                if inner["type"] == "text":
                    at = dice.randrange(len(inner["text"]) + 1)
                    inner["text"] = (
                        inner["text"][:at] + dice.choice(["X", "yé"]) + inner["text"][at + 1 :]
                    )
                    if dice.random() < 0.3:
                        inner["marks"] = [{"type": "em"}]
    return blocks


@pytest.mark.parametrize("seed", range(60))
def test_it_becomes_what_was_asked_for(seed: int) -> None:
    """Whatever it was before; and asked for again, nothing is left to do."""
    dice = random.Random(seed)
    doc: YDoc = Doc()
    wanted = _blocks(dice)
    for _ in range(4):
        doc.apply_update(put(doc.get_update(), wanted))
        assert normal(content_of(doc.get_update())) == normal(wanted)
        assert put(doc.get_update(), wanted) == NOTHING
        wanted = _changed(dice, wanted) if dice.random() < 0.8 else _blocks(dice)


def paragraphs(*texts: str) -> list[Json]:
    """A paragraph for each."""
    return [node("paragraph", [text(words)]) for words in texts]


def test_what_others_write_meanwhile_stays() -> None:
    """In blocks that stay as well as in one that is changed elsewhere."""
    encoded = put(NOTHING, paragraphs("first", "in the middle", "last"))
    doc: YDoc = Doc(client_id=9)
    doc.apply_update(encoded)
    before = doc.get_state()
    children = doc.get("default", type=XmlFragment).children
    for child, words in zip(children, ("A", "B", "C"), strict=True):
        child.children[0].insert(0, words)
    changed = paragraphs("first", "in the new middle", "more", "last")
    update = put(encoded, changed)
    assert len(update) < 100
    doc.apply_update(update)
    expected = paragraphs("Afirst", "Bin the new middle", "more", "Clast")
    assert normal(content_of(doc.get_update())) == normal(expected)
    other: YDoc = Doc()
    for part in (encoded, update, doc.get_update(before)):
        other.apply_update(part)
    assert content_of(other.get_update()) == content_of(doc.get_update())


def test_formats_of_neighbours_stay() -> None:
    """Text put between bold and plain text takes nothing from either, nor gives."""
    strong = {"type": "strong", "attrs": {}}
    encoded = put(NOTHING, [node("paragraph", [text("bold", strong), text("plain")])])
    for middle in ([text("X", {"type": "em", "attrs": {}})], [text("Y")], []):
        wanted = [node("paragraph", [text("bo", strong), *middle, text("in")])]
        doc: YDoc = Doc()
        doc.apply_update(encoded)
        doc.apply_update(put(encoded, wanted))
        assert normal(content_of(doc.get_update())) == normal(wanted)
    doc = Doc()
    doc.apply_update(put(NOTHING, [node("paragraph", [text("a"), text("b", strong), text("c")])]))
    doc.apply_update(put(doc.get_update(), paragraphs("ac")))
    left = [{"type": "paragraph", "content": [{"type": "text", "text": "ac"}]}]
    assert content_of(doc.get_update()) == left, "formats that format nothing are gone"


def test_attributes_keep_their_types() -> None:
    """A number stays a number, as an editor's schema wants it; null is none."""
    wanted = [node("heading", None, level=2, wide=[100.5, None], id="2", on=False)]
    encoded = put(NOTHING, wanted)
    assert content_of(encoded) == wanted
    doc: YDoc = Doc()
    doc.apply_update(encoded)
    doc.apply_update(put(encoded, [{"type": "heading", "attrs": {"level": True, "id": None}}]))
    assert content_of(doc.get_update()) == [{"type": "heading", "attrs": {"level": True}}]


def test_overlapping_marks_are_named_as_y_prosemirror_names_them() -> None:
    """With a hash of the mark, also where a text has but one of them."""
    marks = [{"type": "comment", "attrs": {"id": number}} for number in (1, 2)]
    content = [node("paragraph", [text("a", *marks), text("b", marks[0])])]
    encoded = put(NOTHING, content)
    doc: YDoc = Doc()
    doc.apply_update(encoded)
    run = doc.get("default", type=XmlFragment).children[0].children[0]
    both, one = (formats for _, formats in run.diff())
    assert list(one) == ["comment--UCrVW6WW"]
    assert len(both) == len(marks)
    assert content_of(encoded)[0]["content"][0]["marks"] == marks


def test_content_that_is_no_prosemirror_gives_way() -> None:
    """A text with something embedded, and values among nodes, are replaced, not misread."""
    run = b"\x07\x06"
    embed = b"\x05\x00\x07\x00" + varstring('{"a":1}')
    number = b"\x87\x07\x00\x03" + varstring("p")
    encoded = (
        b"\x01\x03\x07\x00"
        + run[:1]
        + b"\x01"
        + varstring("default")
        + run[1:]
        + embed
        + number
        + b"\x00"
    )
    assert content_of(encoded) == [{"type": "text", "text": {"a": 1}}, {"type": "p"}]
    doc: YDoc = Doc()
    doc.apply_update(encoded)
    wanted = [text("new"), node("p", [EMPTY])]
    doc.apply_update(put_prosemirror(encoded, None, msgspec.convert(wanted, list[Node]), 9))
    assert normal(content_of(doc.get_update())) == normal(wanted)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"type": "text"}], r"content\[0\] is a text node"),
        ([node("text", [EMPTY])], r"content\[0\] is a text node"),
        ([EMPTY, {"type": "p", "text": "x"}], r"content\[1\] has a text"),
        ([text("\ud83d")], r"content\[0\].text holds half"),
        ([node("p\udc00")], r"content\[0\].type holds half"),
        ([node("p", None, a={"b": ["\udc00"]})], r"content\[0\].attrs.a.b\[0\] holds half"),
        ([node("p", None, a={"\udc00": 1})], r"content\[0\].attrs.a holds half"),
        ([node("p", None, a=10**400)], r"attrs.a is a number"),
        ([text("a", {"type": "\udc00"})], r"marks\[0\].type holds half"),
        ([text("a", {"type": "b", "attrs": {"x": "\udc00"}})], r"marks\[0\].attrs.x holds half"),
        ([EMPTY] * (MAX_NODES + 1), "nodes and values"),
        ([node("p", None, a=[0] * MAX_NODES)], "nodes and values"),
    ],
)
def test_what_is_no_document_is_refused(content: list[Json], reason: str) -> None:
    """With the place where it is not."""
    with pytest.raises(BadRequest, match=reason):
        put(NOTHING, content)


def test_depth_has_a_bound() -> None:
    """Of nodes, and of values in attributes; what is written can be read."""
    deep, value = EMPTY, [1]
    for _ in range(90):
        deep, value = node("blockquote", [deep]), [value]
    encoded = put(NOTHING, [deep])
    assert content_of(encoded) == [deep]
    assert content_of(put(NOTHING, [node("p", None, a=value)])) == [node("p", None, a=value)]
    for _ in range(20):
        deep, value = node("blockquote", [deep]), [value]
    for content in ([deep], [node("p", None, a=value)]):
        with pytest.raises(BadRequest, match="100 deep"):
            put(NOTHING, content)


def test_what_is_too_deep_gives_way() -> None:
    """A document that somebody nested without end can be replaced, though not read."""
    doc: YDoc = Doc()
    doc["default"] = parent = XmlFragment()
    for _ in range(1_500):
        parent.children.append(XmlElement("p"))
        parent = parent.children[0]
    with pytest.raises(Conflict, match="100 deep"):
        content_of(doc.get_update())
    doc.apply_update(put(doc.get_update(), [EMPTY]))
    assert content_of(doc.get_update()) == [EMPTY]


def test_which_field() -> None:
    """The only XmlFragment; one that was emptied; Tiptap's, where there is none."""
    doc: YDoc = Doc()
    assert content_of(doc.get_update()) == []
    doc["content"] = Text("x")
    doc["prosemirror"] = XmlFragment([XmlElement("paragraph")])
    assert content_of(doc.get_update()) == [EMPTY]
    del doc["prosemirror"].children[0]
    doc.apply_update(put(doc.get_update(), [EMPTY]))
    assert content_of(doc.get_update(), "prosemirror") == [EMPTY]
    doc.apply_update(put(doc.get_update(), [EMPTY], "default"))
    with pytest.raises(BadRequest, match="'default', 'prosemirror'"):
        content_of(doc.get_update())
    for field in ("content", "text"):
        doc["text"] = Text("y")
        with pytest.raises(Conflict, match="it is a Text"):
            put(doc.get_update(), [], field)


def markdown(encoded: bytes, words: str, field: str | None = None, **how: Any) -> str:
    """The document as Markdown after it was put."""
    doc: YDoc = Doc()
    doc.apply_update(encoded)
    doc.apply_update(put_markdown(encoded, field, words, 7, **how))
    return export(doc.get_update(), "markdown", field)


def test_markdown_into_texts_and_rich_texts() -> None:
    """A text holds it as it is; a fragment what it means; an empty document as its type says."""
    words = "* a\n* b\n"
    assert markdown(NOTHING, words) == words
    assert markdown(NOTHING, words, "content", prose=True) == words
    assert markdown(NOTHING, words, prose=True) == markdown(NOTHING, words, "x") == "- a\n- b\n"
    code: YDoc = Doc()
    code["content"], code["list"] = Text("old"), XmlFragment()
    assert markdown(code.get_update(), words, prose=True) == words
    code["map"] = XmlFragment([XmlElement("paragraph")])
    assert markdown(code.get_update(), words, "map") == "- a\n- b\n"
    assert export(code.get_update(), "markdown", "nothing") == ""


def test_nodes_are_named_as_those_that_are_there() -> None:
    """Or as is asked for, or as the field suggests."""
    words = "1. **a**\n"
    listed = [
        node(
            "ordered_list",
            [node("list_item", [node("paragraph", [text("a", {"type": "strong", "attrs": {}})])])],
        )
    ]
    for field, how, expected in (
        ("default", {}, tiptap(listed)),
        ("prosemirror", {}, listed),
        ("default", {"naming": "prosemirror"}, listed),
    ):
        encoded = put_markdown(NOTHING, field, words, 7, **how)
        assert normal(content_of(encoded)) == normal(expected)
    there = put(NOTHING, [node("bullet_list")], "default")
    doc: YDoc = Doc()
    doc.apply_update(there)
    doc.apply_update(put_markdown(there, None, words, 8))
    assert normal(content_of(doc.get_update())) == normal(listed)
