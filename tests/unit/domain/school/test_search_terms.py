"""What is typed to search, taken apart and put together again."""

import re
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.search_terms import (
    MOST_CHARACTERS,
    MOST_TERMS,
    Term,
    Terms,
    compose,
    parse,
    plain,
    respelled,
    written,
)


def words(*texts: str) -> tuple[Term, ...]:
    return tuple(Term(text) for text in texts)


PARSED = {
    "": Terms(),
    '  -- "" - . "-': Terms(),
    "gas": Terms(words("gas"), (), unfinished=True),
    "gas ": Terms(words("gas")),
    "ga": Terms(words("ga")),
    "gas fees": Terms(words("gas", "fees"), (), unfinished=True),
    '"gas fees"': Terms((Term("gas fees", phrase=True),)),
    '"gas  fees': Terms((Term("gas fees", phrase=True),)),
    "„gas fees“ high": Terms((Term("gas fees", phrase=True), Term("high")), (), unfinished=True),
    "gas -loops": Terms(words("gas"), words("loops")),
    "gas –loops": Terms(words("gas"), words("loops")),
    'gas -"for loops"': Terms(words("gas"), (Term("for loops", phrase=True),)),
    "-gas": Terms((), words("gas")),
    "proof-of-stake": Terms(words("proof-of-stake"), (), unfinished=True),
    "proof - stake": Terms(words("proof", "stake"), (), unfinished=True),
    'gas"fees"': Terms((Term("gas"), Term("fees", phrase=True))),
    "null\0byte": Terms(words("null", "byte"), (), unfinished=True),
    "u\u0308ber": Terms(words("über"), (), unfinished=True),
    "\ud800": Terms(),
}


@pytest.mark.parametrize("typed", PARSED)
def test_what_is_typed_means_what_people_expect(typed: str) -> None:
    """Words, quotes that may be left open, and minus before either; signs alone are nothing."""
    assert parse(typed) == PARSED[typed]


@given(st.text() | st.text('ab"- \0\ud800„“').map(lambda text: text * 20))
def test_nothing_typed_is_an_error(typed: str) -> None:
    """Whatever it is, few terms come of it, which Postgres takes and have something to look for."""
    terms = parse(typed)
    both = (*terms.wanted, *terms.unwanted)
    assert len(both) <= MOST_TERMS
    for term in both:
        assert term.text.encode()
        assert len(term.text) <= MOST_CHARACTERS
        assert re.search(r"\w", term.text)
        assert not re.search(r"[\0\"]|^\s|\s$", term.text)
    if terms.unfinished:
        assert typed[:MOST_CHARACTERS].endswith(terms.wanted[-1].text[-1:]) or not typed.isascii()


@given(st.text('ab"- ', max_size=40))
def test_what_was_typed_can_be_written_again(typed: str) -> None:
    """Written and taken apart again, terms are the same, but that wanted ones come first."""
    terms = parse(typed)
    again = parse(written(terms))
    assert (again.wanted, again.unwanted) == (terms.wanted, terms.unwanted)


def test_a_word_is_respelled_where_it_stands_alone() -> None:
    """Whatever its case, but not within quotes, and then it is no beginning any more."""
    terms = Terms((Term("GASS"), Term("gass", phrase=True)), words("gass"))
    assert written(respelled(terms, {"gass": "gas"})) == 'gas "gass" -gass'
    assert not respelled(parse("gass"), {"gass": "gas"}).unfinished
    assert respelled(parse("gass fe fees"), {"gass": "gas"}).unfinished


LEXEMES = "abcd"
lexeme = st.sampled_from(["", *(f"'{letter}'" for letter in LEXEMES)])
term = st.sampled_from("vwxyz").map(Term)


def holds(query: str | None, text: set[str]) -> bool:
    """Whether a text of these lexemes is found by a tsquery without phrases."""
    if query is None:
        return False
    python = re.sub(r"'(.)'", lambda match: str(match[1] in text), query)
    return bool(eval(python.replace("!", " not ").replace("&", " and ").replace("|", " or ")))


def has_all(wanted: Sequence[Sequence[Term]], made: Mapping[Term, str], text: set[str]) -> bool:
    """Whether, stemmed in one way, all that is wanted and can be is in a text."""
    asked = [{made[term] for term in any_of} - {""} for any_of in wanted]
    found = [any(stem[1] in text for stem in stems) for stems in asked if stems]
    return bool(found) and all(found)


@given(
    wanted=st.lists(st.lists(term, min_size=1, max_size=2), max_size=3),
    unwanted=st.lists(term, max_size=2),
    stems=st.lists(
        st.fixed_dictionaries({Term(name): lexeme for name in "vwxyz"}), min_size=1, max_size=3
    ),
    text=st.sets(st.sampled_from(LEXEMES)),
)
def test_texts_have_all_that_is_wanted_in_one_language_and_nothing_unwanted_in_any(
    wanted: list[list[Term]],
    unwanted: list[Term],
    stems: list[dict[Term, str]],
    text: set[str],
) -> None:
    """Words that a language does not search for are not missed; what an index is asked is that."""
    made = compose(wanted, unwanted, stems)
    spoilt = any(way[term] and way[term][1] in text for way in stems for term in unwanted)
    expected = not spoilt and any(has_all(wanted, way, text) for way in stems)
    assert holds(made.whole if made else None, text) == expected
    if made:
        assert all(holds(part, text) for part in made.all_of) == expected
        assert made.exact is None
        marked = {way[term] for way in stems for any_of in wanted for term in any_of} - {""}
        assert holds(made.mentioned, text) == any(stem[1] in text for stem in marked)


def test_an_index_is_asked_for_the_words_of_a_phrase() -> None:
    """Their order, and phrases that are not wanted, are looked at afterwards."""
    phrase, other, word = Term("a b", phrase=True), Term("c d", phrase=True), Term("e")
    stems = {
        phrase: "'a' <-> 'b'",
        plain(phrase): "'a' & 'b'",
        other: "'c' <-> 'd'",
        plain(other): "'c' & 'd'",
        word: "'e'",
    }
    made = compose([[phrase]], [other, word], [stems])
    assert made is not None
    assert made.all_of == ("(!('e')) & ('a' & 'b')",)
    assert made.exact == made.whole == "(!('c' <-> 'd')) & (!('e')) & ('a' <-> 'b')"
    assert made.mentioned == "'a' <-> 'b'"
