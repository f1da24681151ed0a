"""What updates insert and delete is counted as pycrdt and an independent encoder say."""

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText, get_update
from pycrdt import merge_updates as merge

from server.errors import ProtocolError
from server.protocol import structs
from server.protocol.keystrokes import keystroke
from server.protocol.lib0 import utf16_length
from server.protocol.structs import Measured, measure
from server.protocol.update import EMPTY, DeleteSet, read_delete_set, uncovered
from tests.unit.protocol import wire
from tests.unit.protocol.test_update import DELETIONS, clocks, encoded, meant
from tests.unit.sessions.histories import histories

CHARS = st.text(st.sampled_from("ab\nßд€👋𝄞"), min_size=1, max_size=6)
EDITS = st.lists(CHARS | st.integers(1, 4), min_size=1, max_size=12)  # typed, or deleted at the end
ORIGIN, RIGHT, SUB = 0x80, 0x40, 0x20


def units(text: str) -> int:
    """Its length in UTF-16 code units, counted one by one."""
    return sum(2 if ord(char) > 0xFFFF else 1 for char in text)


def history(edits: list[str | int]) -> tuple[list[bytes], str]:
    """The updates of one author who types and deletes at the end, and what is left."""
    doc: Doc[Text] = Doc(client_id=7)
    text = doc.get("content", type=Text)
    made: list[bytes] = []
    subscription = doc.observe(lambda event: made.append(event.update))
    for edit in edits:
        if isinstance(edit, str):
            text += edit
        elif left := str(text):
            del text[len(left[:-edit].encode()) : len(left.encode())]
        else:
            made.append(EMPTY)
    doc.unobserve(subscription)
    return made, str(text)


def net(*updates: bytes) -> int:
    """What updates insert less what they delete."""
    return sum(counts.inserted - counts.deleted for counts in map(measure, updates))


@given(EDITS, st.data())
def test_inserted_less_deleted_is_the_length(edits: list[str | int], data: st.DataObject) -> None:
    """Whether its updates are measured singly, merged in groups, or as the whole document."""
    made, left = history(edits)
    assert net(*made) == units(left)
    cut = data.draw(st.integers(1, len(made)))
    assert net(merge(*made[:cut]), *([merge(*made[cut:])] if made[cut:] else [])) == units(left)
    whole: Doc[Text] = Doc()
    whole.apply_update(merge(*made))
    assert measure(whole.get_update()) == Measured(units(left), 0)


@given(EDITS)
def test_typed_and_deleted_are_counted_each(edits: list[str | int]) -> None:
    """One update a keystroke tells exactly how much was typed and how much deleted."""
    made, left = history(edits)
    typed = sum(units(edit) for edit in edits if isinstance(edit, str))
    assert sum(measure(update).inserted for update in made) == typed
    assert sum(measure(update).deleted for update in made) == typed - units(left)


@given(EDITS, EDITS)
def test_what_was_there_before_does_not_count(before: list[str | int], after: list[str]) -> None:
    """Somebody who comes back repeats all its deletions: only the new ones are counted."""
    made, left = history([*before, *after])
    doc: Doc[Text] = Doc()
    doc.apply_update(merge(*made[: len(before)]))
    done = read_delete_set(doc.get_update(doc.get_state()))
    _, left_before = history(before)
    news = measure(get_update(merge(*made), doc.get_state()), done=done)
    assert news.inserted - news.deleted == units(left) - units(left_before)
    assert measure(get_update(merge(*made), doc.get_state()), done=done) == news
    known = get_update(merge(*made[: len(before)]), doc.get_state())
    assert measure(known, done=done) == Measured(0, 0)


def test_deletions_of_anothers_text_count_for_whoever_deletes() -> None:
    """The update that deletes says how much, whoever had typed it."""
    ann: Doc[Text] = Doc(client_id=1)
    ann.get("content", type=Text).insert(0, "abcdef")
    bob: Doc[Text] = Doc(client_id=2)
    bob.apply_update(ann.get_update())
    before = bob.get_state()
    del bob.get("content", type=Text)[1:4]
    assert measure(bob.get_update(before)) == Measured(0, 3)


def test_text_deleted_before_it_was_sent_is_neither() -> None:
    """Others never saw it; what else the update deletes is counted."""
    doc: Doc[Text] = Doc(client_id=1)
    text = doc.get("content", type=Text)
    text += "seen"
    before = doc.get_state()
    text += "unseen"
    del text[4:10]
    del text[0:1]
    assert measure(doc.get_update(before)) == Measured(0, 1)


def test_only_text_counts_as_inserted() -> None:
    """Every kind of content that pycrdt writes is read; in a map, its text values are not text."""
    doc: Doc[Any] = Doc(client_id=1)
    doc["map"] = Map({"text": "12345", "n": 1, "f": 1.5, "deep": Map({"x": Array([Text("abc")])})})
    doc["array"] = Array([None, True, False, -(2**40), 2**60, b"bytes", {"a": ["b", {}]}, []])
    doc["prose"] = prose = Text()
    prose.insert(0, "grüße")
    prose.format(0, 3, {"bold": True})
    prose.insert_embed(0, {"image": "x.png"})
    doc["page"] = page = XmlFragment([XmlElement("p", {"class": "a"}, [XmlText("👋")])])
    page.children.append(XmlElement("q"))
    doc["array"].append(Doc())
    assert measure(doc.get_update()) == Measured(len("abc") + len("grüße") + 2, 0)


@given(histories())
def test_every_update_of_anybody_is_read(made: list[bytes]) -> None:
    """Also merged, cut to what is new, and as the document encodes itself."""
    doc: Doc[Any] = Doc()
    for update in made:
        measure(get_update(update, doc.get_state()))
        doc.apply_update(update)
    assert measure(merge(*made)).inserted == measure(merge(*made, *made)).inserted
    measure(doc.get_update())


# By hand, as Yjs's sources say.


def item(ref: int, content: bytes, info: int = 0, place: bytes = b"\x01\x01r") -> bytes:
    """An update of one item, by default in the root type `r`."""
    return b"\x01\x01\x05\x00" + bytes([ref | info]) + place + content + b"\x00"


CONTENTS = [
    (0, b""),
    (1, b"\x03"),
    (2, b"\x02" + wire.string("{}") + wire.string("undefined")),
    (3, wire.buffer(b"\xff\x00")),
    (5, wire.string('{"a":1}')),
    (6, wire.string("bold") + wire.string("true")),
    *((7, bytes([kind])) for kind in (0, 1, 2, 4, 6)),
    *((7, bytes([kind]) + wire.string("p")) for kind in (3, 5)),
    (8, b"\x00"),
    (8, b"\x05" + bytes([127, 126, 120, 121]) + b"\x7d\xbf\x01"),
    (8, b"\x03" + b"\x7c" + bytes(4) + b"\x7b" + bytes(8) + b"\x7a" + bytes(8)),
    (8, b"\x01\x76\x02" + wire.string("k") + b"\x75\x02\x7e\x7e" + wire.string("l") + b"\x77\x01x"),
    (8, b"\x01\x74" + wire.buffer(b"\x00\x01")),
    (9, wire.string("guid") + b"\x76\x00"),
]


@pytest.mark.parametrize(("ref", "content"), CONTENTS)
def test_every_kind_of_content_is_passed_over(ref: int, content: bytes) -> None:
    """What is behind it is found: here text, and a deletion."""
    first = b"\x03" if ref == 0 else bytes([ref]) + b"\x01\x01r" + content
    first = b"\x00\x02" if ref == 0 else first
    text = b"\x84\x05\x00" + wire.string("text")
    skip = b"\x0a\x09"
    update = b"\x01\x03\x05\x00" + first + skip + text + b"\x01\x07\x02\x00\x09\x14\x05"
    unseen = {0: 2, 1: 3}.get(ref, 0)
    assert measure(update) == Measured(4, 14 - unseen)
    assert measure(update, done={7: [(0, 7)]}) == Measured(4, 7 - unseen)


@pytest.mark.parametrize(
    ("info", "place"),
    [
        (ORIGIN, b"\x05\x00"),
        (RIGHT, b"\x05\x00"),
        (ORIGIN | RIGHT | SUB, b"\x05\x00\x06\x07"),
        (0, b"\x00\x05\x00"),
        (SUB, b"\x00\x05\x00" + wire.string("key")),
        (SUB, b"\x01" + wire.string("root") + wire.string("key")),
    ],
)
def test_items_stand_where_they_may(info: int, place: bytes) -> None:
    """Beside one or two others, in a root, in another item, and under a key of these."""
    assert measure(item(4, wire.string("né"), info, place)) == Measured(2, 0)


def test_values_may_nest_deeply() -> None:
    """100,000 arrays in each other are read, or refused if fewer parts are allowed."""
    update = item(8, b"\x01" + b"\x75\x01" * 100_000 + b"\x7e")
    assert measure(update) == Measured(0, 0)
    with pytest.raises(ProtocolError, match="more parts"):
        measure(update, parts=1_000)


@pytest.mark.parametrize(
    ("update", "parts"),
    [
        (b"\x01\x05\x01\x00" + b"\x00\x01" * 5 + b"\x00", 6),
        (b"\x00\x01\x01\x05" + b"\x01\x01" * 5, 6),
        (item(8, b"\x04" + b"\x7e" * 4), 6),
        (item(2, b"\x04" + b"\x00" * 4), 6),
        (item(8, b"\x01\x75\x03" + b"\x7e" * 3), 6),
    ],
    ids=["structs", "deletions", "values", "strings", "values in a value"],
)
@pytest.mark.parametrize("done", [None, {1: [(0, 1)]}], ids=["all", "new"])
def test_an_update_of_too_many_parts_is_not_read(
    update: bytes, parts: int, done: DeleteSet | None
) -> None:
    """So that reading never takes long, whatever the bytes say they hold."""
    measure(update, parts, done)
    with pytest.raises(ProtocolError, match="more parts"):
        measure(update, parts - 1, done)


@pytest.mark.parametrize(
    "update",
    [
        item(11, b"\x00"),
        item(31, b""),
        item(7, b"\x07"),
        item(8, b"\x01\x73"),
        item(4, wire.buffer(b"\xff")),
        item(4, wire.buffer(b"\xed\xa0\x80")),
        item(1, b"\xff" * 8 + b"\x01"),
        item(8, b"\x01\x7d" + b"\xff" * 8 + b"\x01"),
        EMPTY + b"\x00",
        b"\x01\xff\xff\xff\xff\xff\xff\xff\x0f\x05\x00",
    ],
    ids=lambda update: update.hex()[:30],
)
def test_what_is_no_update_is_refused(update: bytes) -> None:
    """Unknown kinds, text that is not UTF-8, numbers too large, bytes behind the end."""
    with pytest.raises(ProtocolError):
        measure(update)


@pytest.mark.parametrize(("ref", "content"), [*CONTENTS, (4, b"\x02no")])
def test_an_update_cut_short_is_refused(ref: int, content: bytes) -> None:
    """Wherever it ends, it says so."""
    update = item(ref, content, ORIGIN | RIGHT, b"\x05\x00\x06\x00")[:-1] + b"\x01\x07\x01\x00\x09"
    if ref == 0:
        update = b"\x01\x01\x05\x00\x00\x02\x01\x07\x01\x00\x09"
    for end in range(len(update)):
        with pytest.raises(ProtocolError):
            measure(update[:end])


@given(st.binary(max_size=60), st.integers(0, 40))
@example(b"\x01\x01\x05\x00\x08\x01\x01r\x01\x76\xff\xff\xff\xff\xff\xff\xff\x0f", 0)
def test_any_bytes_are_measured_or_refused(update: bytes, parts: int) -> None:
    """Nothing but ProtocolError is ever raised, and nothing negative counted."""
    measure_or_refuse(update, parts)


def measure_or_refuse(update: bytes, parts: int = 0) -> None:
    for done in (None, {0: [(0, 5)]}):
        try:
            measured = measure(update, parts, done)
        except ProtocolError:
            continue
        assert min(measured) >= 0


def both_ways(update: bytes) -> tuple[Measured | None, Measured | None]:
    """What the short way through an update and the long one say; None: nothing, or refused."""
    stroke = keystroke(update)
    short = None if stroke is None else Measured(stroke.inserted, stroke.deleted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structs, "keystroke", lambda _: None)
        try:
            return short, measure(update)
        except ProtocolError:
            return short, None


@given(EDITS, st.integers(0, 2**32))
def test_the_short_way_finds_what_the_long_one_does(edits: list[str | int], seed: int) -> None:
    """For what is typed and erased, and for the same with a spoilt byte; it takes most of it."""
    rng = random.Random(seed)
    made, _ = history(edits)
    for update in made:
        short, long = both_ways(update)
        assert short in (None, long)
        spoilt = bytearray(update)
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        short, long = both_ways(bytes(spoilt))
        assert short in (None, long)
    made, _ = history(["a", "b", 1])
    assert [both_ways(update)[0] for update in made[1:]] == [(1, 0), (0, 1)]


@given(
    st.sampled_from([b"\x01\x01", b"\x00\x01"]),
    st.lists(
        st.sampled_from([b"\x01", b"\x84", b"\xc4", b"\x44", b"\xff", b"\x05", b"a", b"\x00"])
    ),
)
@example(b"\x01\x01", [b"\x01", b"\x01", b"\x84", b"\x01", b"\x01", b"\x00"])  # ends in the middle
def test_the_short_way_takes_nothing_that_the_long_one_refuses(
    head: bytes, rest: list[bytes]
) -> None:
    """Bytes that look like an update and may be none."""
    short, long = both_ways(head + b"".join(rest))
    assert short in (None, long)


@given(histories(), st.integers(0, 2**32))
def test_spoilt_updates_are_measured_or_refused(made: list[bytes], seed: int) -> None:
    """Bytes of real updates, changed, cut and repeated, are no danger either."""
    rng = random.Random(seed)
    update = bytearray(merge(*made))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(update) + 1)
        match rng.randrange(3):
            case 0:
                update[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del update[at : at + rng.randint(1, 9)]
            case _:
                update[at:at] = update[rng.randrange(len(update) + 1) :][: rng.randint(1, 9)]
    measure_or_refuse(bytes(update))


@given(st.text())
def test_lengths_are_those_of_javascript(text: str) -> None:
    """A character beyond the basic plane counts as two."""
    if "\ud800" <= max(text, default="") <= "\udfff":
        return
    assert utf16_length(text.encode()) == units(text)


@given(DELETIONS, DELETIONS)
def test_uncovered_is_what_was_not_deleted_before(
    some: dict[int, list[tuple[int, int]]], done: dict[int, list[tuple[int, int]]]
) -> None:
    """The difference of ranges says what comparing clock by clock says."""
    left = uncovered(read_delete_set(encoded(some)), read_delete_set(encoded(done)))
    assert clocks(left) == meant(some) - meant(done)
    assert sum(end - start for ranges in left.values() for start, end in ranges) == len(
        clocks(left)
    )
