"""Edits of a text as Yjs updates: replaced by as little as possible, or patched in places.

pycrdt counts in UTF-8 bytes, Yjs and JavaScript in UTF-16 units, Python in characters; all
places are converted here. No edit ever cuts a character in two.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from pycrdt import Doc, Text

from server.documents.difference import Span, differences, joined
from server.documents.reading import YDoc
from server.errors import BadRequest, Conflict

MOST_PIECES = 1_000
MOST_BYTES = 100 * 2**20  # to look through for one edit: about half a second

Place = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Patch(Struct, frozen=True, forbid_unknown_fields=True):
    """At a place of the text as it was before all patches: delete so much, then insert.

    at, delete: UTF-16 units.
    """

    at: Place
    delete: Place = 0
    insert: str = ""


def replace_text(encoded: bytes, field: str, new: str, client_id: int) -> bytes:
    """The update that makes a text what it is to be, changing only lines that differ.

    encoded: the document. client_id: of the edit; nobody else may write under it. Raises
    BadRequest, Conflict if the field holds something else than characters.
    """
    doc, text, old = _open(encoded, field, client_id)
    _check_characters(new)
    return _apply(doc, text, old, joined(old, differences(old, new), _pieces(encoded)))


def patch_text(encoded: bytes, field: str, patches: Sequence[Patch], client_id: int) -> bytes:
    """The update that carries out patches; as `replace_text`.

    Raises BadRequest also for patches that overlap, reach beyond the end or cut a character.
    """
    doc, text, old = _open(encoded, field, client_id)
    units = old.encode("utf-16-le")
    spans, done, start = [], 0, 0
    for patch in sorted(patches, key=lambda patch: patch.at):
        end = patch.at + patch.delete
        if end * 2 > len(units):
            raise BadRequest(
                f"A patch reaches to {end}, the text has {len(units) // 2} UTF-16 units."
            )
        if patch.at < done:
            raise BadRequest(f"Two patches overlap at {patch.at}.")
        _check_characters(patch.insert)
        start += _characters(units, done, patch.at)
        size = _characters(units, patch.at, end)
        spans.append(Span(start, start + size, patch.insert))
        done, start = end, start + size
    return _apply(doc, text, old, joined(old, spans, _pieces(encoded)))


def _pieces(encoded: bytes) -> int:
    """In how many pieces a text may be changed: each is looked for through all of the document."""
    return max(1, min(MOST_PIECES, MOST_BYTES // len(encoded)))


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


def _characters(units: bytes, start: int, end: int) -> int:
    """How many characters there are between two places in UTF-16 units."""
    try:
        return len(units[start * 2 : end * 2].decode("utf-16-le"))
    except UnicodeDecodeError:
        raise BadRequest(f"A patch from or to {end} cuts a surrogate pair in two.") from None


def _apply(doc: YDoc, text: Text, old: str, spans: Sequence[Span]) -> bytes:
    before = doc.get_state()
    edits, done, start = [], 0, 0
    for span in spans:
        start += len(old[done : span.start].encode())
        size = len(old[span.start : span.end].encode())
        edits.append((start, size, span.new))
        done, start = span.end, start + size
    with doc.transaction():
        for start, size, new in reversed(edits):  # so that what lies in front keeps its place
            if size:
                del text[start : start + size]
            if new:
                text.insert(start, new)
    return doc.get_update(before)
