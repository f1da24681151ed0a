"""HTTP connections: a request has to come whole in time, and its head may not grow without end.

uvicorn waits for ever for the rest of a request, and takes any number of headers; whoever sends a
byte now and then (slowloris) would keep as many connections as there are file descriptors.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import telemetry

HEAD_BYTES = 64 * 2**10  # of the request line and all headers
CHECK_EVERY = 1.0  # seconds
LATE = b"408 Request Timeout"
LARGE = b"431 Request Header Fields Too Large"


class Door:
    """All HTTP connections that owe the rest of a request.

    seconds: within which a request has to come, 0 for no bound.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Guarded, float] = {}  # since when; the oldest first

    def connect(self, *args: Any, **kwargs: Any) -> "Guarded":
        """A protocol for a new connection; uvicorn's `http` class."""
        return Guarded(self, *args, **kwargs)

    def begins(self, connection: "Guarded") -> None:
        """A request is due, or has begun."""
        self._waiting.pop(connection, None)  # it goes to the end
        self._waiting[connection] = asyncio.get_running_loop().time()

    def ends(self, connection: "Guarded") -> None:
        """It came whole, or never will."""
        self._waiting.pop(connection, None)

    async def run(self) -> None:
        """Close what is late, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if self._seconds:
                self._close_late(asyncio.get_running_loop().time() - self._seconds)

    def _close_late(self, since: float) -> None:
        for connection, began in list(self._waiting.items()):
            if began > since:
                return
            connection.refuse(LATE)


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol, told to the door."""

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._door = door
        self._head: int | None = 0  # bytes of it so far; None once it is there

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there, and owes a request."""
        super().connection_made(transport)
        self._door.begins(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._door.ends(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or several of them."""
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > HEAD_BYTES:
            self.refuse(LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._door.begins(self)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is there."""
        self._head = 0  # of the next one
        self._door.ends(self)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The socket is no more ours."""
        self._door.ends(self)
        super().handle_websocket_upgrade()

    def refuse(self, status: bytes) -> None:
        """Answer, unless an answer is under way, and close."""
        self._door.ends(self)
        if self.transport.is_closing():
            return
        telemetry.refused.labels(status[4:].decode()).inc()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
        self.transport.close()
