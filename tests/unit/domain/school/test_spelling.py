"""Mistyped words."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.spelling import CLEARLY, meant, one_slip, probe

LETTERS = "abc"
word = st.text(LETTERS, min_size=2, max_size=7)


def slips(word: str) -> set[str]:
    """All that one slip makes of a word, made one by one."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    deleted = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    changed = {a + letter + b[1:] for a, b in cuts if b for letter in LETTERS}
    inserted = {a + letter + b for a, b in cuts for letter in LETTERS}
    return (deleted | swapped | changed | inserted) - {word}


@given(word, st.text(LETTERS, max_size=8))
def test_one_letter_more_less_other_or_swapped(a: str, b: str) -> None:
    """Those, and nothing else, is one slip."""
    assert one_slip(a, b) == (b in slips(a))
    for other in slips(a):
        assert one_slip(a, other)


@given(word)
def test_every_slip_is_looked_at(word: str) -> None:
    """Whatever one slip makes of a word is among those that are looked up for it."""
    assert all(probe(word).reaches(other) for other in slips(word))


def test_what_was_meant() -> None:
    """The one used most, but rather with the same first letter; and clearly more than the word."""
    assert meant("gaz", {"gas": 3, "gaze": 5, "maz": 99, "grass": 999}) == "gaze"
    assert meant("gaz", {"maz": 99}) == "maz"
    assert meant("gaz", {"gaz": 2, "gas": 2 * CLEARLY}) is None
    assert meant("gaz", {"gaz": 2, "gas": 2 * CLEARLY + 1}) == "gas"
    assert meant("gaz", {}) is None
