"""What the updates of one tick insert and delete, counted for each author. Pure.

Called before they are integrated, as only then it can be told what of them is new: clients hand in
again what the server has, when they come back or read a copy of their own.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from pycrdt import get_update

from server.errors import ProtocolError
from server.protocol.structs import Measured, measure
from server.protocol.update import DeleteSet, read_delete_set
from server.sessions.document import Document, Received, merged, reraise_unless_pycrdt

MOST_PARTS = 2_000  # structs and deletions that are looked at, some milliseconds' worth
MOST_DELETIONS = 32 * 2**10  # bytes of what the document deleted before; the same


class Edits(NamedTuple):
    """What one author did to a document: updates, and UTF-16 code units of text.

    unmeasured: updates whose characters are not counted, as that would take too long.
    """

    updates: int
    inserted: int = 0
    deleted: int = 0
    unmeasured: int = 0


def count_edits(document: Document) -> dict[Any, Edits]:
    """What those did whose updates wait to be integrated, by author; never raises."""
    waiting = document.received
    if len(waiting) == 1 and waiting[0].author is not None:  # mostly
        return {waiting[0].author: _count(document, waiting)}
    by_author: dict[Hashable, list[Received]] = {}
    for received in waiting:
        if received.author is not None:
            by_author.setdefault(received.author, []).append(received)
    return {author: _count(document, received) for author, received in by_author.items()}


def without(edits: dict[Any, Edits], refused: Sequence[Received]) -> dict[Any, Edits]:
    """The same after some updates were refused: their authors' others are no longer measured."""
    left = dict(edits)
    for received in refused:
        counted = left.pop(received.author, None)
        if counted is not None and counted.updates > 1:
            left[received.author] = Edits(counted.updates - 1, unmeasured=counted.updates - 1)
    return left


def _count(document: Document, received: Sequence[Received]) -> Edits:
    known = [entry.fits for entry in received if entry.fits is not None]
    if len(known) == len(received):
        inserted, deleted = zip(*known, strict=True)
        return Edits(len(received), sum(inserted), sum(deleted))
    try:
        measured = _measure(document, received)
    except ProtocolError:
        return Edits(len(received), unmeasured=len(received))
    except BaseException as error:
        reraise_unless_pycrdt(error)
        return Edits(len(received), unmeasured=len(received))
    return Edits(len(received), measured.inserted, measured.deleted)


def _measure(document: Document, received: Sequence[Received]) -> Measured:
    first = received[0]
    update = first.update if len(received) == 1 else merged([entry.update for entry in received])
    new = get_update(update, document.state_vector)
    measured = measure(new, MOST_PARTS)
    if measured.deleted and (len(new) != len(update) or any(entry.repeats for entry in received)):
        return measure(new, MOST_PARTS, _deleted_before(document))
    return measured


def _deleted_before(document: Document) -> DeleteSet:
    deleted = document.deletions()
    if len(deleted) > MOST_DELETIONS:
        raise ProtocolError("The document has more deletions than are looked at.")
    return read_delete_set(deleted)
