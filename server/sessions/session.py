"""A session: one document, those who work in it, and the way of an edit through it.

What is received in one turn of the event loop (or one tick, under load) is integrated together,
sent to all in one frame, and handed to the saver, which acknowledges after COMMIT. The two never
wait for each other. Everything here runs in the event loop's thread and never awaits.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping

import structlog

from server import telemetry
from server.config import DEFAULT_PACE, Limits, Pace
from server.domain.details import Details
from server.domain.identity import Identity
from server.errors import (
    Closed,
    DocumentDamaged,
    DocumentFull,
    Forbidden,
    LyceumError,
    Overloaded,
    ProtocolError,
    RoleChanged,
    SessionFull,
    Unavailable,
)
from server.ids import DocumentId, Seq, SessionName
from server.protocol import messages, yjs
from server.protocol.messages import Notice, SessionState
from server.protocol.update import EMPTY, has_structs
from server.protocol.yjs import SyncType
from server.sessions.answers import Answers
from server.sessions.counting import Edits, count_edits, without
from server.sessions.document import Document, Integrated
from server.sessions.events import UNHEARD, Events
from server.sessions.fanout import call_paced, send_to_all
from server.sessions.pacer import Pacer
from server.sessions.parcel import LARGE, Parcel
from server.sessions.participant import Author, Participant
from server.sessions.presence import Presence
from server.sessions.saver import Saver

log = structlog.get_logger()

BURST = 0.02  # seconds by which a session's ticks may run ahead of their share of the loop


class Session:
    """What is live of one document.

    details: what the database knows of the session beside the document. bytes: about what the
    document is stored in. seq: of the newest journal row that the document holds. snapshot_seq:
    what the newest snapshot covers. compacted_at: when one was last begun. tail_bytes: what was
    received since. missed: called when others wrote to the journal. broken: it takes nobody any
    more. chat_revision: the newest that everybody here was told of. chat_waiting: chat of it that
    is not saved yet. announced: whether it was told as an event that it opened.
    """

    def __init__(
        self,
        details: Details,
        document: Document,
        saver: Saver,
        limits: Limits,
        missed: "Callable[[Session], None]",
        events: Events = UNHEARD,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.details = details
        self.document = document
        self.bytes = 0
        self.chat_revision = 0
        self.chat_waiting = 0
        self.seq = Seq(0)
        self.snapshot_seq = Seq(0)
        self.tail_bytes = 0
        self.broken = False
        self.announced = False
        self.idle_since = time.monotonic()
        self.compacted_at = -math.inf
        self._saver = saver
        self._limits = limits
        self._missed = missed
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._participants: dict[Participant, None] = {}
        self._presence = Presence(self._participants, limits.awareness_bytes, pace)
        self._owed: dict[Author, int] = {}
        self._pacer = Pacer(pace.fanout_share, pace.fanout_longest_seconds, BURST)
        self._scheduled: asyncio.Handle | None = None
        self._received_at = 0.0
        self._answers = Answers(document, details.name)
        self._edits = 0
        self._closed = details.closed_at(time.time())
        self.client_id = random.randrange(1, 2**32)  # of edits that the server makes for others

    @property
    def name(self) -> SessionName:
        """What clients join by."""
        return self.details.name

    @property
    def document_id(self) -> DocumentId:
        """The database's key of its document, and of itself."""
        return self.details.id

    @property
    def etag(self) -> str:
        """Names the document as it is; the same one means nothing was changed."""
        return f'"{self.client_id:x}-{self._edits}"'

    @property
    def closed(self) -> str:
        """Why nobody may write, in a sentence for people; empty if it is open."""
        return self._closed

    @property
    def is_empty(self) -> bool:
        """Whether nobody is here."""
        return not self._participants

    @property
    def participants(self) -> list[Participant]:
        """Who is here."""
        return list(self._participants)

    def join(self, participant: Participant) -> None:
        """Let a participant take part from now on.

        Raises Forbidden if its identity has no role here, SessionFull, Unavailable.
        """
        if self.broken:
            raise Unavailable
        self._admit(participant, participant.identity)
        capacity = self.details.capacity
        if capacity is not None and len(self._participants) >= capacity:
            raise SessionFull(f"The session is full: at most {capacity} may be here at once.")
        self._participants[participant] = None
        participant.joined_at = time.time()
        self._presence.join(participant)
        telemetry.participants.inc()
        if not self.announced:
            self.announced = True
            self._events.opened(self.details, participant)
        self._events.joined(self.details, participant)

    def _admit(self, participant: Participant, identity: Identity) -> None:
        role = self.details.role_of(identity)
        if role is None:
            raise Forbidden("You are not let into this session.")
        participant.identity, participant.role = identity, role
        participant.closed = self._closed

    def renew(self, participant: Participant, identity: Identity) -> None:
        """A participant has shown a fresh token; raises Forbidden."""
        could_write = participant.may_write
        self._admit(participant, identity)
        self._tell_rights(participant, could_write)

    def apply(self, details: Details) -> None:
        """What the database knows of this session has changed: act on those who are here."""
        self.details = details
        self._apply_rights(time.time())

    def _apply_rights(self, unix_time: float) -> None:
        self._closed = self.details.closed_at(unix_time)
        for participant in self.participants:
            could_write = participant.may_write
            try:
                self._admit(participant, participant.identity)
            except Forbidden as error:
                participant.evict(error)
            else:
                self._tell_rights(participant, could_write)

    def _tell_rights(self, participant: Participant, could_write: bool) -> None:
        """Tell what changed, and ask for what was refused so far."""
        dialect, may_write = participant.dialect, participant.may_write
        if may_write != could_write:
            rights = dialect.rights(may_write, participant.why_read_only)
            participant.send(rights)
            if may_write and rights:
                self.greet(participant, step1=True)
            elif may_write:
                participant.close(RoleChanged())
        self.tell_state(participant)

    def tell_state(self, participant: Participant) -> None:
        """Send a participant what it is here, and how the session stands."""
        state = SessionState(
            role=participant.role.label,
            status=self.details.status_at(time.time()),
            may_write=participant.may_write,
            may_chat=participant.may_chat,
            reason=participant.closed or participant.stopped,
            title=self.details.title,
            language=self.details.language,
            chat_revision=self.chat_revision,
        )
        participant.notify(messages.encode(state))

    def notify(self, notice: Notice) -> None:
        """Tell everybody who is here something, in a message of the application's."""
        payload = messages.encode(notice)
        for participant in self._participants:
            participant.notify(payload)

    def end(self, error: LyceumError) -> None:
        """The session is no more: everybody leaves for a lasting reason."""
        self.broken = True
        self._owed.clear()
        for participant in self.participants:
            participant.evict(error)

    def greet(self, participant: Participant, step1: bool) -> None:
        """Tell a newcomer who is here and, if its dialect wants that, what the server has."""
        if step1:
            self._send_step1(participant)
        self._presence.greet(participant)

    def leave(self, participant: Participant) -> None:
        """Let a participant go, with all it announced."""
        if participant not in self._participants:
            return
        del self._participants[participant]
        participant.left = True
        telemetry.participants.dec()
        self.idle_since = time.monotonic()
        self._presence.leave(participant)
        self._events.left(self.details, participant)

    def handle(self, participant: Participant, message: yjs.Message) -> None:
        """Take in a participant's message; raises LyceumError if that costs it its socket."""
        match message:
            case yjs.SyncUpdate(update):
                self._handle_update(participant, update)
            case yjs.Awareness(entries):
                self._presence.receive(participant, entries)
            case yjs.SyncStep1():
                self._answer(participant, message)
            case yjs.SyncStep2(update):
                self._handle_step2(participant, update)
            case yjs.QueryAwareness():
                self._presence.answer(participant)

    def _answer(self, participant: Participant, question: yjs.SyncStep1) -> None:
        """Send what a participant lacks; encoded once for all that come back with the same.

        Who asks again and again without reading gets one answer, to the last question.
        """
        self.tick()
        if not participant.socket.writable:
            participant.asked = question
            return
        self._answers.send(participant, question.state_vector, self.drained)
        if question.wants_step1:
            self._send_step1(participant)

    def _handle_update(
        self, participant: Participant, update: bytes, repeats: bool = False
    ) -> None:
        telemetry.updates_received.inc()
        if not participant.may_write:
            telemetry.refused.labels("read only").inc()
            participant.refuse_update()
            return
        if self._saver.full:
            raise Overloaded
        if not self.has_room(update):
            telemetry.refused.labels("document full").inc()
            self._stop(participant)
            return
        self.document.receive(update, participant, repeats)
        if not self._owed:
            self._received_at = time.perf_counter()
        self._owed[participant] = self._owed.get(participant, 0) + 1
        self._schedule()

    def edit(self, author: Author, update: bytes) -> None:
        """Take in an update of somebody who has no socket and may write; all see it at once.

        Raises ProtocolError if it is none, Closed, DocumentFull, Unavailable, Overloaded. What
        turns out later is told to the author.
        """
        if self.broken:
            raise Unavailable
        if self._closed:
            raise Closed(self._closed)
        if self._saver.full:
            raise Overloaded
        self.tick()
        if self.document.contains(update):
            self._saver.acknowledge_when_saved(self, author)
            return
        if not self.has_room(update):
            raise DocumentFull
        self.document.receive(update, author, repeats=True)
        self._received_at = time.perf_counter()
        self._owed[author] = self._owed.get(author, 0) + 1
        self.tick()

    def has_room(self, update: bytes) -> bool:
        """Whether the document may take an update; what only deletes always fits."""
        bound = self._limits.document_bytes
        if not bound or self.bytes + len(update) <= bound or not has_structs(update):
            return True
        self.tick()
        with telemetry.holding("size", session=self.name):
            self.bytes = len(self.document.encode())
        return self.bytes + len(update) <= bound

    def _stop(self, participant: Participant) -> None:
        """An update of this participant is missing here: what it sends from now on builds on it."""
        participant.stopped = str(DocumentFull())
        participant.refuse_update()
        self._tell_rights(participant, could_write=True)

    def _handle_step2(self, participant: Participant, update: bytes) -> None:
        """What a client has that the server lacks; most often nothing, so it costs no row."""
        self.tick()
        if not self.document.contains(update):
            self._handle_update(participant, update, repeats=True)
        else:
            self._saver.acknowledge_when_saved(self, participant)

    def _send_step1(self, participant: Participant) -> None:
        state_vector = self.document.state_vector
        participant.send(participant.dialect.sync(SyncType.STEP1, state_vector))

    def _schedule(self) -> None:
        if self._scheduled is None and self.document.dirty:
            self._scheduled = call_paced(self._loop, self._pacer, self.tick)

    def tick(self) -> None:
        """Integrate, send and hand to the saver all that was received."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if not self.document.dirty:
            return
        started = time.perf_counter()
        try:
            edits = count_edits(self.document)
            integrated = self.document.integrate()
            if integrated is not None:
                self._note_change()
                self._spread(integrated, without(edits, integrated.refused))
        except DocumentDamaged as error:
            self.failed(error)
        except Exception:
            log.exception("tick failed", session=self.name)
            self.failed(LyceumError())
        ended = time.perf_counter()
        self._pacer.ran(started, ended, self._received_at)
        telemetry.held("tick", ended - started, session=self.name)

    def _note_change(self) -> None:
        self._edits += 1
        self._answers.changed()

    def _spread(self, integrated: Integrated, edits: Mapping[Author, Edits]) -> None:
        owed, self._owed = self._owed, {}
        for received in integrated.refused:
            author = received.author
            if isinstance(author, Author):
                owed.pop(author, None)
                author.close(ProtocolError("This update can't be applied to the document."))
        if integrated.update != EMPTY:
            self.tail_bytes += len(integrated.update)
            self.bytes += len(integrated.update)
            self._saver.save(self, integrated.update, owed)
            self._deliver(integrated)
            self._events.changed(self.details, edits)
            telemetry.fanout_delay_seconds.observe(time.perf_counter() - self._received_at)
        else:
            for waiting, count in owed.items():
                self._saver.acknowledge_when_saved(self, waiting, count)

    def _deliver(self, integrated: Integrated) -> None:
        """Send an update to all but its only author; who can't take it is owed a diff."""
        able = []
        authors, update = integrated.authors, integrated.update
        alone = next(iter(authors)) if len(authors) == 1 else None
        for participant in self._participants:
            if participant is alone or participant.behind is not None:
                continue
            if participant.socket.writable:
                able.append(participant)
            else:
                participant.behind = integrated.before
                telemetry.slow_receivers.inc()
        if len(update) < LARGE:
            count = send_to_all(able, lambda dialect: dialect.sync(SyncType.UPDATE, update))
        else:
            Parcel(SyncType.UPDATE, update).send(able, self.drained)
            count = len(able)
        telemetry.updates_delivered.inc(count)

    def drained(self, participant: Participant) -> None:
        """A participant's socket takes more again: make good for what it was not sent."""
        if participant.asked is not None:
            asked, participant.asked, participant.behind = participant.asked, None, None
            try:
                self._answer(participant, asked)  # with all that it was not sent meanwhile
            except LyceumError as error:
                participant.close(error)
        elif participant.behind is not None:
            self.tick()
            with telemetry.holding("catch-up of a slow reader", session=self.name):
                diff = self.document.diff(participant.behind)
            participant.behind = None
            participant.send(participant.dialect.sync(SyncType.UPDATE, diff))
        self._presence.make_good(participant)
        participant.drained()
        if participant.notices_missed:
            participant.notices_missed = False
            self.tell_state(participant)  # its chat_revision says that there is more to read

    def expire(self) -> None:
        """Let go what is due: presence that was not renewed, or the session's own time."""
        unix_time = time.time()
        if self.details.closed_at(unix_time) != self._closed:
            self._apply_rights(unix_time)
        self._presence.expire()
        self._answers.forget()

    def committed(self, seq: Seq | None) -> None:
        """The saver's word that everything handed to it first is saved, as row `seq`."""
        if seq == self.seq + 1:
            self.seq = seq
        else:
            self._missed(self)

    def catch_up(self, rows: list[tuple[Seq, bytes]]) -> None:
        """Take in what others wrote to the journal; it is saved already."""
        self.tick()
        with telemetry.holding("catch-up", session=self.name, rows=len(rows)):
            for seq, update in rows:
                if not self.document.contains(update):  # some rows are our own
                    self.document.receive(update, None)
                self.seq = max(self.seq, seq)
            integrated = self.document.integrate()
            if integrated is not None:
                self._note_change()
                self._deliver(integrated)

    def failed(self, error: LyceumError) -> None:
        """The session can't go on: its participants come back to one read from the database."""
        log.error("session failed", session=self.name, why=str(error))
        self.broken = True
        owed, self._owed = self._owed, {}  # nothing more of it is acknowledged
        for author in (*owed, *self.participants):
            author.close(error)
