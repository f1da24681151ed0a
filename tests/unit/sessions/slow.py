"""Participants of a session in this process: a document each, and a socket that may be full."""

import asyncio
from collections import deque
from datetime import UTC, datetime

from server.config import Limits
from server.domain.details import Details, Permissions
from server.domain.identity import Identity
from server.domain.roles import Role
from server.ids import ClientId, DocumentId, SessionName
from server.persistence.types import Connection
from server.protocol import hocuspocus, yjs, ywebsocket
from server.protocol.yjs import AwarenessEntry
from server.sessions.document import Document
from server.sessions.participant import Participant
from server.sessions.saver import Saver
from server.sessions.session import Session
from tests.support.frames import decoded, payloads
from tests.unit.sessions.histories import Writer

NAME = SessionName("lesson")
OVERFULL = 2  # writes to a full socket: what belongs behind the one that filled it


def open_session(limits: Limits | None = None, document: Document | None = None) -> Session:
    """A session, empty unless it gets a document, whose saver has no database.

    Edits are taken, and never acknowledged.
    """

    async def no_database() -> Connection:
        raise OSError

    now = datetime.now(UTC)
    details = Details(
        id=DocumentId(1),
        name=NAME,
        title="",
        type="code",
        language="",
        status="ACTIVE",
        owner=None,
        permissions=Permissions(),
        roles={},
        capacity=None,
        version=1,
        created_at=now,
        updated_at=now,
        expires_at=None,
    )
    saver = Saver(no_database)
    return Session(details, document or Document(), saver, limits or Limits(), lambda _: None)


class Peer:
    """A client that reads when it is told to, and the socket between it and the server.

    room: how many more writes the socket takes before it is full; None: it never is.
    """

    waiting_bytes = 0
    deflates = False

    def __init__(self, client: int, is_hocuspocus: bool) -> None:
        dialect = hocuspocus.Dialect(NAME) if is_hocuspocus else ywebsocket.DIALECT
        self.client = ClientId(client)
        self.writer = Writer(client)
        self.participant = Participant(self, dialect, Identity(Role.EDITOR))
        self.room: int | None = None
        self.closed: int | None = None
        self.clock = 0
        self.waits = False  # for an answer
        self.present: dict[ClientId, str] = {}
        self.heard: dict[ClientId, list[float]] = {}  # when news of somebody came
        self.presence_messages = 0
        self._address = NAME if is_hocuspocus else None
        self._draining = False
        self._overfull = 0
        self._clocks: dict[ClientId, int] = {}
        self._arrived: deque[bytes] = deque()

    @property
    def writable(self) -> bool:
        """Whether the socket takes more."""
        return self.room is None or self.room > 0

    def write(self, frames: bytes) -> None:
        """The server sends; what it owes to who was slow may be more than fits."""
        assert self.closed is None
        if not self.writable and not self._draining:
            self._overfull += 1
            assert self._overfull <= OVERFULL, "more and more is written to a full socket"
        if self.room:
            self.room -= 1
        self._arrived.append(frames)

    @property
    def arrived(self) -> bytes:
        """What was sent and not yet read."""
        return b"".join(self._arrived)

    def close(self, code: int, reason: str) -> None:
        """The server closes the socket."""
        self.closed = code

    def drain(self, session: Session, room: int | None) -> None:
        """The socket takes more again, as a transport says only if it was full."""
        was_full, self.room = not self.writable, room
        if was_full:
            self._draining = True
            session.drained(self.participant)
            self._draining = False
            self._overfull = 0

    def come(self, session: Session) -> None:
        """Join, and ask for the document."""
        session.join(self.participant)
        session.greet(self.participant, step1=True)
        self.ask(session)

    def ask(self, session: Session) -> None:
        """Send a state vector, as on every connect, and ask who is here."""
        self.waits = True
        session.handle(self.participant, yjs.SyncStep1(self.writer.doc.get_state(), True))
        session.handle(self.participant, yjs.QueryAwareness())

    def say(self, session: Session, state: str) -> None:
        """Announce a state, or the same one again."""
        self.clock += 1
        entry = AwarenessEntry(self.client, self.clock, state)
        session.handle(self.participant, yjs.Awareness((entry,)))

    def read(self, session: Session, most: int | None = None) -> bool:
        """Take in what arrived, so many writes of it; whether there was any."""
        count = len(self._arrived) if most is None else min(most, len(self._arrived))
        for _ in range(count):
            for payload in payloads(self._arrived.popleft()):
                for message in decoded(payload, self._address):
                    self._take(session, message)
        return count > 0

    def _take(self, session: Session, message: yjs.Message) -> None:
        match message:
            case yjs.SyncStep2(update):
                self.waits = False
                self.writer.doc.apply_update(update)
            case yjs.SyncUpdate(update):
                self.writer.doc.apply_update(update)
            case yjs.SyncStep1(state_vector):
                update = self.writer.doc.get_update(state_vector)
                session.handle(self.participant, yjs.SyncStep2(update))
            case yjs.Awareness(entries):
                self.presence_messages += 1
                for entry in entries:
                    self._hear(entry)

    def _hear(self, entry: AwarenessEntry) -> None:
        """As y-protocols does: a higher clock is news, and `null` also with the same one."""
        known = self._clocks.get(entry.client, -1)
        if entry.clock > known or (entry.clock == known and entry.state is None):
            self._clocks[entry.client] = entry.clock
            self.heard.setdefault(entry.client, []).append(asyncio.get_running_loop().time())
            if entry.state is None:
                self.present.pop(entry.client, None)
            else:
                self.present[entry.client] = entry.state
