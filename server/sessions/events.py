"""The port through which sessions tell the rest of the server what happens in them."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from server.domain.details import Details, RoleOrNone
from server.domain.identity import Identity
from server.protocol.messages import ChatMessage, RunReport
from server.sessions.counting import Edits
from server.sessions.participant import Author, Participant


class Someone(Protocol):
    """Who did something: a participant, or somebody over REST."""

    @property
    def id(self) -> UUID:
        """This stay in the session."""

    @property
    def identity(self) -> Identity:
        """Who it is."""


class Events:
    """Hears everything and does nothing; listeners override what they want to know.

    Every method returns at once; `changed` is called at every tick.
    """

    def opened(self, session: Details, participant: Participant) -> None:
        """Somebody came into a session that was not in memory, or only to be looked at."""

    def closed(self, session: Details) -> None:
        """A session that was `opened` was let go from memory, after everybody left."""

    def joined(self, session: Details, participant: Participant) -> None:
        """Somebody takes part from now on."""

    def left(self, session: Details, participant: Participant) -> None:
        """Somebody who took part is gone."""

    def changed(self, session: Details, edits: Mapping[Author, Edits]) -> None:
        """A session's document was edited, by these authors."""

    def chat(self, session: Details, message: ChatMessage) -> None:
        """A chat message was committed; more than once, if that was uncertain."""

    def said(self, session: Details, someone: Someone) -> None:
        """A new chat message was committed; never told twice, and not if that was uncertain."""

    def ran(self, session: Details, someone: Someone, run: RunReport) -> None:
        """Somebody says that it ran the code."""

    def role_given(self, session: Details, user: str, role: RoleOrNone | None, by: Someone) -> None:
        """A user was given a role of its own in a session; None: it has it as everyone again."""


UNHEARD = Events()


class Everyone(Events):
    """Passes everything on to several listeners."""

    def __init__(self, *listeners: Events) -> None:
        self._listeners = listeners

    def opened(self, session: Details, participant: Participant) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.opened(session, participant)

    def closed(self, session: Details) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.closed(session)

    def joined(self, session: Details, participant: Participant) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.joined(session, participant)

    def left(self, session: Details, participant: Participant) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.left(session, participant)

    def changed(self, session: Details, edits: Mapping[Author, Edits]) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.changed(session, edits)

    def chat(self, session: Details, message: ChatMessage) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.chat(session, message)

    def said(self, session: Details, someone: Someone) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.said(session, someone)

    def ran(self, session: Details, someone: Someone, run: RunReport) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.ran(session, someone, run)

    def role_given(self, session: Details, user: str, role: RoleOrNone | None, by: Someone) -> None:
        """Tell all."""
        for listener in self._listeners:
            listener.role_given(session, user, role, by)
