"""Keystrokes that are put into a document later are in it whenever anybody looks."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from server.protocol.keystrokes import TYPED
from server.protocol.lib0 import varuint
from server.sessions.counting import Edits, count_edits
from server.sessions.document import KEYSTROKES, Document
from server.sessions.forecast import Forecast
from tests.unit.sessions.histories import content, text_of

CHARS = st.sampled_from(["a", "b", "\n", "ü", "я", "👋", "wort"])


class Sent(NamedTuple):
    """An update and who sent it."""

    author: int
    update: bytes


class TakenIn(NamedTuple):
    """A document, and what it did and counted in each tick."""

    document: Document
    done: list[object]
    counts: list[object]


class Typist:
    """Somebody whose editor sends an update for each key, as Yjs makes them."""

    def __init__(self, client: int) -> None:
        self.doc: Doc[Any] = Doc(client_id=client)
        self.client = client
        self.made: list[bytes] = []
        self._kept = self.doc.observe(lambda event: self.made.append(event.update))
        self.text = self.doc.get("text", type=Text)

    def key(self, place: float, typed: str, erase: bool) -> Sent:
        """Type something, or erase a character, at a part of the text's length."""
        chars = str(self.text)
        at = round(place * len(chars))
        start = len(chars[:at].encode())
        if erase and at < len(chars):
            del self.text[start : start + len(chars[at].encode())]
        else:
            self.text.insert(start, typed)
        return Sent(self.client, self.made[-1])

    def hear(self, others: "list[Typist]") -> None:
        """Take in what the others have."""
        for other in others:
            if other is not self:
                self.doc.apply_update(other.doc.get_update(self.doc.get_state()))


@st.composite
def typing(draw: st.DrawFn) -> list[Sent]:
    """What up to three people type and erase at once, each knowing more or less of the others."""
    typists = [Typist(client) for client in (1, 300, 2**40)[: draw(st.integers(1, 3))]]
    sent = []
    for _ in range(draw(st.integers(1, 25))):
        typist = draw(st.sampled_from(typists))
        if draw(st.integers(0, 3)) == 0:
            typist.hear(typists)
        place = draw(st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.0]))
        sent.append(typist.key(place, draw(CHARS), draw(st.integers(0, 3)) == 0))
    return sent


def straight(sent: list[Sent], ends: set[int]) -> TakenIn:
    """What the document does that takes no short way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Forecast, "fit", lambda *_: None)
        return taken_in(sent, ends, set())


def taken_in(sent: list[Sent], ends: set[int], looks: set[int]) -> TakenIn:
    """A document after a tick at each of `ends`, read at each of `looks`."""
    document = Document()
    done: list[object] = []
    counts: list[object] = []
    for number, entry in enumerate(sent):
        document.receive(entry.update, entry.author)
        if number in ends or number == len(sent) - 1:
            counts.append(count_edits(document))
            result = document.integrate()
            assert result is not None
            done.append((content(result.update), result.authors, result.refused))
        if number in looks:
            document.encode()
    return TakenIn(document, done, counts)


@given(typing(), st.sets(st.integers(0, 24)), st.sets(st.integers(0, 24)), st.data())
def test_the_short_way_changes_nothing(
    sent: list[Sent], ends: set[int], looks: set[int], data: st.DataObject
) -> None:
    """Whatever order keys come in, twice or late, and whoever looks meanwhile: the same document
    and updates for all as without it; the same counts if no deletion came twice in a tick."""
    order = data.draw(st.permutations(sent) | st.just(sent))
    again = data.draw(st.lists(st.sampled_from(sent), max_size=3))
    stream = [*order, *again]
    document, done, counted = taken_in(stream, ends, looks)
    other, expected, expected_counts = straight(stream, ends)
    assert done == expected
    assert again or counted == expected_counts
    assert content(document.encode()) == content(other.encode())
    assert all(document.contains(entry.update) for entry in sent)


def test_most_keys_take_the_short_way() -> None:
    """All but a client's first, which says where the text is; other alphabets as well."""
    ann, bob = Typist(1), Typist(2)
    document = Document()
    sent = [ann.key(1, "a", False)]
    sent += [ann.key(1, char, False) for char in "bя👋"]
    bob.hear([ann])
    sent += [bob.key(0.5, "x", False), bob.key(0, "y", False), bob.key(0.2, "", True)]
    short = []
    for entry in sent:
        document.receive(entry.update, entry.author)
        short.append(document.received[0].fits)
        document.integrate()
    assert short == [None, (1, 0), (1, 0), (2, 0), (1, 0), (1, 0), (0, 1)]
    assert text_of(document.encode()) == str(bob.text)


def test_a_client_without_a_past_takes_it_too() -> None:
    """Who types its first letter into a text that is there needs only what it stands beside."""
    ann, bob = Typist(1), Typist(2)
    document = Document()
    document.receive(ann.key(1, "a", False).update, 1)
    document.integrate()
    bob.hear([ann])
    document.receive(bob.key(1, "b", False).update, 2)
    assert document.received[0].fits == (1, 0)


def test_what_stands_beside_nothing_known_waits() -> None:
    """A letter beside one that has not come is no keystroke that fits; it waits for it."""
    ann, bob = Typist(1), Typist(2)
    first = ann.key(1, "a", False)
    missing = ann.key(1, "b", False)
    bob.hear([ann])
    beside = bob.key(1, "c", False)
    document = Document()
    for entry in (first, beside):
        document.receive(entry.update, entry.author)
        document.integrate()
    assert document.waiting_bytes > 0
    document.receive(missing.update, 1)
    document.integrate()
    assert text_of(document.encode()) == "abc"


def test_what_comes_twice_is_counted_once() -> None:
    """A key that is in the document, even if only waiting to be put there, is nothing new."""
    ann = Typist(1)
    document = Document()
    for _ in range(3):
        ann.key(1, "a", False)
    for update in (*ann.made, ann.made[-1]):
        document.receive(update, 1)
        counted = count_edits(document)
        document.integrate()
    assert counted == {1: Edits(1, 0, 0)}
    assert text_of(document.encode()) == "aaa"


def test_what_waited_is_not_counted_again() -> None:
    """A key that another one had to be before is in the document with that, and nothing new."""
    ann = Typist(1)
    first, second, third = (ann.key(1, char, False).update for char in "abc")
    document = Document()
    for update in (first, third, second):
        document.receive(update, 1)
        document.integrate()
    document.receive(third, 1)
    assert count_edits(document) == {1: Edits(1, 0, 0)}


def test_what_builds_on_put_off_keys_does_not_wait_for_them() -> None:
    """An edit that is no keystroke finds all that was received before it."""
    ann = Typist(1)
    document = Document()
    for char in "abc":
        document.receive(ann.key(1, char, False).update, 1)
        document.integrate()
    ann.text.format(0, 3, {"bold": True})
    document.receive(ann.made[-1], 1)
    document.integrate()
    assert document.waiting_bytes == 0


def test_what_was_put_off_is_bounded() -> None:
    """However long nobody looks, only so many keystrokes wait to be put into the document."""
    ann = Typist(1)
    document = Document()
    most = 0
    for _ in range(3 * KEYSTROKES):
        document.receive(ann.key(1, "a", False).update, 1)
        document.integrate()
        most = max(most, len(document._keystrokes))
    assert 1 < most < KEYSTROKES
    assert text_of(document.encode()) == "a" * 3 * KEYSTROKES


def test_a_crowd_of_clients_is_not_read_for_each_update() -> None:
    """Where thousands have typed, clocks are read anew only after as much else was taken in."""
    forecast = Forecast()
    state = varuint(2_000) + b"".join(varuint(client) + b"\x01" for client in range(2_000))
    stroke = b"\x01\x01\x05\x01\x84\x05\x00\x01a\x00"
    tries = [forecast.fit(stroke, state) for _ in range(30)]
    first = tries.index((1, 0))
    assert 10 < first < 29
    assert forecast.fit(stroke, state) is None  # it is no longer the next
    forecast.forget()
    assert [forecast.fit(stroke, state) for _ in range(first)] == [None] * first


@pytest.mark.parametrize(
    "update",
    [
        b"\x01\x01\x81\x00\x01\x84\x01\x00\x01a\x00",  # a client in more bytes than it needs
        b"\x01\x01\x01\x01\x84\x01\x00\x01\xff\x00",  # text that is none
        b"\x01\x01\x01\x01\x84\x01\x00\x01a\x00\x00",  # something behind it
        b"\x01\x01\x01\x01\x84\x01\x00\x02a\x00",  # text that is cut off
    ],
)
def test_untidy_keystrokes_go_the_long_way(update: bytes) -> None:
    """What could be read in two ways is judged by pycrdt, as all else."""
    assert TYPED.match(update) is None or Forecast().fit(update, b"\x01\x01\x01") is None
    assert Forecast().fit(b"\x01\x01\x01\x01\x84\x01\x00\x01a\x00", b"\x01\x01\x01") == (1, 0)
