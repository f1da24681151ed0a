"""What was found, marked in its text."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.highlights import START, STOP, Marked, excerpt, read

pieces = st.lists(
    st.tuples(st.text("ab \n<&", max_size=60), st.text("xyz", min_size=1, max_size=9))
)


def marked(text: list[tuple[str, str]]) -> str:
    """Each second piece with private characters around it."""
    return "".join(f"{before}{START}{word}{STOP}" for before, word in text)


@given(pieces)
def test_marks_are_places_of_what_was_marked(text: list[tuple[str, str]]) -> None:
    """The text is what it was without them, and each mark is from a word's beginning to its end."""
    result = read(marked(text))
    assert result.text == "".join(before + word for before, word in text)
    assert [result.text[a:b] for a, b in result.marks] == [word for _, word in text]


@given(st.text(f"ab{START}{STOP}"))
def test_stray_marks_are_no_error(text: str) -> None:
    """Whatever stands where, no private character gets through, and marks follow each other."""
    result = read(text)
    assert START not in result.text
    assert STOP not in result.text
    places = [place for mark in result.marks for place in mark]
    assert places == sorted(places)
    assert all(a < b for a, b in result.marks)
    assert all(0 <= place <= len(result.text) for place in places)


@given(pieces, st.integers(70, 300))
def test_an_excerpt_shows_what_was_marked(text: list[tuple[str, str]], longest: int) -> None:
    """It is part of the text, not too long, and its marks are whole words of it or ends of such."""
    whole = read(marked(text))
    part = excerpt(whole, longest)
    shown = part.text.removeprefix("… ").removesuffix(" …")
    assert shown in "".join(" " if c.isspace() else c for c in whole.text)
    assert len(shown) <= longest
    words = [word for _, word in text]
    for a, b in part.marks:
        assert 0 <= a < b <= len(part.text)
        assert any(part.text[a:b] in word for word in words)
    assert bool(part.marks) == bool(whole.marks)


def test_where_the_most_is_marked() -> None:
    """An excerpt is from there, cut at spaces; a short text is shown whole."""
    text = "start " * 20 + f"{START}one{STOP} " + "between " * 20 + f"{START}two{STOP} and "
    result = excerpt(read(text + f"{START}three{STOP} " + "end " * 20), 100)
    assert result.text == (
        "… between between between between between between between two and three"
        " end end end end end end end …"
    )
    assert [result.text[a:b] for a, b in result.marks] == ["two", "three"]
    assert excerpt(read(f"line\n{START}two{STOP}")) == Marked("line two", ((5, 8),))
