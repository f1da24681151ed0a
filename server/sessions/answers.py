"""What participants are sent who ask for what they lack: made once for all who lack the same."""

from collections.abc import Callable, Sequence

from server import telemetry
from server.ids import SessionName
from server.protocol.update import NOTHING
from server.protocol.yjs import SyncType
from server.sessions.document import Document
from server.sessions.parcel import Parcel
from server.sessions.participant import Participant

MOST = 16  # state vectors


class Answers:
    """The answers of one document's session. name: what a log calls it."""

    def __init__(self, document: Document, name: SessionName) -> None:
        self._document = document
        self._name = name
        self._diffs: dict[bytes, Parcel] = {}  # by state vector, until the document changes
        self._parts: Sequence[bytes] = ()  # that newcomers are sent of the document…
        self._parcels: list[Parcel] = []  # …in these

    def send(
        self,
        participant: Participant,
        state_vector: bytes,
        released: Callable[[Participant], None],
    ) -> None:
        """Send a participant what it lacks; what ends it is a step 2.

        released: see `Parcel.send`. Raises ProtocolError if these bytes are no state vector.
        """
        if state_vector == NOTHING:
            state_vector = self._send_parts(participant, released)
        diff = self._diffs.get(state_vector)
        if diff is None:
            with telemetry.holding("diff", session=self._name):
                diff = Parcel(SyncType.STEP2, self._document.diff(state_vector))
            if len(self._diffs) >= MOST:
                self._diffs.clear()
            self._diffs[state_vector] = diff
        diff.send((participant,), released)

    def _send_parts(
        self, participant: Participant, released: Callable[[Participant], None]
    ) -> bytes:
        """Send a newcomer what lies there of a large document; returns the state vector of that."""
        parts, state_vector = self._document.parts()
        if parts is not self._parts:
            self._parts = parts
            self._parcels = [Parcel(SyncType.UPDATE, part) for part in parts]
        for parcel in self._parcels:
            parcel.send((participant,), released)
        return state_vector

    def changed(self) -> None:
        """The document has changed."""
        self._diffs.clear()

    def forget(self) -> None:
        """Those who came at once have it; let go of the memory."""
        self._diffs.clear()
        self._parts, self._parcels = (), []
