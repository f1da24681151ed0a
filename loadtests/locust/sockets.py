"""A WebSocket client for greenlets: gevent's sockets around websockets' sans-I/O core.

One read may bring many frames, which matters to the one who must not be the limit.
"""

import socket
from collections.abc import Iterator
from threading import Lock
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import SEND_EOF
from websockets.uri import parse_uri

READ = 64 * 2**10
TIMEOUT = 60.0  # seconds without a byte; the server pings more often


class Lost(Exception):
    """The socket is gone; the message says how."""


class WebSocket:
    """An open WebSocket. Raises Lost when it is none (any more)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._lock = Lock()  # two greenlets never write in the middle of each other's frames
        self._parts: list[bytes] = []
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        try:
            self._socket = socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT)
        except OSError as error:
            raise Lost(f"no connection: {error}") from None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._protocol.send_request(self._protocol.connect())
            self._flush()
            events: list[object] = []
            while not events:
                events = self._receive()
        except BaseException:
            self._socket.close()
            raise
        self._early = events[1:]  # frames that came with the handshake

    def send(self, message: bytes) -> None:
        """Send one binary message."""
        try:
            self._protocol.send_binary(message)
        except InvalidState:
            raise Lost(self._ending()) from None
        self._flush()

    def messages(self) -> Iterator[bytes]:
        """All messages until the socket is gone, which raises Lost."""
        events, self._early = self._early, []
        while True:
            for event in events:
                assert isinstance(event, Frame)
                if event.opcode in (Opcode.BINARY, Opcode.CONT):
                    self._parts.append(bytes(event.data))
                    if event.fin:
                        parts, self._parts = self._parts, []
                        yield b"".join(parts)
            events = self._receive()

    def close(self) -> None:
        """Say goodbye and go."""
        try:
            self._protocol.send_close(1000)
            self._flush()
        except (InvalidState, Lost):
            pass
        self._socket.close()

    def _receive(self) -> list[object]:
        try:
            data = self._socket.recv(READ)
        except OSError as error:
            raise Lost(f"{error}") from None
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()
        if isinstance(failure := self._protocol.handshake_exc, InvalidHandshake):
            raise Lost(f"no upgrade: {failure}")
        if not data or self._protocol.close_rcvd is not None:
            raise Lost(self._ending())
        return list(self._protocol.events_received())

    def _ending(self) -> str:
        close = self._protocol.close_rcvd
        return "cut off" if close is None else f"closed with {close.code} {close.reason}".rstrip()

    def _flush(self) -> None:
        with self._lock:
            for data in self._protocol.data_to_send():
                try:
                    if data == SEND_EOF:
                        self._socket.shutdown(socket.SHUT_WR)
                    else:
                        self._socket.sendall(data)
                except OSError as error:
                    raise Lost(f"{error}") from None
