"""What somebody types to search, taken apart, and put together again as Postgres takes it.

Nothing that is typed is an error: what can't be searched for is left out.

    smart contract      both words, anywhere; the last one may be unfinished
    "smart contract"    the words in that order
    -draft -"old one"   not those with it
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MOST_CHARACTERS = 300  # of what is typed; the rest is left out
MOST_TERMS = 8
UNFINISHED_FROM = 3  # characters; what begins with fewer is too much

QUOTES = str.maketrans(dict.fromkeys("„“”‟«»＂", '"'))
PART = re.compile(r'([-−–]?)"([^"]*)(?:"|$)|[^\s"]+')
MINUS = "-−–"
WORD = re.compile(r"\w")
# Controls, lone surrogates and private characters: Postgres refuses some of them.
UNSEARCHABLE = {"Cc", "Cs", "Co", "Cn"}


class Term(NamedTuple):
    """A word, or several in this order."""

    text: str
    phrase: bool = False


class Terms(NamedTuple):
    """What was typed. unfinished: the last of those wanted may be the beginning of a word."""

    wanted: tuple[Term, ...] = ()
    unwanted: tuple[Term, ...] = ()
    unfinished: bool = False


def parse(typed: str) -> Terms:
    """Take apart what was typed."""
    text = _cleaned(typed[:MOST_CHARACTERS])
    wanted: list[Term] = []
    unwanted: list[Term] = []
    unfinished = False
    for part in PART.finditer(text):
        sign, phrase = part[1] or "", part[2]
        word = part[0]
        if phrase is None:
            sign, word = word[: len(word) - len(word.lstrip(MINUS))], word.lstrip(MINUS)
        term = Term(word if phrase is None else " ".join(phrase.split()), phrase is not None)
        if WORD.search(term.text) and len(wanted) + len(unwanted) < MOST_TERMS:
            (unwanted if sign else wanted).append(term)
            unfinished = part.end() == len(text) and not sign and not term.phrase
    unfinished = unfinished and len(wanted[-1].text) >= UNFINISHED_FROM
    return Terms(tuple(wanted), tuple(unwanted), unfinished)


def written(terms: Terms) -> str:
    """The same as somebody would type it."""
    words = [f'"{term.text}"' if term.phrase else term.text for term in terms.wanted]
    without = [f'-"{term.text}"' if term.phrase else f"-{term.text}" for term in terms.unwanted]
    return " ".join([*words, *without])


def respelled(terms: Terms, better: Mapping[str, str]) -> Terms:
    """The same with other words for some, by what they are in lower case."""
    wanted = tuple(
        term if term.phrase else Term(better.get(term.text.lower(), term.text))
        for term in terms.wanted
    )
    return Terms(wanted, terms.unwanted, terms.unfinished and wanted[-1] == terms.wanted[-1])


def _cleaned(text: str) -> str:
    text = "".join(" " if unicodedata.category(c) in UNSEARCHABLE else c for c in text)
    return unicodedata.normalize("NFC", text).translate(QUOTES)


class Wanted(NamedTuple):
    """What Postgres shall look for, as tsqueries.

    all_of: each must hold, and an index can tell; exact: must hold too, where words have an order;
    whole: all of it in one; mentioned: what is to be marked in a text that was found.
    """

    all_of: tuple[str, ...]
    exact: str | None
    whole: str
    mentioned: str


def compose(
    wanted: Sequence[Sequence[Term]],
    unwanted: Sequence[Term],
    stems: Sequence[Mapping[Term, str]],
) -> Wanted | None:
    """What Postgres shall look for; None if that is nothing.

    wanted: each any of these. stems: for each way of stemming, what it makes of a term, itself a
    tsquery, or nothing where a word is not searched for («the»); of phrases as plain terms too. A
    text has all that is wanted, as one language stems it, and nothing unwanted, as any does.
    """
    ways = _ways([[plain(term) for term in any_of] for any_of in wanted], stems)
    if not ways:
        return None
    words = _without([term for term in unwanted if not term.phrase], stems)
    first, *others = sorted(ways[0]) if len(ways) == 1 else [_any(_all(way) for way in ways)]
    all_of = (_all([first, *words]), *others)
    whole = _all([_any(_all(way) for way in _ways(wanted, stems)), *_without(unwanted, stems)])
    ordered = any(
        term.phrase for term in (*unwanted, *(term for any_of in wanted for term in any_of))
    )
    stemmed = {made[term] for made in stems for any_of in wanted for term in any_of}
    return Wanted(all_of, whole if ordered else None, whole, _any(stemmed - {""}))


def plain(term: Term) -> Term:
    """The same words in any order."""
    return Term(term.text)


def _ways(
    wanted: Sequence[Sequence[Term]], stems: Sequence[Mapping[Term, str]]
) -> list[frozenset[str]]:
    """For each way of stemming all that must hold, but not what another asks for anyhow."""
    ways = {
        frozenset(_any({made[term] for term in any_of} - {""}) for any_of in wanted) - {""}
        for made in stems
    } - {frozenset[str]()}
    return [way for way in ways if not any(other < way for other in ways)]


def _without(unwanted: Sequence[Term], stems: Sequence[Mapping[Term, str]]) -> list[str]:
    return [
        f"!({stem})" for stem in sorted({made[term] for made in stems for term in unwanted} - {""})
    ]


def _any(queries: Iterable[str]) -> str:
    return _joined(" | ", queries)


def _all(queries: Iterable[str]) -> str:
    return _joined(" & ", queries)


def _joined(sign: str, queries: Iterable[str]) -> str:
    several = sorted(queries)
    return several[0] if len(several) == 1 else sign.join(f"({query})" for query in several)
