"""What a proxy does to one connection at one byte of its traffic; made by the proxy's methods."""

import asyncio
from typing import Protocol

READY = b"Z\x00\x00\x00\x05I"  # Postgres: ReadyForQuery, outside a transaction
LONGEST_PATTERN = 1024


class Link(Protocol):
    """One connection through a proxy."""

    def cut(self) -> None:
        """End it now; what was not sent yet is lost."""

    def end(self) -> None:
        """End it; the client gets what was sent."""

    async def to_client(self, piece: bytes) -> None:
        """Send the client something."""


class Trap:
    """Something to be done to one connection at one byte of its traffic."""

    def __init__(self) -> None:
        self._sprung = asyncio.Event()
        self._released = asyncio.Event()
        self._link: Link | None = None

    @property
    def is_sprung(self) -> bool:
        """Whether it has happened."""
        return self._sprung.is_set()

    async def sprung(self, timeout: float = 15.0) -> None:
        """Return when it has happened."""
        async with asyncio.timeout(timeout):
            await self._sprung.wait()

    def release(self) -> None:
        """Let go what is held."""
        self._released.set()

    def cut(self) -> None:
        """End the connection that was caught, with what is held."""
        assert self._link is not None
        self._link.cut()

    def _spring(self, link: Link) -> None:
        self._link = link
        self._sprung.set()

    def on_request(self, link: Link, before: bytes, piece: bytes) -> None:
        """A piece that the client sent is about to pass; `before` went ahead of it."""

    async def on_answer(self, link: Link, piece: bytes) -> bytes:
        """What may pass of the server's bytes."""
        return piece


class RequestTrap(Trap):
    """Cuts before the whole pattern has reached the server."""

    def __init__(self, pattern: bytes) -> None:
        super().__init__()
        assert 0 < len(pattern) <= LONGEST_PATTERN
        self._pattern = pattern

    def on_request(self, link: Link, before: bytes, piece: bytes) -> None:
        if not self.is_sprung and passes(self._pattern, before, piece):
            self._spring(link)
            link.cut()


class AnswerTrap(Trap):
    """Holds the answer to a request; cuts when it is complete if that is wanted."""

    def __init__(self, pattern: bytes, until: bytes, lose: bool) -> None:
        super().__init__()
        assert 0 < len(pattern) <= LONGEST_PATTERN
        self._pattern = pattern
        self._until = until
        self._lose = lose
        self._held = b""

    def on_request(self, link: Link, before: bytes, piece: bytes) -> None:
        if self._link is None and passes(self._pattern, before, piece):
            self._link = link

    async def on_answer(self, link: Link, piece: bytes) -> bytes:
        if self._link is not link or self._released.is_set():
            return piece
        self._held += piece
        if self._until not in self._held:
            return b""
        self._spring(link)
        if self._lose:
            link.cut()
            return b""
        await self._released.wait()
        return self._held


class CountingTrap(Trap):
    """Cuts after so many more bytes of the server's."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    async def on_answer(self, link: Link, piece: bytes) -> bytes:
        if self._link not in (None, link) or self.is_sprung:
            return piece
        self._link = link
        passing, self._left = piece[: self._left], self._left - len(piece)
        if self._left <= 0:
            await link.to_client(passing)
            self._spring(link)
            link.end()
            return b""
        return passing


def passes(pattern: bytes, before: bytes, piece: bytes) -> bool:
    """Whether the pattern ends in this piece; it may have begun before."""
    overlap = before[-(len(pattern) - 1) :] if len(pattern) > 1 else b""
    return pattern in overlap + piece
