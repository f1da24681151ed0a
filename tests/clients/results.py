"""What the driver hands to tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fresh:
    """What a newcomer was given."""

    text: str
    state_vector: dict[int, int]
    digest: str
    pending: bool  # updates that wait for others which never came


@dataclass(frozen=True)
class Close:
    """How a socket ended; 1006 is one that was cut, 1005 a close frame without a code."""

    code: int
    reason: str


@dataclass(frozen=True)
class Lines:
    """Numbered lines that a client typed, in order, without their line ends."""

    sent: list[str]
    acked: list[str]  # those that the server said are saved; empty for y-websocket
    refused: list[str]


@dataclass(frozen=True)
class Frame:
    """One WebSocket message."""

    at: int  # milliseconds since the client was opened
    direction: str  # "in" or "out"
    size: int
    data: bytes  # at most its first 2,000,000
