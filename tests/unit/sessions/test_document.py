"""The laws of a document: order, grouping and waiting change nothing."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text, merge_updates

from server.errors import ProtocolError
from server.protocol.update import EMPTY
from server.sessions.document import MERGE_GROUP, Document, Integrated, merged
from tests.unit.sessions.histories import content, histories, text_of, typed

EMPTY_STATE = b"\x00"


def delivered(updates: Sequence[bytes], group_ends: set[int] | None = None) -> Document:
    """A document that received updates in this order, integrating behind those numbers."""
    document = Document()
    for number, update in enumerate(updates):
        document.receive(update, None)
        if group_ends is None or number in group_ends:
            document.integrate()
    document.integrate()
    return document


def integrated(document: Document, update: bytes, author: object = None) -> Integrated:
    """What integrating one update did."""
    document.receive(update, author)
    result = document.integrate()
    assert result is not None
    return result


@given(histories(), st.randoms(use_true_random=False), st.sets(st.integers(0, 11)))
def test_any_order_and_grouping_converges(
    updates: list[bytes], order: Random, group_ends: set[int]
) -> None:
    """However updates come and are grouped, the document is that of all in order."""
    shuffled = order.sample(updates, len(updates))
    document = delivered(shuffled, group_ends)
    assert content(document.encode()) == content(merged(updates))
    assert document.waiting_bytes == 0


@given(histories(), st.randoms(use_true_random=False), st.sets(st.integers(0, 11)), st.data())
def test_who_joins_late_misses_nothing(
    updates: list[bytes], order: Random, group_ends: set[int], data: st.DataObject
) -> None:
    """The whole at any moment, waiting parts included, and the rest as it comes make all of it."""
    shuffled = order.sample(updates, len(updates))
    at = data.draw(st.integers(0, len(updates)))
    document = delivered(shuffled[:at], group_ends)
    given_at_join = document.encode()
    later = [integrated(document, update).update for update in shuffled[at:]]
    client = Document.load([given_at_join, *later])
    assert content(client.encode()) == content(merged(updates)) == content(document.encode())


@given(histories(), st.randoms(use_true_random=False), st.data())
def test_who_has_a_part_is_given_the_rest(
    updates: list[bytes], order: Random, data: st.DataObject
) -> None:
    """A client with any updates of its own and the diff to its state vector has everything."""
    document = delivered(order.sample(updates, len(updates)))
    had = delivered(updates[: data.draw(st.integers(0, len(updates)))])
    diff = document.diff(had.state_vector)
    assert content(merged([had.encode(), diff])) == content(merged(updates))


@given(histories(), st.randoms(use_true_random=False), st.sets(st.integers(0, 11)))
def test_what_comes_out_is_what_went_in(
    updates: list[bytes], order: Random, group_ends: set[int]
) -> None:
    """The bytes for journal and participants make the same document, wherever they are cut."""
    document, out = Document(), []
    for number, update in enumerate(order.sample(updates, len(updates))):
        document.receive(update, number)
        if number in group_ends and (result := document.integrate()):
            out.append(result.update)
    if result := document.integrate():
        out.append(result.update)
    assert not document.dirty
    assert content(Document.load(out).encode()) == content(merged(updates))


@given(histories(), st.data())
def test_any_split_of_what_is_stored_loads_equal(updates: list[bytes], data: st.DataObject) -> None:
    """A snapshot of any length and the updates after it load as all updates would."""
    cut = data.draw(st.integers(0, len(updates)))
    parts = [delivered(updates[:cut]).encode(), *updates[cut:]]
    document = Document.load(parts)
    assert content(document.encode()) == content(merged(updates))
    assert not document.damaged
    assert not document.dirty


@given(histories(), st.randoms(use_true_random=False), st.data())
def test_contained_is_what_changes_nothing(
    updates: list[bytes], order: Random, data: st.DataObject
) -> None:
    """What was integrated is contained; what is said to be contained makes no difference."""
    shuffled = order.sample(updates, len(updates))
    at = data.draw(st.integers(0, len(updates)))
    document = delivered(shuffled[:at])
    before = content(document.encode())
    for update in shuffled[:at]:
        if document.waiting_bytes == 0:
            assert document.contains(update)
    for update in shuffled[at:]:
        if document.contains(update):
            assert content(merge_updates(document.encode(), update)) == before
    everything = delivered(updates)
    assert all(everything.contains(update) for update in updates)


def test_what_waits_or_is_not_integrated_counts_as_new() -> None:
    """Such an update is not contained, so that it is saved before it is acknowledged."""
    first, second = typed(1, "a", "b")
    document = delivered([second])
    assert not document.contains(second)
    document.receive(first, None)
    assert not document.contains(first)


def test_a_deletion_is_contained_once_it_was_made() -> None:
    """An update with nothing but deletions is compared with what is deleted."""
    doc: Doc[Text] = Doc(client_id=1)
    text = doc.get("text", type=Text)
    text += "abc"
    document = delivered([doc.get_update()])
    before = doc.get_state()
    del text[1:2]
    deletion = doc.get_update(before)
    assert not document.contains(deletion)
    integrated(document, deletion)
    assert document.contains(deletion)


def test_many_deletions_stay_contained() -> None:
    """Those who come back again and again with the same deletions bring nothing new."""
    doc: Doc[Text] = Doc(client_id=1)
    text = doc.get("text", type=Text)
    text += "abcdefghij" * 40
    document = delivered([doc.get_update()])
    for start in range(10):
        before = doc.get_state()
        for at in range(40):
            del text[at * (9 - start) : at * (9 - start) + 1]
        deletions = doc.get_update(before)
        assert not document.contains(deletions)
        integrated(document, deletions)
        assert document.contains(deletions)
        assert document.contains(deletions)
        assert document.contains(doc.get_update(before))


def test_text_is_kept_that_plain_pycrdt_loses() -> None:
    """Updates that wait for each other, applied one at a time, make the whole text.

    pycrdt takes up only a part of what it let wait, which is why Document remembers it itself.
    """
    updates = [
        bytes.fromhex("0101010004010174016100"),  # types "a"
        bytes.fromhex("010101012801016d016b017c3f80000000"),  # sets a key of a map
        bytes.fromhex("01010102840100016200"),  # types "b" behind the "a"
    ]
    plain: Doc[Text] = Doc()
    for update in reversed(updates):
        plain.apply_update(update)
    assert str(plain.get("t", type=Text)) == "a", "pycrdt was mended: Document may be simpler"
    document = delivered(updates[::-1])
    whole: Doc[Text] = Doc()
    whole.apply_update(document.encode())
    assert str(whole.get("t", type=Text)) == "ab"
    assert document.waiting_bytes == 0


def test_what_waits_is_handed_on_and_counted() -> None:
    """A newcomer is given what waits, so that it is complete as soon as the rest arrives."""
    first, second, third = typed(1, "a", "b", "c")
    document = delivered([first, third])
    assert document.waiting_bytes > 0
    assert text_of(document.encode()) == "a"
    assert text_of(merged([document.diff(EMPTY_STATE), second])) == "abc"


def test_deletions_that_wait_are_kept() -> None:
    """A deletion that comes before what it deletes takes effect in the end."""
    doc: Doc[Text] = Doc(client_id=1)
    text = doc.get("text", type=Text)
    text += "abc"
    insertion, before = doc.get_update(), doc.get_state()
    del text[1:2]
    document = delivered([doc.get_update(before)])
    assert document.waiting_bytes > 0
    integrated(document, insertion)
    assert text_of(document.encode()) == "ac"
    assert document.waiting_bytes == 0


def test_too_much_that_waits_is_refused() -> None:
    """Past the bound an update that would wait is refused; those that fill the gap never are."""
    updates = typed(1, "a", *(f"{number:500}" for number in range(5)))
    document = Document(pending_bytes=1_200)
    for update in updates[2:4]:
        assert not integrated(document, update).refused
    result = integrated(document, updates[4], "eve")
    assert [entry.author for entry in result.refused] == ["eve"]
    assert result.update == EMPTY
    for update in [updates[0], updates[1], *typed(2, "z" * 2_000), updates[4]]:
        assert not integrated(document, update).refused
    assert document.waiting_bytes == 0
    assert "3" in text_of(document.encode())


def test_what_is_stored_is_never_too_much() -> None:
    """More than the bound may wait in the database; the document opens, whole."""
    first, *rest = typed(1, "a", *("b" * 500 for _ in range(5)))
    document = Document.load(rest[1:], pending_bytes=1_200)
    assert not document.damaged
    assert not integrated(document, first).refused
    assert not integrated(document, rest[0]).refused
    assert text_of(document.encode()) == "a" + "b" * 2_500


def test_nothing_received_is_nothing_integrated() -> None:
    """There is no result without an update; an update without content has an empty one."""
    document = Document()
    assert document.integrate() is None
    assert not document.dirty
    document.receive(EMPTY, "ann")
    assert document.dirty
    assert document.integrate() == Integrated(EMPTY, EMPTY_STATE, frozenset({"ann"}), ())


def test_the_result_names_authors_and_what_came_before() -> None:
    """Whoever is behind is owed all since the state vector before the group."""
    document = delivered(typed(1, "a"))
    before = document.state_vector
    document.receive(typed(2, "b")[0], "ann")
    document.receive(typed(3, "c")[0], "bob")
    result = document.integrate()
    assert result is not None
    assert result.before == before
    assert result.authors == {"ann", "bob"}
    assert document.diff(before) != EMPTY


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\xff" * 20, b"\x01\x01\x01\x00\x04\x01\x01t\x05a"]
)
def test_bytes_that_are_no_update_are_refused(data: bytes) -> None:
    """They are neither received nor contained."""
    document = Document()
    with pytest.raises(ProtocolError, match="no update"):
        document.receive(data, "eve")
    with pytest.raises(ProtocolError, match="no update"):
        document.contains(data)
    assert not document.dirty


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x01", b"\xff" * 20, b"\x00\x00"])
def test_bytes_that_are_no_state_vector_are_refused(data: bytes) -> None:
    """A bad state vector is an error of whoever sent it."""
    with pytest.raises(ProtocolError):
        Document().diff(data)


@pytest.mark.parametrize("count", [0, 1, MERGE_GROUP, MERGE_GROUP + 1, 2 * MERGE_GROUP + 5])
def test_merging_in_groups_keeps_everything(count: int) -> None:
    """However many updates there are, merged they make the whole text."""
    updates = typed(1, *("x" for _ in range(count)))
    assert text_of(merged(updates)) == "x" * count


def test_a_document_that_grows_past_its_checkpoint_stays_whole() -> None:
    """What is remembered to recover from a bad update is renewed without loss."""
    updates = typed(1, *("y" * 10_000 for _ in range(30)))
    document = delivered(updates)
    assert text_of(document.encode()) == "y" * 300_000
