"""What a document's clocks will be once all that was received is in it. Pure."""

from server.protocol.keystrokes import Clocks, clocks_of, follows, keystroke
from server.protocol.update import read_state_vector

CLOCK_BYTES = 256  # of a state vector that are read again after an update that is no keystroke


class Forecast:
    """Tells keystrokes that nothing can keep from being integrated from all other updates."""

    __slots__ = ("_clocks", "_wanted")

    def __init__(self) -> None:
        self._clocks: Clocks | None = None  # None until they are read again
        self._wanted = 0

    def fit(self, update: bytes, state: bytes) -> tuple[int, int] | None:
        """What a keystroke inserts and deletes, in UTF-16 code units, and count on it.

        None unless it is the next of its client and all that it stands beside or deletes is there;
        also while finding out costs more than it saves. state: the document's state vector, should
        the clocks not be known.
        """
        clocks = self._clocks if self._clocks is not None else self._read(state)
        if clocks is None:
            return None
        stroke = keystroke(update)
        if stroke is None or not follows(stroke, clocks):
            return None
        if stroke.inserted:
            clocks[stroke.client] = stroke.clock + stroke.inserted
        return stroke.inserted, stroke.deleted

    def forget(self) -> None:
        """Something else than keystrokes was integrated, or did not go as foreseen."""
        self._clocks = None

    def _read(self, state: bytes) -> Clocks | None:
        self._wanted += CLOCK_BYTES
        if len(state) > self._wanted:
            return None
        self._wanted = 0
        self._clocks = clocks_of(read_state_vector(state))
        return self._clocks
