"""Sockets as a session sees them, with websockets' own client at the other end."""

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import CLIENT
from websockets.protocol import Protocol as WebSocket

from server.domain.identity import Identity
from server.domain.roles import Role
from server.protocol import hocuspocus, ywebsocket
from server.sessions.participant import Dialect, Participant


class Peer:
    """A socket whose frames are read by websockets' own client."""

    waiting_bytes = 0

    def __init__(self, deflates: bool = True) -> None:
        self.deflates = deflates
        self.writable = True
        self.written = 0
        self.messages: list[bytes] = []
        self._client = WebSocket(CLIENT, max_size=None)
        self._client.extensions = [PerMessageDeflate(True, True, 15, 15)] if deflates else []

    def write(self, frames: bytes) -> None:
        """The server sends."""
        self.written += len(frames)
        self._client.receive_data(frames)
        assert self._client.parser_exc is None
        for event in self._client.events_received():
            assert isinstance(event, Frame)
            self.messages.append(bytes(event.data))

    def close(self, code: int, reason: str) -> None:
        """The server closes it."""
        raise AssertionError(reason)


def participant(peer: Peer, address: str = "") -> Participant:
    """Somebody behind a socket; without an address in y-websocket's dialect."""
    dialect: Dialect = hocuspocus.Dialect(address) if address else ywebsocket.DIALECT
    return Participant(peer, dialect, Identity(Role.EDITOR))
