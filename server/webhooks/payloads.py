"""What receivers are sent, as docs/webhooks.md shows it. Never a document's content."""

from datetime import datetime
from typing import Literal, Protocol, TypeVar
from uuid import UUID, uuid4, uuid5

import msgspec
from msgspec import Struct

from server.domain.identity import Identity
from server.domain.webhooks import TEST, EventType
from server.ids import SessionName
from server.protocol.messages import ChatMessage

MOST_NAMED = 100  # participants in one event
CHATS = UUID("0b2a7a52-6d0e-4f5c-9a35-3f6b1f6a1c0e")  # the space of ids of chat's events
ROUGHLY = 200  # bytes of an event beside what is counted
T = TypeVar("T", str, str | None)


class Someone(Protocol):
    """Who did something in a session: a participant, or a visitor over REST."""

    @property
    def id(self) -> UUID:
        """Of this place in the session."""

    @property
    def identity(self) -> Identity:
        """Who it is."""


class Person(Struct, frozen=True):
    """Somebody in a session. id: of the place there; user, name: None for a guest."""

    id: UUID
    user: str | None
    name: str | None

    @classmethod
    def of(cls, someone: Someone) -> "Person":
        """Somebody, as others may know them."""
        identity = someone.identity
        return cls(someone.id, _clean(identity.user), _clean(identity.name))


class Opened(Struct, frozen=True):
    """Data of session.opened: somebody came into a session that nobody was in."""

    session: SessionName
    participant: Person


class Changed(Struct, frozen=True):
    """Data of session.changed: the document was edited between these times, by these people."""

    session: SessionName
    since: datetime
    until: datetime
    participants: tuple[Person, ...]

    def joined(self, later: "Changed") -> "Changed":
        """This change and a later one as one."""
        people = {person.id: person for person in (*self.participants, *later.participants)}
        return Changed(self.session, self.since, later.until, tuple(people.values())[:MOST_NAMED])


class Closed(Struct, frozen=True):
    """Data of session.closed: everybody has left, and a while has passed."""

    session: SessionName


class Chat(Struct, frozen=True):
    """Data of chat.message."""

    session: SessionName
    action: Literal["new", "edited", "deleted"]
    message: ChatMessage

    @classmethod
    def of(cls, session: SessionName, message: ChatMessage) -> "Chat":
        """What happened to a message."""
        action: Literal["new", "edited", "deleted"] = "new"
        if message.deleted_at is not None:
            action = "deleted"
        elif message.edited_at is not None:
            action = "edited"
        cleaned = msgspec.structs.replace(
            message,
            user=_clean(message.user),
            name=_clean(message.name),
            body=_clean(message.body),
            client_message_id=_clean(message.client_message_id),
            mentions=tuple(map(_clean, message.mentions)),
        )
        return cls(session, action, cleaned)

    @property
    def id(self) -> UUID:
        """The same for the same revision of the same message, whoever is told of it how often."""
        message = self.message
        moment = message.sent_at.isoformat()
        return uuid5(CHATS, f"{self.session}\n{message.seq}\n{message.revision}\n{moment}")


class Tested(Struct, frozen=True):
    """Data of webhook.test."""

    webhook: UUID


Data = Opened | Changed | Closed | Chat


class Event(Struct):
    """Something that happened, on its way to these webhooks (the database's keys)."""

    type: EventType
    at: datetime
    data: Data
    hooks: tuple[int, ...]
    id: UUID = msgspec.field(default_factory=uuid4)

    @property
    def size(self) -> int:
        """About the bytes that it holds."""
        if isinstance(self.data, Chat):
            return ROUGHLY + len(self.data.message.body.encode())
        people = len(self.data.participants) if isinstance(self.data, Changed) else 1
        return ROUGHLY * (1 + people)

    @property
    def payload(self) -> str:
        """The JSON that is sent."""
        return _envelope(self.type, self.at, self.data)


def make_test(webhook: UUID, at: datetime) -> str:
    """The JSON of a test."""
    return _envelope(TEST, at, Tested(webhook))


def _envelope(type: str, at: datetime, data: object) -> str:
    return msgspec.json.encode({"type": type, "timestamp": at, "data": data}).decode()


def _clean(text: T) -> T:
    """Text without what jsonb can't hold: NUL, and halves of surrogate pairs."""
    if text is None:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
