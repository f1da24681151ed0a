"""A document update on its way to many: framed once an address, compressed once for all if large.

Compressing is done in a thread, so that it never holds the event loop; what a participant is sent
meanwhile goes behind it. What does not shrink, and what comes while much waits already, is sent as
it is.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from server import telemetry
from server.protocol.deflate import deflated, stored
from server.protocol.frames import framed
from server.protocol.yjs import SyncType
from server.sessions.compression import deflated_frame
from server.sessions.line import Line
from server.sessions.participant import Dialect, Participant

LARGE = 16 * 2**10  # bytes; what is smaller fits into the first packets of a connection anyhow
MOST_WAITING = 64 * 2**20  # bytes that may wait to be compressed
PAYS = 0.9  # of its size is what a compressed body may have at most
MOST_FRAMES = 16  # kept of one parcel


class Press:
    """Compresses one body after another in a thread of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "deflate")
        self._waiting_bytes = 0

    def start(self, body: bytes, done: Callable[[bytes], None]) -> bool:
        """Whether `done` will be called, with the body compressed or with nothing if it won't be.

        It is called by the event loop, never before this returns.
        """
        if self._waiting_bytes + len(body) > MOST_WAITING:
            return False
        self._count(len(body))

        def finish(job: asyncio.Future[bytes]) -> None:
            self._count(-len(body))
            if not job.cancelled():
                done(b"" if job.exception() else job.result())

        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._thread, deflated, body).add_done_callback(finish)
        return True

    def _count(self, size: int) -> None:
        self._waiting_bytes += size
        telemetry.deflate_waiting_bytes.set(self._waiting_bytes)


PRESS = Press()


class Parcel:
    """A step 2 or an update for any number of participants, now and later."""

    __slots__ = ("_body", "_frames", "_kind", "_packed", "_packed_frames", "_waiting")

    def __init__(self, kind: SyncType, body: bytes) -> None:
        self._kind = kind
        self._body = body
        self._frames: dict[str, bytes] = {}  # by the dialect's address
        self._packed: bytes | None = None if len(body) >= LARGE else b""  # empty: sent as it is
        self._packed_frames: dict[str, bytes] = {}
        self._waiting: list[tuple[Dialect, Callable[[bytes], None]]] = []

    def send(
        self, participants: Iterable[Participant], released: Callable[[Participant], None]
    ) -> None:
        """Send it to each, at once or when it is compressed.

        released: called with a participant whose socket counted as full while it waited.
        """
        for participant in participants:
            if self._packed == b"" or not participant.socket.deflates:
                participant.socket.write(self._frame(participant.dialect))
            elif self._packed is not None:
                participant.socket.write(self._packed_frame(participant.dialect))
            elif self._waiting or PRESS.start(self._body, self._pack):
                place = Line.of(participant, released).keep_place()
                self._waiting.append((participant.dialect, place))
            else:
                participant.socket.write(self._frame(participant.dialect))

    def _pack(self, packed: bytes) -> None:
        pays = len(packed) <= PAYS * len(self._body)
        self._packed = packed if pays else b""
        if self._packed:
            telemetry.deflated_messages.inc()
        waiting, self._waiting = self._waiting, []
        for dialect, fill in waiting:
            fill(self._packed_frame(dialect))

    def _frame(self, dialect: Dialect) -> bytes:
        frame = self._frames.get(dialect.address)
        if frame is None:
            frame = framed(dialect.sync(self._kind, self._body))
            _keep(self._frames, dialect.address, frame)
        return frame

    def _packed_frame(self, dialect: Dialect) -> bytes:
        """The compressed frame; the plain one if there is none."""
        if not self._packed:
            return self._frame(dialect)
        frame = self._packed_frames.get(dialect.address)
        if frame is None:
            message = dialect.sync(self._kind, self._body)  # its end is the body, in all dialects
            head = message[: -len(self._body)]
            frame = deflated_frame(stored(head) + self._packed)
            _keep(self._packed_frames, dialect.address, frame)
        telemetry.deflate_saved_bytes.inc(len(self._body) - len(self._packed))
        return frame


def _keep(frames: dict[str, bytes], address: str, frame: bytes) -> None:
    if len(frames) >= MOST_FRAMES:
        frames.clear()
    frames[address] = frame
