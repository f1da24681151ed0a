"""The client's side of WebSocket, as little of it as a load generator needs (RFC 6455)."""

import base64
import os

from websockets.frames import apply_mask

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
MASK = b"\x5a\xa5\xd3\x2c"  # any but zero: some servers skip the work for that


class Refused(ConnectionError):
    """The server did not take the upgrade."""


def upgrade(host: str, port: int, path: str) -> bytes:
    """A request for a WebSocket, without compression."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """A whole message in one masked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + MASK + apply_mask(payload, MASK)


def frame_end(data: bytes, start: int) -> tuple[int, int]:
    """Where the payload of the frame at `start` begins and ends; (0, 0) if its head is cut."""
    available = len(data) - start
    if available < 2:
        return 0, 0
    size = data[start + 1]
    if size < 126:
        return start + 2, start + 2 + size
    if size == 126:
        if available < 4:
            return 0, 0
        return start + 4, start + 4 + (data[start + 2] << 8 | data[start + 3])
    if available < 10:
        return 0, 0
    return start + 10, start + 10 + int.from_bytes(data[start + 2 : start + 10], "big")
