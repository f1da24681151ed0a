"""What comes of an attempt to deliver, and who makes it."""

from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What came of an attempt. status: None if no answer came. error: empty if it was taken."""

    status: int | None
    error: str


class Calls(Protocol):
    """Calls receivers."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Make one attempt; what goes wrong is part of the answer."""
