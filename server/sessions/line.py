"""Keeps a participant's messages in order while one of them is not ready yet."""

from collections import deque
from collections.abc import Callable

from server.sessions.participant import Participant

MOST_HELD = 2**20  # bytes behind a place that is kept; then the socket counts as full
MOST_PLACES = 4  # that are kept; the same


class Line:
    """Stands in for a participant's socket as long as places in it are kept.

    released: called with the participant once its socket is its own again, if it counted as full.
    """

    __slots__ = (
        "_full",
        "_held",
        "_participant",
        "_places",
        "_queue",
        "_released",
        "_socket",
        "deflates",
        "waiting_bytes",
    )

    def __init__(self, participant: Participant, released: Callable[[Participant], None]) -> None:
        self._participant = participant
        self._socket = participant.socket
        self._released = released
        self._queue: deque[list[bytes]] = deque()  # an empty list is a place that is kept
        self._held = 0
        self._places = 0
        self._full = False
        self.deflates = participant.socket.deflates
        self.waiting_bytes = 0  # nothing comes in here
        participant.socket = self

    @classmethod
    def of(cls, participant: Participant, released: Callable[[Participant], None]) -> "Line":
        """The line that a participant has, or a new one."""
        socket = participant.socket
        return socket if isinstance(socket, Line) else cls(participant, released)

    @property
    def writable(self) -> bool:
        """Whether it takes more."""
        return not self._full and self._socket.writable

    def write(self, frames: bytes) -> None:
        """Send frames behind all that was there first."""
        self._queue.append([frames])
        self._held += len(frames)
        self._full |= self._held > MOST_HELD

    def close(self, code: int, reason: str) -> None:
        """Close the socket; what was not sent yet never is."""
        self._socket.close(code, reason)

    def keep_place(self) -> Callable[[bytes], None]:
        """Keep a place; call what is returned with the frames for it, later."""
        place: list[bytes] = []
        self._queue.append(place)
        self._places += 1
        self._full |= self._places >= MOST_PLACES

        def fill(frames: bytes) -> None:
            place.append(frames)
            self._flush()

        return fill

    def _flush(self) -> None:
        while self._queue and self._queue[0]:
            (frames,) = self._queue.popleft()
            if not self._participant.left:  # another one may have its address by now
                self._socket.write(frames)
        if not self._queue:
            self._participant.socket = self._socket
            if self._full and self._socket.writable and not self._participant.left:
                self._released(self._participant)
