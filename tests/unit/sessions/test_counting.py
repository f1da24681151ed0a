"""What is counted of edits is what they did, whoever hands in again what is there already."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Text

from server.documents.text import replace_text
from server.sessions import counting
from server.sessions.counting import Edits, count_edits, without
from server.sessions.document import Document, Received

texts = st.text(st.sampled_from("ab \nü€😀"), max_size=12)


def units(text: str) -> int:
    """Its length as editors count."""
    return len(text.encode("utf-16-le")) // 2


def text_of(encoded: bytes) -> str:
    doc: Doc[Any] = Doc()
    doc.apply_update(encoded)
    return str(doc.get("content", type=Text))


def replaced(document: Document, text: str, client: int = 7) -> bytes:
    """The update of somebody who changes the text; it names all deletions there ever were."""
    return replace_text(document.encode(), "content", text, client)


def tick(document: Document, *received: tuple[str, bytes], repeats: bool = False) -> Any:
    """Integrate what some people sent, and say what was counted."""
    for author, update in received:
        document.receive(update, author, repeats)
    counted = count_edits(document)
    integrated = document.integrate()
    assert integrated is None or not integrated.refused
    return counted


@given(steps=st.lists(st.tuples(st.sampled_from(["ann", "bob"]), texts), max_size=12))
def test_insertions_less_deletions_are_the_text(steps: list[tuple[str, str]]) -> None:
    """Over all that anybody did, in UTF-16 units; deletions named again don't count."""
    document = Document()
    length = 0
    for author, text in steps:
        before = text_of(document.encode())
        counted = tick(document, (author, replaced(document, text)), repeats=True)
        edits = counted[author]
        assert edits.updates == 1
        assert edits.unmeasured == 0
        assert edits.inserted <= units(text)
        assert edits.deleted <= units(before)
        length += edits.inserted - edits.deleted
        assert length == units(text_of(document.encode())) == units(text)


@given(first=texts, second=texts, offline=texts)
def test_who_comes_back_counts_what_is_new(first: str, second: str, offline: str) -> None:
    """A whole document handed in again counts with what the server did not have, and no more."""
    document = Document()
    tick(document, ("ann", replaced(document, first)), ("bob", replaced(document, second, 8)))
    copy = Document()
    copy.receive(document.encode(), None)
    copy.integrate()
    before = units(text_of(document.encode()))
    copy.receive(replaced(copy, offline, 9), None)
    copy.integrate()
    edits = tick(document, ("ann", copy.encode()))["ann"]
    assert edits.inserted - edits.deleted == units(offline) - before
    assert tick(document, ("eve", copy.encode()))["eve"] == Edits(1, 0, 0)


@settings(max_examples=30)
@given(texts=st.lists(texts, min_size=1, max_size=6))
def test_many_updates_of_one_tick_count_as_one_by_one(texts: list[str]) -> None:
    """Those of one author are looked at together; what is deleted in the same tick was there."""
    document, ahead = Document(), Document()
    updates = []
    for text in texts:
        updates.append(replaced(ahead, text))
        ahead.receive(updates[-1], None)
        ahead.integrate()
    edits = tick(document, *(("ann", update) for update in updates))["ann"]
    assert edits.updates == len(texts)
    assert edits.inserted - edits.deleted == units(texts[-1])


def test_nobody_is_counted_for_what_others_wrote_to_the_journal() -> None:
    """It was counted where it came in."""
    document = Document()
    document.receive(replaced(document, "abc"), None)
    assert count_edits(document) == {}


def test_too_many_parts_are_counted_as_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would hold everybody up."""
    monkeypatch.setattr(counting, "MOST_PARTS", 50)
    doc: Doc[Any] = Doc()
    array = doc.get("array", type=Array)
    for number in range(60):
        array.insert(0, number)
    counted = tick(Document(), ("ann", doc.get_update()), ("bob", Document().encode()))
    assert counted == {"ann": Edits(1, unmeasured=1), "bob": Edits(1)}


def test_a_document_with_too_many_deletions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new of them is not looked for; what inserts only is counted still."""
    document = Document()
    tick(document, ("ann", replaced(document, "abc")))
    tick(document, ("ann", replaced(document, "a")), repeats=True)
    monkeypatch.setattr(counting, "MOST_DELETIONS", 2)
    assert tick(document, ("ann", replaced(document, "")), repeats=True) == {
        "ann": Edits(1, unmeasured=1)
    }


def test_what_pycrdt_can_not_read_is_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting never stands in the way of an edit."""
    for error in (ValueError("no"), type("PanicException", (BaseException,), {})()):

        def fail(*_: object, error: BaseException = error) -> bytes:
            raise error

        monkeypatch.setattr(counting, "get_update", fail)
        document = Document()
        assert tick(document, ("ann", replaced(document, "abc"))) == {"ann": Edits(1, unmeasured=1)}


def test_refused_updates_do_not_count() -> None:
    """What else their author sent in that tick counts without its characters."""
    edits = {"ann": Edits(3, 9, 9), "bob": Edits(1, 2), "eve": Edits(1, 1)}
    refused = [Received("ann", b""), Received("bob", b""), Received(None, b"")]
    assert without(edits, refused) == {"ann": Edits(2, unmeasured=2), "eve": Edits(1, 1)}
