"""A document that is loaded in steps is the one that is loaded at once."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from server.protocol import slices
from server.sessions import document as module
from server.sessions.document import Document, merged
from tests.unit.sessions.histories import content, histories, text_of, typed
from tests.unit.sessions.test_bad_updates import BREAKING, WRONG_PARENT


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps as small as the documents of these tests."""
    monkeypatch.setattr(module, "MERGE_GROUP", 2)
    monkeypatch.setattr(module, "LOAD_BYTES", 30)
    monkeypatch.setattr(module, "CUT_BYTES", 40)
    monkeypatch.setattr(slices, "MOST_STRUCTS", 3)
    monkeypatch.setattr(slices, "SEGMENT_STRUCTS", 2)


def in_steps(stored: Sequence[bytes], pending_bytes: int = 0) -> tuple[Document, int]:
    """The document, and after how many steps."""
    loading, steps = Document.loading(stored, pending_bytes), 0
    while True:
        try:
            next(loading)
        except StopIteration as end:
            return end.value, steps
        steps += 1


@given(histories(), st.data())
def test_steps_change_nothing(updates: list[bytes], data: st.DataObject) -> None:
    """Whatever is stored: clocks, content, what waits, and how it goes on from there."""
    cut = data.draw(st.integers(0, len(updates)))
    missing = data.draw(st.integers(0, len(updates)))
    snapshot = [merged(updates[:cut])] if cut else []
    stored = [*snapshot, *updates[cut:missing], *updates[max(cut, missing + 1) :]]
    document, _ = in_steps(stored)
    at_once = Document.load(stored)
    assert not document.damaged
    assert not document.dirty
    assert document.waiting_bytes == at_once.waiting_bytes
    assert content(document.encode()) == content(at_once.encode())
    for update in updates[missing : missing + 1]:
        document.receive(update, None)
        document.integrate()
    assert content(document.encode()) == content(merged(updates))
    assert document.waiting_bytes == 0


def long_text() -> bytes:
    """A snapshot with many structs."""
    doc: Doc[Text] = Doc(client_id=11)
    text = doc.get("text", type=Text)
    for number in range(60):
        text.insert(0, f"{number} ")
    return doc.get_update()


def test_a_large_document_takes_many_steps_and_a_small_one_none() -> None:
    """Nobody waits for a turn of the loop who does not have to."""
    assert in_steps([long_text(), *typed(2, *"abcdef")])[1] > 20
    assert in_steps([])[1] == in_steps(typed(2, "a", "b"))[1] == 0


def test_it_is_there_again_after_a_bad_update() -> None:
    """What was loaded in steps is what a document goes back to."""
    stored = [long_text(), *typed(2, *"abc")]
    document, _ = in_steps(stored)
    document.receive(BREAKING, "eve")
    document.receive(typed(3, "d")[0], "ann")
    result = document.integrate()
    assert result is not None
    assert [entry.author for entry in result.refused] == ["eve"]
    assert content(document.encode()) == content(merged([*stored, *typed(3, "d")]))


@pytest.mark.parametrize("bad", [BREAKING, WRONG_PARENT], ids=["panic", "error"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_row_is_left_out(bad: bytes, place: int) -> None:
    """Wherever it stands, all else is there and it is told."""
    stored = [long_text(), typed(2, "x" * 35)[0]]
    good = merged(stored)
    stored.insert(place, bad)
    document, _ = in_steps(stored)
    assert document.damaged
    assert content(document.encode()) == content(good)


@pytest.mark.parametrize("size", [35, 45])
def test_a_row_that_is_no_update_is_left_out(size: int) -> None:
    """As it is by loading at once, however large it is."""
    document, _ = in_steps([long_text(), b"\xff" * size, *typed(2, "a")])
    assert document.damaged
    assert content(document.encode()) == content(merged([long_text(), *typed(2, "a")]))
    assert Document.load([b"\xff" * size]).damaged


def test_what_can_not_be_cut_is_loaded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """pycrdt integrates some updates that it can't integrate in parts."""

    def spoilt(update: bytes, state: Any) -> Sequence[bytes]:
        return [typed(2, "lost")[0], BREAKING]

    monkeypatch.setattr(module, "slices", spoilt)
    document, _ = in_steps([long_text()])
    assert not document.damaged
    assert text_of(long_text()) in text_of(document.encode())


def test_more_may_wait_in_the_database_than_may_be_received() -> None:
    """The bound holds again once all is loaded."""
    first, *rest = typed(1, "a", *("b" * 500 for _ in range(5)))
    document, _ = in_steps(rest[1:], pending_bytes=1_200)
    assert not document.damaged
    document.receive(typed(9, "a", "c" * 4_000)[1], "eve")
    result = document.integrate()
    assert result is not None
    assert result.refused
    for update in (first, rest[0]):
        document.receive(update, None)
    document.integrate()
    assert text_of(document.encode()) == "a" + "b" * 2_500
