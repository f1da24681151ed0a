"""Documents read from their bytes are what pycrdt reads, and each root is known by its kind."""

import itertools
import random
from contextlib import suppress
from typing import Any, get_args

import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from server.documents import items, tree
from server.documents.exchange import export, put_markdown
from server.documents.names import Format
from server.documents.plain import all_roots
from server.documents.tree import ARRAY, MAP, TEXT, XML_FRAGMENT, Tangled, Tree, Unreadable
from server.errors import BadRequest, Conflict, LyceumError
from server.protocol.lib0 import varstring
from server.sessions.document import Document
from tests.unit.documents.encoded import Encoded

YDoc = Doc[Any]

WORDS = ("a", "bc", "é", "😀", "hello")
VALUES = (1, "x", None, 2.5, True, [1, {"k": True}])


def _step(doc: YDoc, dice: random.Random) -> None:
    """One edit of whatever kind."""
    text, array, mapping = doc["text"], doc["array"], doc["map"]
    written = str(text)
    start = len(written[: dice.randrange(len(written) + 1)].encode())
    match dice.randrange(6):
        case 0 | 1:
            text.insert(start, dice.choice(WORDS), {"bold": True} if dice.random() < 0.3 else None)
        case 2 if written:
            first = dice.randrange(len(written))
            last = first + dice.randrange(1, 4)
            del text[len(written[:first].encode()) : len(written[:last].encode())]
        case 3:
            array.insert(dice.randrange(len(array) + 1), dice.choice(VALUES))
        case 4 if len(array):
            del array[dice.randrange(len(array))]
        case _:
            mapping[dice.choice("abc")] = dice.choice([1, "z", Map({"q": 1}), Text("inner")])


@pytest.mark.parametrize("seed", range(40))
def test_reads_what_pycrdt_reads(seed: int) -> None:
    """Whatever three people wrote at once, deleted and exchanged, in any order."""
    dice = random.Random(seed)
    docs: list[YDoc] = [Doc(client_id=client) for client in (1, 2, 3)]
    for doc in docs:
        doc["text"], doc["array"], doc["map"] = Text(), Array(), Map()
    for _ in range(60):
        _step(dice.choice(docs), dice)
        one, other = dice.sample(docs, 2)
        if dice.random() < 0.3:
            other.apply_update(one.get_update(other.get_state()))
    for doc in docs[1:]:
        docs[0].apply_update(doc.get_update())
    found = all_roots(Tree(docs[0].get_update()))
    assert (found.get("text") or "") == str(docs[0]["text"])
    assert (found.get("array") or []) == docs[0]["array"].to_py()
    assert (found.get("map") or {}) == docs[0]["map"].to_py()


def test_roots_are_known_by_what_they_hold() -> None:
    """Their kind is not in the bytes; what was emptied has none."""
    doc: YDoc = Doc()
    doc["text"], doc["embeds"], doc["emptied"] = Text("a"), Text(), Text("a")
    doc["embeds"].insert_embed(0, {"image": "x"})
    doc["array"], doc["nested"], doc["map"] = Array([1]), Array([Map({})]), Map({"a": 1})
    doc["xml"] = XmlFragment([XmlElement("p"), XmlText("b")])
    doc["cleared"] = Map({"a": 1})
    del doc["emptied"][0:1]
    del doc["cleared"]["a"]
    kinds = {name: root.kind for name, root in Tree(doc.get_update()).roots.items()}
    assert kinds == {
        "text": TEXT,
        "embeds": TEXT,
        "array": ARRAY,
        "nested": ARRAY,
        "map": MAP,
        "xml": XML_FRAGMENT,
        **{name: kind for name, kind in kinds.items() if name in ("emptied", "cleared")},
    }
    assert kinds["emptied"] is None
    assert kinds["cleared"] in (MAP, None)


def test_what_contradicts_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that pycrdt takes and that lack something are refused, not a crash."""
    item = b"\x84" + b"\x09\x00" + varstring("x")  # behind a unit of client 9
    for update in (
        b"\x01\x01\x07\x00" + item + b"\x00",  # whom there is not
        b"\x02\x01\x07\x00\x84\x09\x00\x01x\x01\x09\x00\x84\x07\x00\x01x\x00",  # a circle
        b"\x01\x01\x07\x00\x0a\x05\x00",  # a gap
        b"\x01\x01\x07\x00\x0b\x01\x01a\x00",  # no such content
        b"\x01\x01\x07\x00\x07\x01\x01a\x09\x00",  # no such type
        b"\x01\x01\x07\x00\x06\x01\x01a\x01b\x01{\x00",  # no JSON
        b"\x01",
    ):
        monkeypatch.setattr(tree, "opened", lambda _, update=update: Encoded(update))
        with pytest.raises(Unreadable):
            Tree(b"")


def test_tangles_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many who insert at one place at once cost the square of it."""
    monkeypatch.setattr(tree, "MAX_STEPS", 10)
    whole: YDoc = Doc()
    for client in range(1, 40):
        doc: YDoc = Doc(client_id=client)
        doc["text"] = Text("x")
        whole.apply_update(doc.get_update())
    with pytest.raises(Tangled):
        Tree(whole.get_update())


@pytest.mark.parametrize("seed", range(3))
def test_spoilt_documents_are_read_or_refused(seed: int) -> None:
    """Whatever bytes pycrdt takes, every form is made of them or refused in words."""
    dice = random.Random(seed)
    doc: YDoc = Doc(client_id=1)
    text = XmlText("hello")
    doc["default"] = XmlFragment([XmlElement("p", {"a": "b"}, [text]), XmlText("x")])
    text.insert(2, "zz", {"bold": {"a": 1}})
    doc["content"] = Text("abc")
    doc["map"] = Map({"a": [1, {"b": b"x"}], "text": Text("q"), "array": Array([Map({"z": 1})])})
    del doc["content"][0:1]
    good = doc.get_update()
    made = 0
    for _ in range(150):
        spoilt = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            spoilt[dice.randrange(len(spoilt))] = dice.choice([*range(10), 0x84, 0x28, 0xFF])
        document = Document()
        try:
            document.receive(bytes(spoilt), None)
            document.integrate()
        except LyceumError:
            continue
        for form, field in itertools.product(get_args(Format), (None, "default", "map")):
            with suppress(Conflict, BadRequest):
                made += bool(export(document.encode(), form, field))
        with suppress(Conflict):
            put_markdown(document.encode(), "default", "# a", 98)
    assert made > 100


def test_pieces_end_where_others_begin() -> None:
    """Values, strings and deleted runs are cut where something was inserted or deleted."""
    values = b"\x01\x07\x00\x08\x01\x01a\x03\x78\x79\x7e"
    behind = b"\x01\x09\x00\xc8\x07\x00\x07\x01\x01\x77\x01x"
    parsed, _ = items.read_items(b"\x02" + values + behind + b"\x01\x07\x01\x02\x01")
    assert [(item.clock, item.content) for item in parsed[7]] == [
        (0, [True]),
        (1, [False]),
        (2, [None]),
    ]
    words = b"\x01\x07\x00\x04\x01\x01a" + varstring("é😀b")
    parsed, _ = items.read_items(b"\x01" + words + b"\x01\x07\x01\x01\x02")
    assert [item.content for item in parsed[7]] == ["é", "😀", "b"]


def test_values_that_old_clients_wrote_as_json() -> None:
    """ContentJSON, with `undefined`, and deep ones, which are passed over."""
    deep = "[" * 100_000
    texts = ['{"a":[1]}', "undefined", '"x"']
    content = b"\x03" + b"".join(map(varstring, texts))
    parsed, deletes = items.read_items(b"\x01\x01\x07\x00\x02\x01\x01a" + content + b"\x00")
    assert [item.content for item in parsed[7]] == [[{"a": [1]}, items.Special.UNDEFINED, "x"]]
    assert deletes == {}
    assert items._parsed(deep) is items.Special.TOO_DEEP
