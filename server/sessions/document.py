"""One CRDT document in memory: receives updates, integrates them in groups, says what others lack.

Pure: it does no input or output. Whoever calls `integrate` sends its result to the participants
and to the journal. The bytes that come out are those that went in, merged: pycrdt keeps updates
that wait for what they build on to itself, so they are remembered here until they are integrated.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from pycrdt import Doc, get_state, get_update, merge_updates

from server.errors import DocumentDamaged, Overloaded, ProtocolError
from server.protocol.update import (
    EMPTY,
    deletes_known,
    deletes_within,
    has_structs,
    read_delete_set,
    read_state_vector,
)

YDoc = Doc[Any]

MERGE_GROUP = 100  # merging thousands at once costs more per update than merging in groups


class Received(NamedTuple):
    """An update and who sent it."""

    author: Hashable
    update: bytes


class Integrated(NamedTuple):
    """What one call of `integrate` did.

    update: all that was received, merged, EMPTY if nothing was good. before: the state vector
    that it came on top of. authors: whose updates it holds. refused: what could not be integrated.
    """

    update: bytes
    before: bytes
    authors: frozenset[Hashable]
    refused: tuple[Received, ...]


class Document:
    """A Yjs document as the server holds it.

    pending_bytes: how much may wait for what it builds on; 0 lifts the bound.
    """

    __slots__ = ("_doc", "_pending_bytes", "_received", "_state", "_waiting", "damaged")

    def __init__(self, pending_bytes: int = 0) -> None:
        self._doc: YDoc = Doc()
        self._state = self._doc.get_state()
        self._received: list[Received] = []
        self._waiting = EMPTY  # received, but building on what was not received yet
        self._pending_bytes = pending_bytes
        self.damaged = False  # something that was stored could not be integrated

    @classmethod
    def load(cls, stored: Sequence[bytes], pending_bytes: int = 0) -> "Document":
        """The document that a snapshot and the updates after it make.

        A stored update that can't be integrated is left out, as it was when it was received, and
        `damaged` says so: such a document is never compacted.
        """
        document = cls(pending_bytes)
        for update in stored:
            document.receive(update, None)
        integrated = document.integrate()
        document.damaged = integrated is not None and bool(integrated.refused)
        return document

    def receive(self, update: bytes, author: Hashable) -> None:
        """Queue an update for the next `integrate`.

        Raises ProtocolError if these bytes are no update, Overloaded if too much waits for what
        it builds on and this would wait as well.
        """
        decoded = _decoded(update)
        bound = self._pending_bytes
        if bound and len(self._waiting) + len(decoded) > bound and self._waits(decoded):
            raise Overloaded("Too many updates wait for others that have not arrived.")
        self._received.append(Received(author, update))

    @property
    def dirty(self) -> bool:
        """Whether anything was received since the last `integrate`."""
        return bool(self._received)

    def integrate(self) -> Integrated | None:
        """Apply what was received; None if that is nothing.

        One bad update harms only its author. Raises DocumentDamaged if the document can't go on.
        """
        received, self._received = self._received, []
        if not received:
            return None
        before = self._state
        try:
            update = merged([entry.update for entry in received])
            # pycrdt does not always take up again what it let wait, so hand that in with it.
            with_waiting = merge_updates(self._waiting, update) if self._waits_any else update
            self._doc.apply_update(with_waiting)
        except BaseException as error:
            _reraise_unless_pycrdt(error)
            update, received, refused = self._integrate_each(before, received)
        else:
            refused = []
        self._state = self._doc.get_state()
        self._remember(update)
        authors = frozenset(entry.author for entry in received)
        return Integrated(update, before, authors, tuple(refused))

    def _integrate_each(
        self, before: bytes, received: list[Received]
    ) -> tuple[bytes, list[Received], list[Received]]:
        """The slow way for a group that failed: each on its own, on a copy.

        An update may fail because of another that waited for it, so after a failure all that
        waits is handed in anew. What the failed updates left behind in the document is part of
        the result, so that document, journal and participants stay equal.
        """
        good: list[Received] = []
        refused: list[Received] = []
        remembered = Received(None, self._waiting)
        doc = _copy(self._doc)
        for entry in [remembered, *received]:
            if not _applied(doc, entry.update):
                doc = _copy(doc)
                if not _applied(doc, entry.update):
                    refused.append(entry)
                    doc = _copy(doc)
                else:
                    good.append(entry)
                doc, bad = _reapplied(doc, good)
                refused += bad
                good = [other for other in good if other not in bad]
            else:
                good.append(entry)
        self._doc = doc
        self._waiting = remembered.update if remembered in good else EMPTY
        update = merged([doc.get_update(before), *(entry.update for entry in good)])
        return (
            update,
            [entry for entry in good if entry is not remembered],
            [entry for entry in refused if entry is not remembered],
        )

    def _remember(self, update: bytes) -> None:
        """Keep what still waits of an update just applied, and of what waited before."""
        if self._waits_any:
            update = merge_updates(self._waiting, update)
        rest = get_update(update, self._state)
        self._waiting = rest if self._is_unknown(rest) else EMPTY

    @property
    def _waits_any(self) -> bool:
        return self._waiting is not EMPTY

    def _waits(self, update: bytes) -> bool:
        return self._is_unknown(get_update(update, self._state))

    def _is_unknown(self, rest: bytes) -> bool:
        """Whether what the state vector left over of an update is more than known deletions."""
        if rest == EMPTY:
            return False
        if has_structs(rest):
            return True
        return not deletes_known(read_delete_set(rest), read_state_vector(self._state))

    @property
    def state_vector(self) -> bytes:
        """What is integrated, encoded."""
        return self._state

    @property
    def waiting_bytes(self) -> int:
        """How much waits for what it builds on."""
        return len(self._waiting) - len(EMPTY)

    def diff(self, state_vector: bytes) -> bytes:
        """The update that somebody with this state vector lacks, what waits included.

        Raises ProtocolError if these bytes are no state vector.
        """
        read_state_vector(state_vector)
        try:
            update = self._doc.get_update(state_vector)
        except BaseException as error:
            _reraise_unless_pycrdt(error)
            raise ProtocolError(f"this is no state vector: {error}") from None
        return update if not self._waits_any else merge_updates(update, self._waiting)

    def encode(self) -> bytes:
        """The whole document as one update."""
        return self.diff(b"\x00")

    def contains(self, update: bytes) -> bool:
        """Whether an update has nothing new; raises ProtocolError if it is none.

        What was received and not yet integrated counts as new.
        """
        _decoded(update)
        rest = get_update(update, self._state)
        if rest == EMPTY:
            return True
        if has_structs(rest):
            return False
        done = read_delete_set(self._doc.get_update(self._state))
        return deletes_within(read_delete_set(rest), done)


def merged(updates: Sequence[bytes]) -> bytes:
    """Several updates as one; raises ValueError if one of them is none."""
    if not updates:
        return EMPTY
    level = list(updates)
    while len(level) > 1:
        groups = (level[at : at + MERGE_GROUP] for at in range(0, len(level), MERGE_GROUP))
        level = [merge_updates(*group) for group in groups]
    return level[0]


def _decoded(update: bytes) -> bytes:
    """The update itself, once it is known to be one; raises ProtocolError."""
    try:
        get_state(update)
    except BaseException as error:
        _reraise_unless_pycrdt(error)
        raise ProtocolError(f"this is no update: {error}") from None
    return update


def _copy(doc: YDoc) -> YDoc:
    copy: YDoc = Doc()
    try:
        copy.apply_update(doc.get_update())
    except BaseException as error:
        _reraise_unless_pycrdt(error)
        raise DocumentDamaged(f"A bad update broke the document: {error}") from None
    return copy


def _applied(doc: YDoc, update: bytes) -> bool:
    try:
        doc.apply_update(update)
    except BaseException as error:
        _reraise_unless_pycrdt(error)
        return False
    return True


def _reapplied(doc: YDoc, entries: Iterable[Received]) -> tuple[YDoc, list[Received]]:
    """The document with these applied again, and those that can't be."""
    left, bad = list(entries), list[Received]()
    while failing := next((entry for entry in left if not _applied(doc, entry.update)), None):
        left.remove(failing)
        bad.append(failing)
        doc = _copy(doc)
    return doc, bad


def _reraise_unless_pycrdt(error: BaseException) -> None:
    """pycrdt raises ValueError, RuntimeError and, when it panics, a BaseException of its own."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
