"""Updates that decode but that pycrdt can't live with; all were found by mutating real ones."""

from typing import NamedTuple

import pytest

from server.errors import DocumentDamaged, ProtocolError
from server.protocol.update import EMPTY
from server.sessions import document as module
from server.sessions.document import Document, Integrated
from tests.unit.sessions.histories import text_of, typed

# Applying it panics; after that, pycrdt's document can't even be encoded.
BREAKING = bytes.fromhex("010201002701016d016b0500000102017800")
# Raises RuntimeError: block parent … must be deleted or a shared type.
WRONG_PARENT = bytes.fromhex("010201020301016d016b03000102017800")
# These decode, but pycrdt writes what it read of them so that it can't be read again.
UNWRITABLE = [
    bytes.fromhex("010206a70102050008000106017c0480000000"),
    bytes.fromhex("010201060201020008000106017c3f800000010101070202"),
    bytes.fromhex("01020104e2016101280001040171017c3f8000007f"),
    bytes.fromhex("01020104020801610301280001040171017c3f80000000"),
]


class Sent(NamedTuple):
    """Who sends what."""

    author: str
    update: bytes


def group(document: Document, *sent: Sent) -> Integrated:
    """What integrating these together did."""
    for author, update in sent:
        document.receive(update, author)
    result = document.integrate()
    assert result is not None
    return result


def authors(result: Integrated) -> list[object]:
    """Whose updates were refused."""
    return [entry.author for entry in result.refused]


@pytest.mark.parametrize("update", UNWRITABLE, ids=bytes.hex)
def test_what_could_not_be_read_again_is_refused_at_once(update: bytes) -> None:
    """Such bytes never get as far as a document or a journal row."""
    document = Document()
    with pytest.raises(ProtocolError, match="no update"):
        document.receive(update, "eve")
    with pytest.raises(ProtocolError, match="no update"):
        document.contains(update)
    assert not document.dirty


@pytest.mark.parametrize("bad", [BREAKING, WRONG_PARENT], ids=["panic", "error"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_update_harms_only_its_author(bad: bytes, place: int) -> None:
    """Wherever it stands in a group, all others' updates are in the document."""
    document = Document()
    first = group(document, Sent("ann", typed(11, "before ")[0]))
    sent = [Sent("ann", typed(12, "A")[0]), Sent("bob", typed(13, "B")[0])]
    sent.insert(place, Sent("eve", bad))
    result = group(document, *sent)
    assert authors(result) == ["eve"]
    assert result.authors == {"ann", "bob"}
    assert sorted(text_of(document.encode())) == sorted("before AB")
    assert text_of(Document.load([first.update, result.update]).encode()) == text_of(
        document.encode()
    )
    after = group(document, Sent("ann", typed(14, "!")[0]))
    assert not after.refused
    assert "!" in text_of(document.encode())


def test_updates_that_contradict_each_other_are_not_stored_together() -> None:
    """Each can be read, both merged could not: the second is refused, others' edits are safe."""
    contradicting = [
        bytes.fromhex("010201022701016d016b0204000102017800"),
        bytes.fromhex("010106a70102060008000106017c008000000101010202"),
    ]
    document = Document()
    result = group(
        document,
        Sent("ann", typed(11, "a")[0]),
        *(Sent("eve", update) for update in contradicting),
        Sent("bob", typed(12, "b")[0]),
    )
    assert set(authors(result)) == {"eve"}
    loaded = Document.load([result.update])
    assert text_of(loaded.encode()) == text_of(document.encode())
    assert sorted(text_of(loaded.encode())) == ["a", "b"]


def test_many_bad_updates_in_one_group() -> None:
    """Each is told apart from the good ones between them."""
    document = Document()
    sent = []
    for number in range(5):
        sent.append(Sent(f"eve {number}", [BREAKING, WRONG_PARENT][number % 2]))
        sent.append(Sent(f"ann {number}", typed(20 + number, str(number))[0]))
    result = group(document, *sent)
    assert authors(result) == [f"eve {number}" for number in range(5)]
    assert sorted(text_of(document.encode())) == list("01234")


def test_a_group_with_nothing_good_leaves_nothing_behind() -> None:
    """There is nothing to send or to save, and the document goes on empty."""
    document = Document()
    result = group(document, Sent("eve", BREAKING))
    assert (result.update, result.authors) == (EMPTY, frozenset())
    assert authors(result) == ["eve"]
    assert document.encode() == EMPTY


@pytest.mark.parametrize("bad", [BREAKING, WRONG_PARENT], ids=["panic", "error"])
def test_what_waits_outlives_a_bad_update(bad: bytes) -> None:
    """What waited before it still waits after it, and is taken up when the rest comes."""
    first, second, third = typed(11, "a", "b", "c")
    document = Document()
    group(document, Sent("ann", first))
    group(document, Sent("ann", third))
    assert authors(group(document, Sent("eve", bad))) == ["eve"]
    assert document.waiting_bytes > 0
    group(document, Sent("ann", second))
    assert text_of(document.encode()) == "abc"


def test_a_bad_update_that_waits_is_not_blamed_on_who_completes_it() -> None:
    """The update that a bad one builds on is good, whoever was first."""
    base, bad = waiting_bad()
    document = Document()
    waited = group(document, Sent("eve", bad))
    assert not waited.refused
    assert document.waiting_bytes > 0
    result = group(document, Sent("ann", base))
    assert authors(result) == []
    assert result.authors == {"ann"}
    assert text_of(document.encode()) == "ab"
    assert document.waiting_bytes == 0
    loaded = Document.load([waited.update, result.update])
    assert loaded.damaged
    assert loaded.encode() == document.encode()


def test_a_bad_update_that_waits_within_its_group() -> None:
    """Author of a bad update and of what it builds on in one group: only the bad one goes."""
    base, bad = waiting_bad()
    document = Document()
    result = group(document, Sent("eve", bad), Sent("ann", base))
    assert authors(result) == ["eve"]
    assert result.authors == {"ann"}
    assert text_of(document.encode()) == "ab"


def waiting_bad() -> tuple[bytes, bytes]:
    """A good update of client 1, and one that builds on it and can't be integrated."""
    base = typed(1, "ab")[0]
    # Client 2 writes a character into what is no shared type: parent = the item (1, 0).
    bad = bytes.fromhex("0101020004000100016100")
    alone = Document()
    alone.receive(base, None)
    alone.integrate()
    alone.receive(bad, "eve")
    result = alone.integrate()
    assert result is not None
    assert authors(result) == ["eve"]
    return base, bad


def test_a_document_with_a_bad_row_says_so() -> None:
    """What is stored and can't be integrated is left out, the rest is there, and it is told."""
    document = Document.load([typed(11, "a")[0], WRONG_PARENT, BREAKING, typed(12, "b")[0]])
    assert document.damaged
    assert sorted(text_of(document.encode())) == ["a", "b"]
    assert not Document.load([document.encode()]).damaged
    assert not Document.load([]).damaged


def test_a_document_that_can_t_be_restored_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """If even the way back fails, the document is given up instead of going on without a part."""
    document = Document()
    group(document, Sent("ann", typed(11, "a")[0]))
    monkeypatch.setattr(document, "_checkpoint", [BREAKING])
    document.receive(BREAKING, "eve")
    with pytest.raises(DocumentDamaged):
        document.integrate()


def test_a_document_that_can_t_be_read_costs_the_asker_its_socket_only() -> None:
    """If pycrdt panics while it answers, that is an error like any other."""
    document = Document()
    with pytest.raises(BaseException, match="divide by zero"):
        document._doc.apply_update(BREAKING)
    with pytest.raises(ProtocolError):
        document.encode()


def test_only_pycrdts_errors_are_taken_for_bad_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt during an update goes through."""

    def interrupted(*_updates: bytes) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "merge_updates", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Document().receive(EMPTY, "ann")
