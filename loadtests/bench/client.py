"""One simulated client: a socket that joins a session, types, and recognises what arrives.

Frames are read one by one until the client is synced. From then on a client only counts the
markers that pass by, which costs next to nothing, unless it is sampled: then each is looked up
and its latency kept, and who listens for acknowledgements reads every message.
"""

import asyncio
import time
from array import array
from collections import deque
from enum import Enum, auto
from typing import cast

from pycrdt import merge_updates

from loadtests.bench.dialects import Dialect
from loadtests.bench.ledger import Ledger
from loadtests.bench.updates import MARK, MARKER, Author, marker
from loadtests.bench.wire import BINARY, CLOSE, PING, PONG, Refused, frame, frame_end, upgrade

now = time.perf_counter


class State(Enum):
    """How far a client is."""

    CONNECTING = auto()
    JOINING = auto()
    SYNCED = auto()
    CLOSED = auto()


class Client(asyncio.Protocol):
    """See the module. `address`: the server's host and port. `synced` is done once it is."""

    def __init__(
        self,
        address: tuple[str, int],
        dialect: Dialect,
        author: Author,
        ledger: Ledger,
        session: int = 0,
        present: bool = True,
    ) -> None:
        self.dialect = dialect
        self.author = author
        self.session = session  # its number in the ledger
        self.state = State.CONNECTING
        self.synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.counted = 0  # markers that passed by
        self.sent = 0  # edits
        self.frames = 0
        self.received_bytes = 0
        self.why_closed = ""
        self.latencies: array[float] | None = None  # of a sampled client
        self.seen: set[int] = set()
        self.unsaved: deque[float] | None = None  # when the edits that wait were sent
        self.saved: array[float] = array("d")
        self.cursors: CursorLog | None = None
        self.address = address
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ledger = ledger
        self._present = present
        self._document: list[bytes] = []  # what the server sent for the empty state vector
        self._clock = 0
        self._partial = bytearray()
        self._needed = 0

    @property
    def document(self) -> bytes:
        """What the document was when it was synced, as one update."""
        return merge_updates(*self._document) if len(self._document) > 1 else self._document[0]

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(upgrade(*self.address, self.dialect.path))

    def data_received(self, data: bytes) -> None:
        arrived = now()
        self.received_bytes += len(data)
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data = bytes(self._partial)
            self._partial.clear()
        start = 0
        if self.state is State.CONNECTING:
            start = self._upgraded(data)
        end = self._walk(data, start)
        if end < len(data):
            self._partial += data[end:]
        if end > start and self.state is State.SYNCED:
            if self.cursors is not None:
                self.cursors.arrived(data, start, end, arrived)
            elif self.latencies is None:
                self.counted += data.count(MARK, start, end)
            else:
                self._sample(data, start, end, arrived)

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        if not self.gone.done():
            self.gone.set_result(None)
        if not self.synced.done():
            self.synced.set_exception(Refused(self.why_closed or f"the socket was closed: {exc}"))
            self.synced.exception()  # whoever waits sees it; nobody has to

    # The way in.

    def _upgraded(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._needed = len(data) + 1
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            self.why_closed = data[:200].decode(errors="replace")
            self.abort()
            return len(data)
        self.state = State.JOINING
        for message in self.dialect.hello():
            self.send(message)
        if self._present:
            self.renew_presence()
        return end + 4

    def _walk(self, data: bytes, start: int) -> int:
        """Handle frames; returns where the first incomplete one begins."""
        if self.state is State.CONNECTING:
            return 0
        size = len(data)
        while start < size:
            begin, end = frame_end(data, start)
            if begin == 0 or end > size:
                self._needed = end - start if begin else size - start + 1
                break
            self.frames += 1
            opcode = data[start] & 0x0F
            if opcode == PING:
                self.send(data[begin:end], PONG)
            elif opcode == CLOSE:
                code = int.from_bytes(data[begin : begin + 2], "big")
                self.why_closed = f"{code} {data[begin + 2 : end].decode(errors='replace')}"
                self.abort()
                return size
            elif opcode == BINARY and (self.state is State.JOINING or self.unsaved is not None):
                self._read(data[begin:end])
            start = end
        return start

    def _read(self, message: bytes) -> None:
        for heard in self.dialect.read(message):
            match heard.kind:
                case "step1":
                    self.send(self.dialect.step2(self.author.everything()))
                case "update" if self.state is State.JOINING:
                    self._document.append(heard.payload)  # a part, or somebody's edit
                case "step2" if self.state is State.JOINING:
                    self._document.append(heard.payload)
                    self.state = State.SYNCED
                    if not self.synced.done():
                        self.synced.set_result(None)
                case "saved" if self.unsaved:
                    self.saved.append(now() - self.unsaved.popleft())
                case "denied":
                    self.why_closed = heard.payload.decode(errors="replace")
                    self.abort()

    def _sample(self, data: bytes, start: int, end: int, arrived: float) -> None:
        sent_at, latencies, seen = self._ledger.sent_at, self.latencies, self.seen
        assert latencies is not None
        for found in MARKER.finditer(data, start, end):
            number = int(found[1], 16)
            self.counted += 1
            if number not in seen:
                seen.add(number)
                latencies.append(arrived - sent_at[number])

    # The way out.

    def send(self, message: bytes, opcode: int = BINARY) -> None:
        """Send one message."""
        assert self.transport is not None
        self.transport.write(frame(message, opcode))

    def type(self, number: int, padding: bytes = b"") -> None:
        """Make the edit of this number."""
        message = self.dialect.update(self.author.insert(marker(number) + padding))
        self.sent += 1
        if self.latencies is not None:
            self.seen.add(number)  # nobody has to tell it
        at = now()
        self._ledger.note(number, self.session, at)
        if self.unsaved is not None:
            self.unsaved.append(at)
        self.send(message)

    def renew_presence(self, state: bytes = b"") -> None:
        """Say that it is still here, with a state or with the one of a cursor that rests."""
        self._clock += 1
        client = self.author.client
        state = state or b'{"user":{"name":"user %d","color":"#30bced"}}' % client
        self.send(self.dialect.presence(client, self._clock, state))

    def pause(self) -> None:
        """Read nothing more."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """End the socket without a word."""
        if self.transport is not None:
            self.transport.abort()

    def lacks(self, expected: int) -> int:
        """How many of its session's edits it surely does not have.

        One that only counts can't tell its own edits, which some servers echo, from others'.
        """
        if self.latencies is not None:
            return expected - len(self.seen)
        return max(0, expected - self.sent - self.counted)


class CursorLog:
    """How long each cursor's moves took to be seen, or to be out of date because a newer one was.

    Moves are numbered `first` + turn × `count` + cursor.
    """

    def __init__(self, ledger: Ledger, first: int, count: int, own: int) -> None:
        self.latencies: array[float] = array("d")
        self._sent_at = ledger.sent_at
        self._first = first
        self._latest = [-1] * count
        self._own = own

    def arrived(self, data: bytes, start: int, end: int, at: float) -> None:
        """Presence came."""
        count, first, latest = len(self._latest), self._first, self._latest
        for found in MARKER.finditer(data, start, end):
            turn, cursor = divmod(int(found[1], 16) - first, count)
            if turn < 0 or cursor == self._own:
                continue
            for shown in range(latest[cursor] + 1, turn + 1):
                self.latencies.append(at - self._sent_at[first + shown * count + cursor])
            latest[cursor] = max(latest[cursor], turn)

    def lacks(self, turns: int) -> int:
        """How many cursors are not at the place of their last of so many moves."""
        return sum(
            turn < turns - 1 for cursor, turn in enumerate(self._latest) if cursor != self._own
        )
