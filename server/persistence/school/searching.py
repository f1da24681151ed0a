"""What all searches have in common: from what is typed to a page of hits, mistyped words mended."""

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

import asyncpg
from msgspec import Struct, structs

from server.domain.school.highlights import START, STOP, excerpt, read
from server.domain.school.search_terms import (
    Term,
    Terms,
    Wanted,
    compose,
    parse,
    plain,
    respelled,
    written,
)
from server.domain.school.spelling import SHORTEST, meant, probe
from server.errors import BadRequest
from server.persistence.school import vocabulary
from server.persistence.types import Connection

T = TypeVar("T", bound=Struct)

MARKED_CHARACTERS = 8000  # of a text, from its beginning: where excerpts come from
MOST_HITS = 100  # of a page
FEW = 5  # hits; with fewer, something may have been mistyped
MARKING = f"HighlightAll=true, StartSel={START}, StopSel={STOP}"
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")  # as the schema has it


class Cursor(Struct, frozen=True):
    """Where a page ended. at: when the first one was asked for; later pages know nothing newer."""

    at: datetime
    rank: float
    id: int


class Page(Struct, Generic[T], frozen=True):
    """Hits, best first.

    about: how many there are in all, exact if it is small. more: for the next page. meant: what was
    probably to be typed; corrected: the hits are for that, as there are none for what was typed.
    """

    hits: tuple[T, ...] = ()
    about: int = 0
    more: Cursor | None = None
    meant: str | None = None
    corrected: bool = False


def language_of(tag: str | None) -> str | None:
    """The language of a tag (BCP 47), without region and script; raises BadRequest."""
    if tag is None:
        return None
    if not LANGUAGE.fullmatch(tag):
        raise BadRequest("A language is a tag such as «en» or «pt-BR».")
    return tag.partition("-")[0]


def marked(text: str, language: str, words: str) -> str:
    """SQL for a text, given by SQL, with private characters around those of the words in it."""
    return (
        f"ts_headline(search_config({language}),"
        f" translate(left({text}, {MARKED_CHARACTERS}), '{START}{STOP}', ''),"
        f" {words}, '{MARKING}')"
    )


# How well the words of a text match: a title's count five times what those of a body do. Texts in
# which there is more need not match better.
RELEVANCE = "ts_rank('{0.1, 0.2, 0.4, 1}', search_vector, $1::text::tsquery, 1)"


def page_of(
    rows: Sequence[asyncpg.Record], limit: int, hit: type[T], text: str = "body"
) -> Page[T]:
    """A page of the first rows, which may be followed by one more.

    Each has what a hit has, until (when the first page was asked for) and about; text: the column
    that excerpts are of.
    """
    if not rows:
        return Page()
    shown, last = rows[:limit], rows[:limit][-1]
    more = Cursor(last["until"], last["rank"], last["id"]) if len(rows) > limit else None
    return Page(tuple(_hit(row, hit, text) for row in shown), rows[0]["about"], more)


def _hit(row: asyncpg.Record, hit: type[T], text: str) -> T:
    marked = {"title": read(row["title"]), "excerpt": excerpt(read(row[text]))}
    plain = {name: row[name] for name in hit.__struct_fields__ if name not in marked}
    return hit(**marked, **plain)


async def search(
    connection: Connection,
    typed: str,
    language: str | None,
    spoken: str,
    find: Callable[[Wanted], Awaitable[Page[T]]],
    mend: bool = True,
) -> Page[T]:
    """A page of what `find` finds for what was typed.

    language: of what is searched; None: all. spoken: by who asks, for texts and words that the
    vocabulary does not have yet. mend: look for words that may have been meant.
    """
    terms = parse(typed)
    page = await _found(connection, terms, language, spoken, find)
    if not mend or len(page.hits) >= FEW:
        return page
    better = await _mended(connection, terms, language)
    if better is None:
        return page
    if page.hits:
        return structs.replace(page, meant=written(better))
    found = await _found(connection, better, language, spoken, find)
    if not found.hits:
        return page
    return structs.replace(found, meant=written(better), corrected=True)


async def _found(
    connection: Connection,
    terms: Terms,
    language: str | None,
    spoken: str,
    find: Callable[[Wanted], Awaitable[Page[T]]],
) -> Page[T]:
    if not terms.wanted:
        return Page()
    asked = {*terms.wanted, *terms.unwanted}
    asked |= {plain(term) for term in asked}
    beginning = terms.wanted[-1].text.lower() if terms.unfinished else None
    stems = await vocabulary.stems(connection, sorted(asked), beginning, language, spoken)
    words: list[list[Term]] = [[term] for term in terms.wanted]
    words[-1] += [term for term in stems[0] if term not in asked]
    wanted = compose(words, terms.unwanted, stems)
    return Page() if wanted is None else await find(wanted)


async def _mended(connection: Connection, terms: Terms, language: str | None) -> Terms | None:
    """What was probably meant; None if every word may well be."""
    words = {term.text.lower() for term in terms.wanted if not term.phrase}
    probes = {word: probe(word) for word in words if len(word) >= SHORTEST and word.isalpha()}
    if not probes:
        return None
    near = await vocabulary.near(connection, probes, language)
    better = {word: other for word in probes if (other := meant(word, near[word]))}
    new = {word: other for word, other in better.items() if other not in words}
    return respelled(terms, new) if new else None
