"""One WebSocket: an asyncio protocol around websockets' sans-I/O core; no task, queue or timer.

The core gets frames that are not plain messages; those are read here, in a third of its time.
uvicorn parses HTTP and hands an upgrade request over, with the transport. All connections share
the hub's clock for keep-alive, closing and expiry.
"""

import asyncio
from typing import Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SEND_EOF, SERVER, State
from websockets.protocol import Protocol as WebSocket
from websockets.server import ServerProtocol

from server import telemetry
from server.config import Limits
from server.domain.buckets import TokenBucket
from server.errors import LyceumError, ProtocolError
from server.ids import SessionName
from server.protocol.deflate import inflated
from server.protocol.frames import (
    BINARY,
    DEFLATED,
    MASKED,
    PONG,
    frame_size,
    framed,
    plain_message,
    pong_end,
)
from server.sessions.channels import (
    Channel,
    HocuspocusChannel,
    SeatMaker,
    YWebsocketChannel,
)
from server.sessions.compression import ACCEPTED, NEGOTIATED
from server.sessions.parcel import LARGE

log = structlog.get_logger()

YWEBSOCKET_PATH = "/yjs/"
HOCUSPOCUS_PATH = "/hocuspocus"
PING = Frame(Opcode.PING, b"").serialize(mask=False)
PING_EVERY = 25.0  # seconds
SILENT = 60.0  # seconds without a byte, pongs included, after which the client is gone
KEEP_ALIVE_AFTER = 20.0  # seconds; clients give up after 30 s without a message
CLOSE_TIMEOUT = 5.0  # seconds for the closing handshake
PLAIN = 2**16 - 1  # bytes of a message that is read without the core
BURST_SECONDS = 10  # as much of what a socket may send a second may come at once
MAX_REASON = 123  # bytes that fit into a close frame


class Host(Protocol):
    """What a connection needs of the hub that made it."""

    limits: Limits
    deflates: bool
    clock: float  # what `now` said when it last looked at all connections

    @property
    def make_seat(self) -> SeatMaker:
        """Makes a place in a session for a client of the connection."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""

    def add(self, connection: "Connection") -> None:
        """A socket is there."""

    def remove(self, connection: "Connection") -> None:
        """A socket is gone."""

    def admit(self, connection: "Connection", peer: str, headers: Headers) -> LyceumError | None:
        """Why a socket is not taken in; None if it is."""


class Connection(asyncio.Protocol):
    """A client's socket, before, while and after it carries a channel."""

    __slots__ = (
        "_bytes",
        "_channel",
        "_closing_at",
        "_core",
        "_deflated",
        "_hub",
        "_messages",
        "_missing",
        "_partial",
        "_parts",
        "_paused_until",
        "_pinged_at",
        "_received_at",
        "_transport",
        "_writing_at",
        "deflates",
        "due",
        "waiting_bytes",
        "writable",
    )

    def __init__(self, hub: Host) -> None:
        self._hub = hub
        self._core: WebSocket | None = ServerProtocol(
            extensions=NEGOTIATED if hub.deflates else None
        )
        self._transport: asyncio.Transport | None = None
        self._channel: Channel | None = None
        self._partial = b""  # of a frame that is not too long to wait for
        self._missing = 0  # bytes of a frame of which the core has the beginning
        self._parts: list[bytes] = []  # of a message in fragments
        self._deflated = False  # whether they are compressed
        self._received_at = self._pinged_at = self._writing_at = hub.now()
        self._closing_at: float | None = None
        self.due = 0.0  # before this time `check` has nothing to do
        self._messages = _bucket(hub.limits.messages_per_second)
        self._bytes = _bucket(hub.limits.bytes_per_second)
        self._paused_until: float | None = None  # while it sent too much
        self.waiting_bytes = 0
        self.writable = True
        self.deflates = False

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours now."""
        self._transport = cast(asyncio.Transport, transport)
        bound = self._hub.limits.outbox_bytes
        if bound:
            self._transport.set_write_buffer_limits(high=bound)
        self._hub.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came: first the upgrade request, then frames."""
        self._received_at = self._hub.now()
        telemetry.received_bytes.inc(len(data))
        if self._channel is None:
            messages = self._feed(data)
        else:
            messages = self._frames_received(self._partial + data if self._partial else data)
        self._throttle(messages, len(data))

    def _frames_received(self, data: bytes) -> int:
        """Take in frames, and keep the beginning of a last one; returns how many there were."""
        most = min(self._hub.limits.message_bytes or PLAIN, PLAIN)
        start, end = min(self._missing, len(data)), len(data)
        count = self._feed(data[:start]) if start else 0
        self._missing -= start
        while start < end:
            kind = data[start]
            may_be_plain = self._may_be_plain(kind)
            plain = plain_message(data, start, most) if may_be_plain else None
            if plain is not None:
                self._deflated = kind == DEFLATED
                message, start = plain
                self._message_received(message)
                count += 1
                continue
            if kind == PONG and (after := pong_end(data, start)):
                start = after
                count += 1
                continue
            size = frame_size(data, start)
            masked = size > 0 and data[start + 1] >= MASKED
            if not size or (may_be_plain and masked and end - start < size <= PLAIN):
                break  # the rest is worth waiting for; the core judges others at once
            count += self._feed(data[start : start + size])
            start += size
        self._missing += max(0, start - end)
        self._partial = data[start:]
        if self._core is not None:
            self._spare_core(self._core)
        return count

    @property
    def _protocol(self) -> WebSocket:
        """The library's core; made when something comes that is not plain."""
        if self._core is None:
            self._core = WebSocket(SERVER, max_size=self._hub.limits.message_bytes or None)
            if self.deflates:
                self._core.extensions = ACCEPTED
        return self._core

    def _spare_core(self, core: WebSocket) -> None:
        """Let the core go while it has nothing to remember: it takes 1 KiB."""
        if core.state is State.OPEN and not self._missing and not self._parts:
            self._core = None

    def _may_be_plain(self, kind: int) -> bool:
        """Whether a frame that begins so may be a message now, and need not go to the core."""
        known = kind == BINARY or (kind == DEFLATED and self.deflates)
        return known and not self._parts and self._closing_at is None

    def _feed(self, data: bytes) -> int:
        """Have the core read the request or (a part of) a frame; returns how many it found."""
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        for event in events:
            if isinstance(event, Request):
                self._upgrade(event)
            elif self._closing_at is None:
                self._frame_received(event)
        self._flush()
        return len(events)

    def _throttle(self, messages: int, size: int) -> None:
        """Read nothing more while it has sent more than it may; TCP then holds the client back."""
        now = self._received_at
        debt = self._messages.charge(now, messages) if self._messages else 0.0
        if self._bytes:
            debt = max(debt, self._bytes.charge(now, size))
        if debt and self._closing_at is None:
            if self._paused_until is None:
                telemetry.throttled.inc()
            self.pause_reading()
            self._paused_until, self.due = now + debt, 0.0

    def eof_received(self) -> None:
        """The client will send no more."""
        self._protocol.receive_eof()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._closing_at = self._closing_at or self._hub.now()
        self.writable = False
        if self._channel is not None:
            self._channel.closed()
        self._hub.remove(self)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self.writable = False

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.writable = True
        if self._channel is not None and self._closing_at is None:
            self._channel.drained()

    # The way in.

    def _upgrade(self, request: Request) -> None:
        handshake = cast(ServerProtocol, self._protocol)
        response = handshake.accept(request)
        if response.status_code == 101:
            refusal = self._hub.admit(self, self._peer(), request.headers)
            path = _path(request)
            if refusal is not None:
                response = handshake.reject(refusal.http_status, f"{refusal}\n")
            elif not path.startswith(YWEBSOCKET_PATH) and path.rstrip("/") != HOCUSPOCUS_PATH:
                response = handshake.reject(
                    404, f"WebSockets are at {YWEBSOCKET_PATH}SESSION and {HOCUSPOCUS_PATH}\n"
                )
        handshake.send_response(response)
        if handshake.state is State.OPEN:
            self._flush()
            self._core = None
            self.deflates = bool(handshake.extensions)
            self._channel = self._open_channel(request)

    def _peer(self) -> str:
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def _open_channel(self, request: Request) -> Channel:
        path = _path(request)
        if not path.startswith(YWEBSOCKET_PATH):
            return HocuspocusChannel(self, self._hub.make_seat, self._hub.limits)
        name = SessionName(unquote(path.removeprefix(YWEBSOCKET_PATH)))
        token = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        return YWebsocketChannel(self, self._hub.make_seat, name, token)

    def _frame_received(self, event: object) -> None:
        assert isinstance(event, Frame)
        if event.opcode is Opcode.TEXT:
            self.close(1003, "Messages are binary.")
        elif event.opcode in (Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(event.data))
            if event.rsv1:
                self._deflated = True
            if event.fin:
                parts, self._parts = self._parts, []
                self._message_received(parts[0] if len(parts) == 1 else b"".join(parts))

    def _message_received(self, message: bytes) -> None:
        assert self._channel is not None
        self.due = 0.0
        try:
            if self._deflated:
                message = self._inflated(message)
            self._channel.received(message)
        except LyceumError as error:
            self.fail(error)
        except Exception:
            log.exception("message failed", bytes=len(message))
            self.fail(LyceumError())

    def _inflated(self, message: bytes) -> bytes:
        """What a compressed message says; that is what counts for the bytes a second."""
        self._deflated = False
        limit = self._hub.limits.message_bytes
        if len(message) < LARGE:
            said = inflated(message, limit)
        else:
            with telemetry.holding("inflate"):
                said = inflated(message, limit)
        if self._bytes:
            self._bytes.charge(self._received_at, len(said) - len(message))
        return said

    # The way out.

    def write(self, frames: bytes) -> None:
        """Send encoded frames, unless the socket is closing."""
        transport = self._transport
        if self._closing_at is None and transport is not None and not transport.is_closing():
            self._writing_at = self._hub.clock
            transport.write(frames)

    def fail(self, error: LyceumError) -> None:
        """Close for an error, and count it."""
        telemetry.refused.labels(type(error).__name__).inc()
        if isinstance(error, ProtocolError):
            log.info("bad message", code=error.close_code, why=str(error))
        self.close(error.close_code, str(error))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; the session is left at once, whatever the client does about it."""
        if self._closing_at is not None:
            return
        self.due = 0.0
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, _shortened(reason))
        self._flush()
        self._closing_at = self._hub.now()
        self._resume_reading()  # for the client's goodbye
        if self._channel is not None:
            self._channel.closed()

    def _flush(self) -> None:
        transport, core = self._transport, self._core
        if transport is None or core is None:
            return
        for data in core.data_to_send():
            if data == SEND_EOF:
                transport.close()
            elif not transport.is_closing():
                transport.write(data)
        if core.state is not State.OPEN and self._closing_at is None:
            self._closing_at, self.due = self._hub.now(), 0.0
            if self._channel is not None:
                self._channel.closed()

    # What the hub's clock calls.

    def check(self, now: float, unix_time: float) -> None:
        """Keep the socket alive, or end it if it is not."""
        transport = self._transport
        if transport is None:
            return
        if self._paused_until is not None and self._paused_until <= now:
            self._received_at = now  # it could not be heard
            self._resume_reading()
        if self._closing_at is not None:
            if now - self._closing_at > CLOSE_TIMEOUT:
                transport.abort()
        elif self._paused_until is None and now - self._received_at > SILENT:
            transport.abort()
        elif self._channel is not None and not transport.is_closing():
            self._keep_alive(now, self._channel)
            try:
                channel_due = self._channel.check(now, unix_time)
            except LyceumError as error:
                self.fail(error)
            else:
                self.due = min(
                    channel_due,
                    self._received_at + SILENT if self._paused_until is None else now,
                    max(self._pinged_at, self._received_at) + PING_EVERY,
                    self._writing_at + KEEP_ALIVE_AFTER,
                )

    def _keep_alive(self, now: float, channel: Channel) -> None:
        assert self._transport is not None
        if not self.writable:
            return
        if now - max(self._pinged_at, self._received_at) > PING_EVERY:
            self._pinged_at = now
            self._transport.write(PING)
        if now - self._writing_at > KEEP_ALIVE_AFTER and (message := channel.keep_alive()):
            self.write(framed(message))

    def pause_reading(self) -> None:
        """Take nothing more in; what was received is still answered."""
        self._paused_until = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._paused_until = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def outbox_bytes(self) -> int:
        """What waits in the socket's buffer."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End it without a word."""
        if self._transport is not None:
            self._transport.abort()


def _bucket(rate: int) -> TokenBucket | None:
    return TokenBucket(rate, rate * BURST_SECONDS) if rate else None


def _path(request: Request) -> str:
    return urlsplit(request.path).path


def _shortened(reason: str) -> str:
    return reason.encode()[:MAX_REASON].decode(errors="ignore")
