"""One CRDT document in memory: receives updates, integrates them in groups, says what others lack.

Pure: it does no input or output. Whoever calls `integrate` sends its result to the participants
and to the journal. The bytes that come out are those that went in, merged: pycrdt keeps updates
that wait for what they build on to itself, so they are remembered here until they are integrated.

Most updates are keystrokes that surely fit in. Those need not be in pycrdt's document before
somebody asks for it: they are put there together, which takes a fourth of the time.
"""

from collections.abc import Generator, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from pycrdt import Doc, get_state, get_update, merge_updates

from server.errors import DocumentDamaged, Overloaded, ProtocolError
from server.protocol.slices import slices
from server.protocol.update import (
    EMPTY,
    NOTHING,
    deletes_known,
    deletes_within,
    has_structs,
    read_delete_set,
    read_state_vector,
)
from server.sessions.forecast import Forecast

YDoc = Doc[Any]

KNOWN_REST = 64  # bytes: shorter leftovers are as quickly looked into as looked up
KNOWN_RESTS = 8
MERGE_GROUP = 100  # merging thousands at once costs more per update than merging in groups
KEYSTROKES = 100  # that are put into the document together; costs no less in larger groups
CHECKPOINT_BYTES = 64 * 2**10  # applied since the last checkpoint; more only if the document is
LOAD_BYTES = 64 * 2**10  # of stored updates that are merged and integrated at once
CUT_BYTES = 128 * 2**10  # a stored update that takes longer than a few milliseconds
WHOLE_BYTES = 512 * 2**10  # of a checkpoint that newcomers are sent rather than a new encoding


class Received(NamedTuple):
    """An update and who sent it.

    repeats: it names deletions again that are done already. fits: it is a keystroke on top of what
    the document has, and all of it is new; then what it inserts and deletes, in UTF-16 code units.
    """

    author: Hashable
    update: bytes
    repeats: bool = False
    fits: tuple[int, int] | None = None


class Integrated(NamedTuple):
    """What one call of `integrate` did.

    update: all that was received, merged, EMPTY if nothing was good. before: a state vector that
    it came on top of. authors: whose updates it holds. refused: what could not be integrated.
    """

    update: bytes
    before: bytes
    authors: frozenset[Hashable]
    refused: tuple[Received, ...]


class Document:
    """A Yjs document as the server holds it.

    pending_bytes: how much may wait for what it builds on; 0 lifts the bound. Past it an update
    that would wait is refused as a bad one is; what is stored already is never refused for it.
    """

    __slots__ = (
        "_applied_bytes",
        "_applied_since",
        "_checkpoint",
        "_checkpoint_bytes",
        "_checkpoint_state",
        "_doc",
        "_forecast",
        "_keystrokes",
        "_known_rests",
        "_loading",
        "_mixed",
        "_pending_bytes",
        "_received",
        "_state",
        "_waiting",
        "damaged",
    )

    def __init__(self, pending_bytes: int = 0) -> None:
        self._doc: YDoc = Doc()
        self._state = self._doc.get_state()
        self._received: list[Received] = []
        self._mixed = False  # whether that is not only keystrokes that fit
        self._keystrokes: list[bytes] = []  # handed on, but not yet in pycrdt's document
        self._forecast = Forecast()  # counts on them
        self._waiting = EMPTY  # received, but building on what was not received yet
        self._pending_bytes = pending_bytes
        self._known_rests: dict[bytes, None] = {}  # deletions that were found to be done
        # A failed update can leave pycrdt's document so that not even reading it works any more.
        self._checkpoint: Sequence[bytes] = ()  # updates that make the document as it was
        self._checkpoint_bytes = 0
        self._checkpoint_state = self._state
        self._applied_since: list[bytes] = []
        self._applied_bytes = 0
        self._loading = False
        self.damaged = False  # something that was stored could not be integrated

    @classmethod
    def load(cls, stored: Sequence[bytes], pending_bytes: int = 0) -> "Document":
        """The document that a snapshot and the updates after it make.

        A stored update that can't be integrated is left out, as it was when it was received, and
        `damaged` says so: such a document is never compacted.
        """
        document = cls()
        for _ in document._load(stored, cut=False):
            pass
        document._loaded(pending_bytes)
        return document

    @classmethod
    def loading(
        cls, stored: Sequence[bytes], pending_bytes: int = 0
    ) -> "Generator[None, None, Document]":
        """The same in steps of a few milliseconds; what they return in the end is the document.

        That takes longer, as large updates are cut, with pure Python.
        """
        document = cls()
        yield from document._load(stored, cut=True)
        document._loaded(pending_bytes)
        return document

    def _load(self, stored: Sequence[bytes], cut: bool) -> Iterator[None]:
        self._loading = True
        group: list[bytes] = []
        size = 0
        for update in stored:
            if group and (len(group) >= MERGE_GROUP or size + len(update) > LOAD_BYTES):
                self._load_group(group)
                group, size = [], 0
                yield
            if len(update) <= LOAD_BYTES:
                group.append(update)
                size += len(update)
            elif not cut or len(update) <= CUT_BYTES or not (yield from self._load_slices(update)):
                self._load_one(update)
                yield
        self._load_group(group)

    def _load_group(self, updates: Sequence[bytes]) -> None:
        for update in updates:
            try:
                self.receive(update, None)
            except ProtocolError:
                self.damaged = True
        integrated = self.integrate()
        if integrated is not None and integrated.refused:
            self.damaged = True

    def _load_one(self, update: bytes) -> None:
        """Load an update without a look at it first: it had one before it was stored."""
        if self._try(update) is not None:
            self.damaged = True

    def _load_slices(self, update: bytes) -> Generator[None, None, bool]:
        """Load a large update in steps; returns False if it has to be loaded as a whole."""
        before, size = len(self._applied_since), self._applied_bytes
        try:
            for piece in slices(update, read_state_vector(self._state)):
                if piece != EMPTY and self._try(piece) is not None:
                    return False
                yield
        except ProtocolError:
            return False
        # As it was stored it is quicker for whoever applies it again.
        self._applied_since[before:] = [update]
        self._applied_bytes = size + len(update)
        return True

    def _loaded(self, pending_bytes: int) -> None:
        """What was stored is a checkpoint as it is; encoding it again would take long."""
        self._loading = False
        self._pending_bytes = pending_bytes
        self._checkpoint = [*self._checkpoint, *self._applied_since]
        self._checkpoint_bytes += self._applied_bytes
        self._checkpoint_state = self._state
        self._applied_since, self._applied_bytes = [], 0

    def receive(self, update: bytes, author: Hashable, repeats: bool = False) -> None:
        """Queue an update for the next `integrate`; raises ProtocolError if it is none."""
        fits = None
        if not (repeats or self._loading or self._waits_any):
            fits = self._forecast.fit(update, self._state)
        if fits is None:
            update = _decoded(update)
            self._mixed = True
        self._received.append(Received(author, update, repeats, fits))

    @property
    def received(self) -> Sequence[Received]:
        """What the next `integrate` will apply."""
        return self._received

    @property
    def dirty(self) -> bool:
        """Whether anything was received since the last `integrate`."""
        return bool(self._received)

    def integrate(self) -> Integrated | None:
        """Take in what was received; None if that is nothing.

        One bad update harms only its author. Raises DocumentDamaged if the document can't go on.
        """
        received, self._received = self._received, []
        if not received:
            return None
        before = self._state
        if not self._mixed:
            updates = [entry.update for entry in received]
            self._keystrokes += updates
            if len(self._keystrokes) >= KEYSTROKES:
                self._settle()
            authors = frozenset(entry.author for entry in received)
            return Integrated(merged(updates), before, authors, ())
        self._settle()
        self._forecast.forget()
        self._mixed = False
        return self._integrate_mixed(received)

    def _settle(self) -> None:
        """Put the keystrokes into pycrdt's document that are not there yet."""
        keystrokes, self._keystrokes = self._keystrokes, []
        if not keystrokes:
            return
        try:
            self._apply(merged(keystrokes))
        except BaseException as error:
            reraise_unless_pycrdt(error)
            self._restore()
            refused = [update for update in keystrokes if self._try(update) is not None]
            self.damaged = self.damaged or bool(refused)
            self._forecast.forget()

    def _integrate_mixed(self, received: list[Received]) -> Integrated:
        before = self._state
        refused: list[Received] = []
        try:
            if len(received) == 1:
                update = received[0].update
            else:
                # Updates that contradict each other can make bytes that nobody can read.
                update = _decoded(merged([entry.update for entry in received]))
            self._apply(update)
        except BaseException as error:
            reraise_unless_pycrdt(error)
            self._restore()
            received, refused = self._integrate_each(received)
            update = merged([entry.update for entry in received])
        authors = frozenset(entry.author for entry in received)
        return Integrated(update, before, authors, tuple(refused))

    def _integrate_each(self, received: list[Received]) -> tuple[list[Received], list[Received]]:
        """The slow way for a group that failed: each on its own; returns the good and the bad.

        An update may fail because of another that waited for it. Then it is applied without what
        waits, and all that could have waited is handed in anew.
        """
        remembered = Received(None, self._waiting)
        good: list[Received] = []
        bad: list[Received] = []
        for entry in received:
            if not _mergeable([*(other.update for other in good), entry.update]):
                bad.append(entry)
                continue
            error = self._try(entry.update)
            if error is None:
                good.append(entry)
                continue
            waiting = self._waiting
            if waiting is EMPTY or isinstance(error, Overloaded):
                bad.append(entry)
                continue
            self._waiting = EMPTY
            if self._try(entry.update) is not None:
                self._waiting = waiting
                bad.append(entry)
                continue
            bad += [other for other in [remembered, *good] if self._try(other.update) is not None]
            good = [other for other in [*good, entry] if other not in bad]
        return good, [entry for entry in bad if entry is not remembered]

    def _try(self, update: bytes) -> BaseException | None:
        """Apply an update, or leave the document as it was and say why."""
        try:
            self._apply(update)
        except BaseException as error:
            reraise_unless_pycrdt(error)
            self._restore()
            return error
        return None

    def _apply(self, update: bytes) -> None:
        """Apply an update and remember what of it waits; if this raises, `_restore` must follow."""
        if self._waits_any:
            # pycrdt does not always take up again what it let wait, so hand that in with it.
            update = merge_updates(self._waiting, update)
        self._doc.apply_update(update)
        state = self._doc.get_state()
        rest = get_update(update, state)
        waiting = _decoded(rest) if _is_unknown(rest, state) else EMPTY
        if len(waiting) > len(self._waiting) and 0 < self._pending_bytes < len(waiting):
            raise Overloaded("Too many updates wait for others that have not arrived.")
        bound = max(CHECKPOINT_BYTES, self._checkpoint_bytes)
        if not self._loading and self._applied_bytes + len(update) > bound:
            self._take_checkpoint(self._doc)
        else:
            self._applied_since.append(update)
            self._applied_bytes += len(update)
        self._state, self._waiting = state, waiting

    def _take_checkpoint(self, doc: YDoc) -> None:
        checkpoint = doc.get_update()
        self._checkpoint, self._checkpoint_bytes = (checkpoint,), len(checkpoint)
        self._checkpoint_state = doc.get_state()
        self._applied_since, self._applied_bytes = [], 0

    def _restore(self) -> None:
        """The document as after the last update that was good, without what waits."""
        doc: YDoc = Doc()
        try:
            for update in (*self._checkpoint, *self._applied_since):
                doc.apply_update(update)
            self._take_checkpoint(doc)
            self._doc = Doc()
            self._doc.apply_update(*self._checkpoint)
        except BaseException as error:
            reraise_unless_pycrdt(error)
            raise DocumentDamaged(f"A bad update broke the document: {error}") from None

    @property
    def _waits_any(self) -> bool:
        return self._waiting is not EMPTY

    @property
    def state_vector(self) -> bytes:
        """What is integrated, encoded."""
        self._settle()
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
        self._settle()
        try:
            update = self._doc.get_update(state_vector)
        except BaseException as error:
            reraise_unless_pycrdt(error)
            raise ProtocolError(f"this is no state vector: {error}") from None
        return update if not self._waits_any else merge_updates(update, self._waiting)

    def encode(self) -> bytes:
        """The whole document as one update."""
        return self.diff(NOTHING)

    def parts(self) -> tuple[Sequence[bytes], bytes]:
        """Updates that make most of a large document, and the state vector that they lead to.

        They stay the same objects for long, and nothing has to be encoded for them. None of a small
        document, as one new encoding is shorter.
        """
        if self._checkpoint_bytes < WHOLE_BYTES:
            return (), NOTHING
        return self._checkpoint, self._checkpoint_state

    def deletions(self) -> bytes:
        """All that was deleted, as an update that inserts nothing."""
        self._settle()
        return self._doc.get_update(self._state)

    def contains(self, update: bytes) -> bool:
        """Whether an update has nothing new; raises ProtocolError if it is none.

        What was received and not yet integrated counts as new.
        """
        rest = get_update(_decoded(update), self.state_vector)
        if rest == EMPTY:
            return True
        if has_structs(rest):
            return False
        if rest in self._known_rests:
            return True
        done = read_delete_set(self.deletions())
        contained = deletes_within(read_delete_set(rest), done)
        if contained and len(rest) > KNOWN_REST:
            self._know(rest)
        return contained

    def _know(self, rest: bytes) -> None:
        """Many come back at once with the same deletions; what was done once stays done."""
        if len(self._known_rests) >= KNOWN_RESTS:
            self._known_rests.clear()
        self._known_rests[rest] = None


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
    """The update as pycrdt writes it; raises ProtocolError unless it can be read again.

    pycrdt reads some malformed updates, and what it then writes of them is no update: neither
    the journal nor a document may ever hold that.
    """
    try:
        clean = merge_updates(update)
        get_state(clean)
    except BaseException as error:
        reraise_unless_pycrdt(error)
        raise ProtocolError(f"this is no update: {error}") from None
    return clean


def _mergeable(updates: Sequence[bytes]) -> bool:
    """Whether these make one update that can be read again."""
    try:
        _decoded(merged(updates))
    except ProtocolError:
        return False
    return True


def _is_unknown(rest: bytes, state: bytes) -> bool:
    """Whether what a state vector left over of an update is more than known deletions."""
    if rest == EMPTY:
        return False
    if has_structs(rest):
        return True
    return not deletes_known(read_delete_set(rest), read_state_vector(state))


def reraise_unless_pycrdt(error: BaseException) -> None:
    """pycrdt raises ValueError, RuntimeError and, when it panics, a BaseException of its own."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
