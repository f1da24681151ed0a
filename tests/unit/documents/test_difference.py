"""What of a text has to change: exactly enough, near the least, and found soon."""

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.documents.difference import Span, differences, joined

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d", "\n", "é\r\n", "😀x\n"]), max_size=40)
TEXTS = st.builds("".join, LINES) | st.text("ab\n", max_size=60)


def changed(old: str, spans: list[Span]) -> str:
    """The text after these changes."""
    for span in reversed(spans):
        old = old[: span.start] + span.new + old[span.end :]
    return old


@given(TEXTS, TEXTS)
@example("", "")
@example("a\nb\n", "b\na\n")
def test_they_make_the_new_text(old: str, new: str) -> None:
    """In order, apart from each other, and none that changes nothing."""
    spans = differences(old, new)
    assert changed(old, spans) == new
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(span.new != old[span.start : span.end] for span in spans)


@given(st.permutations(range(30)), st.sets(st.integers(0, 29), max_size=8))
def test_lines_that_are_once_in_both_stay(order: list[int], gone: set[int]) -> None:
    """What is left out is deleted, and nothing else is touched."""
    lines = [f"line {number}\n" for number in order]
    kept = [line for number, line in enumerate(lines) if number not in gone]
    spans = differences("".join(lines), "".join(kept))
    deleted = sum(span.end - span.start for span in spans)
    assert deleted == sum(len(lines[number]) for number in gone)
    assert all(span.new == "" for span in spans)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 5), st.randoms())
def test_lines_that_repeat(kinds: int, step: int, order: Random) -> None:
    """However lines repeat and whatever is put between them."""
    size = 2_000
    old = [f"{number % kinds}\n" for number in range(size)]
    new = [
        f"{number % kinds}\n" + ("" if number % step else f"n{number}\n") for number in range(size)
    ]
    order.shuffle(new)
    assert changed("".join(old), differences("".join(old), "".join(new))) == "".join(new)


def test_long_texts_without_lines() -> None:
    """Equal ends are found however long they are; the letter between them is what changes."""
    for length in (4_095, 4_096, 4_097, 1_000_000):
        old, new = "x" * length + "a" + "y" * length, "x" * length + "b" + "y" * length
        assert differences(old, new) == [Span(length, length + 1, "b")]


@given(TEXTS, TEXTS, st.integers(1, 5))
def test_fewer_pieces_make_the_same_text(old: str, new: str, most: int) -> None:
    """What lies between those that are joined is written again."""
    spans = differences(old, new)
    fewer = joined(old, spans, most)
    assert len(fewer) == min(len(spans), most)
    assert changed(old, fewer) == new
    if len(spans) <= most:
        assert fewer == spans


def test_the_nearest_pieces_are_joined() -> None:
    """So that as little as may be is written again."""
    spans = [Span(0, 1, "A"), Span(5, 6, "F"), Span(7, 7, "!"), Span(20, 21, "U")]
    old = "abcdefghijklmnopqrstu"
    assert joined(old, spans, 3) == [spans[0], Span(5, 7, "Fg!"), spans[3]]
    assert joined(old, spans, 1) == [Span(0, 21, "AbcdeFg!hijklmnopqrstU")]


def test_very_many_lines_are_replaced_as_one_piece() -> None:
    """The result is the same."""
    old = "".join(f"{number}\n" for number in range(30_000))
    new = "start\n" + old.replace("7", "seven") + "end\n"
    (span,) = differences(old, new)
    assert changed(old, [span]) == new
