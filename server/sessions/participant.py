"""One client in one session, and the ports through which a session speaks to it."""

from typing import Protocol, runtime_checkable
from uuid import UUID, uuid4

from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import LyceumError, Overloaded
from server.protocol.frames import framed
from server.protocol.yjs import SyncStep1, SyncType


class Dialect(Protocol):
    """How a kind of client wants to be spoken to; every method returns one message."""

    @property
    def address(self) -> str:
        """What the messages are headed with; equal addresses give equal messages."""

    @property
    def shares_socket(self) -> bool:
        """Whether other documents may be on the same socket; closing it costs them too."""

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A state vector or an update."""

    def awareness(self, body: bytes) -> bytes:
        """The presence of some clients, encoded."""

    def saved(self) -> bytes:
        """«One update of yours is saved»; empty if the dialect has no word for it."""

    def refused(self) -> bytes:
        """«One update of yours was not taken»; empty if the dialect has no word for it."""

    def rights(self, may_write: bool, reason: str) -> bytes:
        """«You may write from now on», or why not; empty if the dialect has no word for it."""

    def stateless(self, payload: str) -> bytes:
        """A message of the application's; empty if the dialect has no way for it."""

    def ask_for_token(self) -> bytes:
        """«Send your token again»; empty if the dialect has no word for it."""

    def eviction_code(self, code: int) -> int:
        """The close code for somebody who must leave one session for a reason with this code."""


class Socket(Protocol):
    """The way to a client, shared by all its documents.

    waiting_bytes: what came for documents that it was not let into yet. deflates: whether the
    client takes compressed frames.
    """

    waiting_bytes: int
    deflates: bool

    @property
    def writable(self) -> bool:
        """Whether the socket takes more; while it does not, nothing should be written to it."""

    def write(self, frames: bytes) -> None:
        """Send one or more encoded WebSocket frames."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket; nothing more is received from it."""


@runtime_checkable
class Author(Protocol):
    """Whoever sent an update and is owed word of it: a participant, or a visitor."""

    def __hash__(self) -> int: ...

    @property
    def id(self) -> UUID:
        """This stay in the session."""

    @property
    def identity(self) -> Identity:
        """Who it is."""

    def acknowledge(self, count: int) -> None:
        """This many of its updates are saved."""

    def close(self, error: LyceumError) -> None:
        """An update of its own can't be taken."""


UNSENT_NOTICES = 2**18  # characters of broadcasts kept for a full socket; then one look is due
UNSENT_ANSWERS = 2**20  # and of all, answers included; past it the socket is closed
READ_ONLY = "You may read this session, not change it."


class Participant:
    """One client in one session.

    role: what it is there; the session says. joined_at: since when it is there, as Unix time.
    closed: why nobody may write there, stopped: why this participant may not; empty while they may.
    behind: while its socket is full, the state vector of the first update that it was not sent; one
    diff makes good for all of them later. presence_behind: the same for presence. asked: the last
    question that it sent while its socket was full. notices_missed:
    it was not sent all notices. left: it is told nothing more; another participant may have its
    address by now. said: seqs of its chat messages, if it is a guest.
    """

    __slots__ = (
        "_saved",
        "_unsent",
        "_unsent_characters",
        "_unsent_saved",
        "asked",
        "behind",
        "closed",
        "dialect",
        "id",
        "identity",
        "joined_at",
        "left",
        "notices_missed",
        "presence_behind",
        "role",
        "said",
        "socket",
        "stopped",
    )

    def __init__(self, socket: Socket, dialect: Dialect, identity: Identity) -> None:
        self.id: UUID = uuid4()
        self.socket = socket
        self.dialect = dialect
        self.identity = identity
        self.role = Role.VIEWER
        self.joined_at = 0.0
        self.closed = ""
        self.stopped = ""
        self.said: set[int] | None = None
        self.behind: bytes | None = None
        self.presence_behind = False
        self.asked: SyncStep1 | None = None
        self.notices_missed = False
        self.left = False
        saved = dialect.saved()
        self._saved = framed(saved) if saved else b""
        self._unsent_saved = 0
        self._unsent: list[str] = []  # notices that a full socket holds up, in order
        self._unsent_characters = 0

    @property
    def may_write(self) -> bool:
        """Whether this participant may change the document."""
        return self.role.may_write and not self.closed and not self.stopped

    @property
    def may_chat(self) -> bool:
        """Whether this participant may say something."""
        return self.role.may_chat and not self.closed

    @property
    def why_read_only(self) -> str:
        """A sentence about why it may not write; empty if it may."""
        return "" if self.may_write else self.closed or self.stopped or READ_ONLY

    def notify(self, payload: str) -> None:
        """Send a message of the application's, if its dialect has a way for it.

        While the socket is full it is kept; what is too much then is noted in `notices_missed`.
        """
        if not self._notify_at_once(payload):
            if self._unsent_characters + len(payload) > UNSENT_NOTICES:
                self.notices_missed = True
            else:
                self._keep(payload)

    def answer(self, payload: str) -> None:
        """The same for what it asked for; who asks on without reading loses its socket."""
        if not self._notify_at_once(payload):
            if self._unsent and self._unsent_characters + len(payload) > UNSENT_ANSWERS:
                self.close(Overloaded("You ask for more than you read."))
            else:
                self._keep(payload)

    def _notify_at_once(self, payload: str) -> bool:
        """Whether nothing is left to do: it is sent, or never will be."""
        if self.left:
            return True
        message = self.dialect.stateless(payload)
        if not message:
            return True
        if not self.socket.writable:
            return False
        self.send(message)
        return True

    def _keep(self, payload: str) -> None:
        self._unsent.append(payload)
        self._unsent_characters += len(payload)

    def send(self, message: bytes) -> None:
        """Send one message; an empty one is none."""
        if message:
            self.socket.write(framed(message))

    def acknowledge(self, count: int) -> None:
        """Tell that this many of its updates are saved; later, if its socket is full."""
        if self.left:
            return
        if not self.socket.writable:
            self._unsent_saved += count
        elif self._saved:
            self.socket.write(self._saved * count)

    def refuse_update(self) -> None:
        """Tell that an update was not taken."""
        self.send(self.dialect.refused())

    def drained(self) -> None:
        """Send the acknowledgements and notices that a full socket held up."""
        count, self._unsent_saved = self._unsent_saved, 0
        if count:
            self.acknowledge(count)
        unsent, self._unsent, self._unsent_characters = self._unsent, [], 0
        for payload in unsent:
            self.send(self.dialect.stateless(payload))

    def close(self, error: LyceumError) -> None:
        """Close its socket for a reason."""
        self.socket.close(error.close_code, str(error))

    def evict(self, error: LyceumError) -> None:
        """Send it away from this session for a lasting reason."""
        self.socket.close(self.dialect.eviction_code(error.close_code), str(error))
