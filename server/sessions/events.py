"""The port through which sessions tell the rest of the world what happens in them."""

from collections.abc import Iterable
from typing import Protocol

from server.ids import SessionName
from server.protocol.messages import ChatMessage
from server.sessions.participant import Author, Participant


class Events(Protocol):
    """Whoever wants to know. Its methods return at once; `changed` is called at every tick."""

    def opened(self, session: SessionName, participant: Participant) -> None:
        """Somebody came into a session that was not in memory, or only to be looked at."""

    def changed(self, session: SessionName, authors: Iterable[Author]) -> None:
        """A session's document was edited."""

    def chat(self, session: SessionName, message: ChatMessage) -> None:
        """A chat message was committed; more than once, if that was uncertain."""

    def closed(self, session: SessionName) -> None:
        """A session that was `opened` was let go from memory, after everybody left."""


class Unheard:
    """Nobody wants to know."""

    def opened(self, session: SessionName, participant: Participant) -> None:
        """Nothing."""

    def changed(self, session: SessionName, authors: Iterable[Author]) -> None:
        """Nothing."""

    def chat(self, session: SessionName, message: ChatMessage) -> None:
        """Nothing."""

    def closed(self, session: SessionName) -> None:
        """Nothing."""


UNHEARD = Unheard()
