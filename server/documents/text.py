"""Edits of a text as Yjs updates: replaced by as little as possible, or patched in places.

pycrdt counts in UTF-8 bytes, Yjs and JavaScript in UTF-16 units, Python in characters; all
places are converted here. No edit ever cuts a character in two.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct
from pycrdt import Doc, Text

from server.documents.reading import YDoc
from server.errors import BadRequest, Conflict

MAX_LINES = 2_000  # more are replaced as one piece: comparing them costs their square

Place = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Patch(Struct, frozen=True, forbid_unknown_fields=True):
    """At a place of the text as it was before all patches: delete so much, then insert.

    at, delete: UTF-16 units.
    """

    at: Place
    delete: Place = 0
    insert: str = ""


class Span(NamedTuple):
    """Characters start to end (Python's count) give way to a text."""

    start: int
    end: int
    new: str


def replace_text(encoded: bytes, field: str, new: str, client_id: int) -> bytes:
    """The update that makes a text what it is to be, changing only lines that differ.

    encoded: the document. client_id: of the edit; nobody else may write under it. Raises
    BadRequest, Conflict if the field holds something else than characters.
    """
    doc, text, old = _open(encoded, field, client_id)
    _check_characters(new)
    return _apply(doc, text, old, _differences(old, new))


def patch_text(encoded: bytes, field: str, patches: Sequence[Patch], client_id: int) -> bytes:
    """The update that carries out patches; as `replace_text`.

    Raises BadRequest also for patches that overlap, reach beyond the end or cut a character.
    """
    doc, text, old = _open(encoded, field, client_id)
    units = old.encode("utf-16-le")
    spans, done = [], 0
    for patch in sorted(patches, key=lambda patch: patch.at):
        end = patch.at + patch.delete
        if end * 2 > len(units):
            raise BadRequest(
                f"A patch reaches to {end}, the text has {len(units) // 2} UTF-16 units."
            )
        if patch.at < done:
            raise BadRequest(f"Two patches overlap at {patch.at}.")
        _check_characters(patch.insert)
        start = _characters(units, patch.at)
        spans.append(Span(start, _characters(units, end), patch.insert))
        done = end
    return _apply(doc, text, old, spans)


def _open(encoded: bytes, field: str, client_id: int) -> tuple[YDoc, Text, str]:
    doc: YDoc = Doc(client_id=client_id)
    doc.apply_update(encoded)
    text = doc.get(field, type=Text)
    old = str(text)
    if len(old.encode()) != len(text):
        raise Conflict(f"The text {field!r} holds more than characters; edit it in an editor.")
    return doc, text, old


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("The text holds half of a surrogate pair.") from None


def _characters(units: bytes, place: int) -> int:
    """A place in UTF-16 units as a place in characters."""
    try:
        return len(units[: place * 2].decode("utf-16-le"))
    except UnicodeDecodeError:
        raise BadRequest(f"A patch at {place} cuts a surrogate pair in two.") from None


def _apply(doc: YDoc, text: Text, old: str, spans: Sequence[Span]) -> bytes:
    before = doc.get_state()
    with doc.transaction():
        for span in reversed(spans):  # so that what lies in front keeps its place
            start = len(old[: span.start].encode())
            size = len(old[span.start : span.end].encode())
            if size:
                del text[start : start + size]
            if span.new:
                text.insert(start, span.new)
    return doc.get_update(before)


def _differences(old: str, new: str) -> list[Span]:
    """What of the old text has to change: line by line, and within one piece to the character."""
    first, old_end, new_end = _narrowed(old, new)
    old_lines = old[first:old_end].splitlines(keepends=True)
    new_lines = new[first:new_end].splitlines(keepends=True)
    if max(len(old_lines), len(new_lines)) > MAX_LINES:
        return [Span(first, old_end, new[first:new_end])]
    spans = []
    old_places, new_places = _places(old_lines, first), _places(new_lines, first)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind != "equal":
            start, end = old_places[old_from], old_places[old_to]
            text = new[new_places[new_from] : new_places[new_to]]
            front, old_part, new_part = _narrowed(old[start:end], text)
            spans.append(Span(start + front, start + old_part, text[front:new_part]))
    return spans


def _narrowed(old: str, new: str) -> tuple[int, int, int]:
    """Where two texts begin to differ, and where their equal ends begin."""
    shorter = min(len(old), len(new))
    first = 0
    while first < shorter and old[first] == new[first]:
        first += 1
    last = 0
    while last < shorter - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return first, len(old) - last, len(new) - last


def _places(lines: Sequence[str], first: int) -> list[int]:
    """Where each line begins, and where the last one ends."""
    places = [first]
    for line in lines:
        places.append(places[-1] + len(line))
    return places
