"""One client in one session, and the ports through which a session speaks to it."""

from typing import NamedTuple, Protocol

from websockets.frames import Frame, Opcode

from server.domain.roles import Role
from server.errors import LyceumError
from server.protocol.yjs import SyncType


class Dialect(Protocol):
    """How a kind of client wants to be spoken to; every method returns one message."""

    @property
    def address(self) -> str:
        """What the messages are headed with; equal addresses give equal messages."""

    def sync(self, kind: SyncType, payload: bytes) -> bytes:
        """A state vector or an update."""

    def awareness(self, body: bytes) -> bytes:
        """The presence of some clients, encoded."""

    def saved(self) -> bytes:
        """«One update of yours is saved»; empty if the dialect has no word for it."""

    def refused(self) -> bytes:
        """«One update of yours was not taken»; empty if the dialect has no word for it."""


class Socket(Protocol):
    """The way to a client, shared by all its documents."""

    @property
    def writable(self) -> bool:
        """Whether the socket takes more; while it does not, nothing should be written to it."""

    def write(self, frames: bytes) -> None:
        """Send one or more encoded WebSocket frames."""

    def close(self, code: int, reason: str) -> None:
        """Close the socket; nothing more is received from it."""


class Admission(NamedTuple):
    """What a participant was let in with.

    user: the token's subject, None for a guest. expires_at: Unix time, None for never.
    """

    role: Role
    user: str | None = None
    name: str | None = None
    expires_at: float | None = None


def framed(message: bytes) -> bytes:
    """A message as a WebSocket frame from a server."""
    return Frame(Opcode.BINARY, message).serialize(mask=False)


class Participant:
    """One client in one session.

    behind: while its socket is full, the state vector of the first update that it was not sent;
    one diff makes good for all of them later. presence_behind: the same for presence. left: it is
    told nothing more; another participant may have its address by now.
    """

    __slots__ = (
        "_saved",
        "_unsent_saved",
        "admission",
        "behind",
        "dialect",
        "left",
        "presence_behind",
        "socket",
    )

    def __init__(self, socket: Socket, dialect: Dialect, admission: Admission) -> None:
        self.socket = socket
        self.dialect = dialect
        self.admission = admission
        self.behind: bytes | None = None
        self.presence_behind = False
        self.left = False
        saved = dialect.saved()
        self._saved = framed(saved) if saved else b""
        self._unsent_saved = 0

    @property
    def may_write(self) -> bool:
        """Whether this participant may change the document."""
        return self.admission.role.may_write

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
        """Send the acknowledgements that a full socket held up."""
        count, self._unsent_saved = self._unsent_saved, 0
        if count:
            self.acknowledge(count)

    def close(self, error: LyceumError) -> None:
        """Close its socket for a reason."""
        self.socket.close(error.close_code, str(error))
