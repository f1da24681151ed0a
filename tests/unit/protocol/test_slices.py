"""A large update in slices makes the same document, and no slice waits for a later one."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText, get_update
from pycrdt import merge_updates as merge

from server.errors import ProtocolError
from server.protocol import slices as module
from server.protocol.slices import slices
from server.protocol.update import EMPTY, read_delete_set, read_state_vector
from tests.unit.protocol import wire
from tests.unit.sessions.histories import Writer, content, histories, typed

SMALL = {
    "MOST_STRUCTS": 3,
    "MOST_BYTES": 40,
    "SEGMENT_STRUCTS": 2,
    "SEGMENT_BYTES": 20,
    "READ_AT_ONCE": 2,
}
EMPTY_STATE = b"\x00"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices as small as the documents of these tests."""
    for name, value in SMALL.items():
        monkeypatch.setattr(module, name, value)


def applied(doc: Doc[Any], update: bytes) -> list[bytes]:
    """Apply an update in slices, none of which may wait; returns them."""
    pieces = [
        piece for piece in slices(update, read_state_vector(doc.get_state())) if piece != EMPTY
    ]
    for piece in pieces:
        doc.apply_update(piece)
        assert not structs_beyond(piece, doc), "a slice waits for a later one"
    return pieces


def same(one: Doc[Any], other: Doc[Any]) -> bool:
    """Whether two documents have the same clocks, content and deletions."""
    state = one.get_state()
    deletes = [read_delete_set(doc.get_update(state)) for doc in (one, other)]
    return content(one.get_update()) == content(other.get_update()) and deletes[0] == deletes[1]


def structs_beyond(update: bytes, doc: Doc[Any]) -> bool:
    """Whether a document has not taken in all that an update inserts."""
    return get_update(update, doc.get_state())[0] > 0


def whole(*updates: bytes) -> Doc[Any]:
    """A document that was given updates one after the other."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return doc


@given(histories(most=16))
def test_any_document_can_be_cut(made: list[bytes]) -> None:
    """By several authors, with deletions, nested types and maps: the result is the same."""
    update = whole(*made).get_update()
    doc: Doc[Any] = Doc()
    applied(doc, update)
    assert same(doc, whole(update))


@given(histories(), st.data())
def test_any_update_can_be_cut_for_any_document(made: list[bytes], data: st.DataObject) -> None:
    """Also one that is merged of parts, and that the document has a part of."""
    known = data.draw(st.integers(0, len(made)))
    since = data.draw(st.integers(0, known))
    doc = whole(*made[:known])
    applied(doc, merge(EMPTY, *made[since:]))
    assert same(doc, whole(merge(EMPTY, *made)))


@given(histories(), st.data())
def test_what_waits_comes_in_one_piece_behind_all_others(
    made: list[bytes], data: st.DataObject
) -> None:
    """With a part missing, what builds on it is there once that comes."""
    missing = data.draw(st.integers(0, len(made) - 1))
    update = merge(EMPTY, *made[:missing], *made[missing + 1 :])
    pieces = list(slices(update, {}))
    inserting = [piece for piece in pieces if piece[0] > 0]
    doc = whole(*inserting[:-1])
    assert not any(structs_beyond(piece, doc) for piece in inserting[:-1])
    rest = merge(EMPTY, *inserting[-1:], *(piece for piece in pieces if piece[0] == 0))
    complete = merge(doc.get_update(), rest, made[missing])
    assert content(complete) == content(merge(*made))


def test_authors_who_write_in_turn_are_cut_where_they_build_on_each_other() -> None:
    """A slice holds no more than it may, though every item builds on somebody else's."""
    writers = [Writer(client) for client in (1, 2**30, 2**40)]
    chooser = random.Random(4)
    for _ in range(60):
        writer = chooser.choice(writers)
        for other in writers:
            writer.doc.apply_update(other.doc.get_update(writer.doc.get_state()))
        size = len(str(writer.text).encode())
        writer.text.insert(chooser.choice([0, size]), "ab")
    doc = whole(*(writer.doc.get_update() for writer in writers))
    again: Doc[Any] = Doc()
    pieces = applied(again, doc.get_update())
    assert same(again, doc)
    assert len(pieces) > 10
    assert all(piece[0] <= SMALL["MOST_STRUCTS"] for piece in pieces)


def test_many_deletions_are_cut() -> None:
    """They come behind what they delete, a few at once."""
    doc: Doc[Any] = Doc(client_id=1)
    other: Doc[Any] = Doc(client_id=2)
    doc["text"] = text = Text()
    for number in range(40):
        text.insert(0, f"{number:>4}")
    other.apply_update(doc.get_update())
    other.get("text", type=Text).insert(0, "x" * 8)
    del other.get("text", type=Text)[2:4]
    doc.apply_update(other.get_update())
    for at in range(0, 60, 2):
        del text[at : at + 1]
    again: Doc[Any] = Doc()
    pieces = applied(again, doc.get_update())
    assert same(again, doc)
    assert sum(piece[0] == 0 for piece in pieces) > 5


def test_all_kinds_of_content_are_cut() -> None:
    """Every kind that pycrdt writes, long strings and large numbers among them."""
    doc: Doc[Any] = Doc(client_id=2**50)
    doc["map"] = Map({"text": "12345", "n": 1, "f": 1.5, "deep": Map({"x": Array([Text("abc")])})})
    doc["array"] = Array([None, True, -(2**40), 2**60, b"bytes", {"a": ["b", {}]}, []])
    doc["prose"] = prose = Text()
    prose.insert(0, "grüße " * 40)
    prose.insert(2, "👋 ")
    prose.format(0, 2, {"bold": True})
    prose.insert_embed(0, {"image": "x.png"})
    doc["page"] = page = XmlFragment([XmlElement("p", {"class": "a"}, [XmlText("👋")])])
    page.children.append(XmlElement("q"))
    doc["map"]["n"] = 2
    del doc["map"]["deep"]
    del prose[14:198]
    again: Doc[Any] = Doc()
    applied(again, doc.get_update())
    assert again.get_update() == doc.get_update()


def test_reading_is_cut_too() -> None:
    """However long there is nothing to hand out, steps go on: each EMPTY is one."""
    update = merge(*typed(1, *"abc"), *typed(2, "d"))
    whole_update = whole(update).get_update()
    steps = list(slices(whole_update, {}))
    assert steps[0] == EMPTY
    assert merge(*steps) == whole_update


def test_an_update_of_one_client_in_two_parts() -> None:
    """Two groups of structs of one client, as nobody writes them, are not mixed up."""
    one, two = typed(1, "a", "b")
    # count, client, clock and structs of each
    groups = one[1:-1] + two[1:-1]
    pieces = [piece for piece in slices(b"\x02" + groups + b"\x00", {}) if piece != EMPTY]
    assert whole(*pieces).get_update() == whole(one, two).get_update()
    swapped = b"\x02" + two[1:-1] + one[1:-1] + b"\x00"
    pieces = [piece for piece in slices(swapped, {}) if piece != EMPTY]
    assert whole(*pieces).get_update() == whole(one, two).get_update()
    late = b"\x02" + two[1:-1] + two[1:-1] + b"\x00"
    pieces = [piece for piece in slices(late, {}) if piece != EMPTY]
    assert whole(one, *pieces).get_update() == whole(one, two).get_update()


@pytest.mark.parametrize(
    "update",
    [
        b"",
        b"\x01",
        b"\x01\x01\x05\x00",
        b"\x01\x01\x05\x00\x84\x05\x00\x05ab",
        b"\x01\x01\x05\x00\x0b\x01\x01r\x00",
        b"\x01\x01\x05\x00\x04\x01\x01r\x01\xff\x00",
        b"\x01\x01\x05\x01\x84\x05\x00\x01\xff\x00",
        b"\x00\x01\x05\x02\x00\x01",
        EMPTY + b"\x00",
        b"\x01\x02\x05\x00" + 2 * (b"\x00" + wire.number(2**53 - 1)) + b"\x00",
    ],
)
def test_what_is_no_update_is_refused_before_anything_is_cut(update: bytes) -> None:
    """The reader says so while nothing of it has been handed out."""
    handed_out = []
    with pytest.raises(ProtocolError):
        handed_out.extend(slices(update, {}))
    assert all(piece == EMPTY for piece in handed_out)


def test_a_json_array_counts_as_its_values() -> None:
    """An old kind of content, by hand: what comes behind it has the right clock."""
    array = b"\x02\x01\x01r" + b"\x02" + wire.string("1") + wire.string("2")
    behind = [b"\x84\x05" + bytes([clock]) + b"\x01a" for clock in (1, 2, 3)]
    update = b"\x01\x04\x05\x00" + array + b"".join(behind) + b"\x00"
    assert [piece for piece in slices(update, {}) if piece != EMPTY] == [
        b"\x01\x02\x05\x00" + array + behind[0] + b"\x00",
        b"\x01\x02\x05\x03" + behind[1] + behind[2] + b"\x00",
    ]


def test_nothing_is_cut_into_nothing() -> None:
    """Neither no clients nor a client without structs makes a slice."""
    assert set(slices(EMPTY, {})) == {EMPTY}
    assert set(slices(b"\x01\x00\x05\x00\x00", {})) == {EMPTY}
