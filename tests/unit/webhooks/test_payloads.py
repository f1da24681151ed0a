"""What receivers get: the envelope of the scheme, and nothing that the database can't hold."""

import json
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from server.domain.identity import Identity
from server.ids import SessionName
from server.protocol.messages import ChatMessage
from server.webhooks.payloads import Chat, Event, Opened, Person, make_test

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LESSON = SessionName("lesson")
SAID = ChatMessage(
    seq=3,
    revision=4,
    client_message_id="m1",
    user="ann",
    name="Ann",
    body="hello @bob",
    reply_to=None,
    mentions=("bob",),
    sent_at=NOW,
)


class Somebody:
    """A participant, as far as events are concerned."""

    def __init__(self, user: str | None, name: str | None) -> None:
        self.id = UUID(int=7)
        self.identity = Identity(user=user, name=name)


def test_the_envelope() -> None:
    """Type, time and data."""
    data = Opened(LESSON, Person.of(Somebody("ann", "Ann")))
    event = Event("session.opened", NOW, data, (1,))
    assert json.loads(event.payload) == {
        "type": "session.opened",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {
            "session": "lesson",
            "participant": {"id": str(UUID(int=7)), "user": "ann", "name": "Ann"},
        },
    }


def test_a_guest_has_no_user() -> None:
    """Nor a name."""
    assert Person.of(Somebody(None, None)) == Person(UUID(int=7), None, None)


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, "new"),
        ({"edited_at": NOW}, "edited"),
        ({"edited_at": NOW, "deleted_at": NOW, "body": ""}, "deleted"),
    ],
)
def test_what_happened_to_a_chat_message(changes: dict[str, object], action: str) -> None:
    """It is new, edited or deleted; whom it mentions is there too."""
    message = msgspec.structs.replace(SAID, **changes)
    chat = Chat.of(LESSON, message)
    assert (chat.action, chat.message) == (action, message)


@pytest.mark.parametrize("bad", ["\0", "\ud800"])
def test_text_that_the_database_can_not_hold_is_mended(bad: str) -> None:
    """Tokens and messages may have it; nothing of it is in the payload."""
    text = f"x{bad}y"
    message = msgspec.structs.replace(
        SAID, user=text, name=text, body=text, client_message_id=text, mentions=(text,)
    )
    for data in (Chat.of(LESSON, message), Opened(LESSON, Person.of(Somebody(text, text)))):
        payload = Event("chat.message", NOW, data, (1,)).payload
        assert "\\u0000" not in payload
        assert "x" in payload


def test_the_size_grows_with_what_is_said() -> None:
    """In bytes."""
    short, long = (
        Event("chat.message", NOW, Chat.of(LESSON, msgspec.structs.replace(SAID, body=body)), ())
        for body in ("", "é" * 1000)
    )
    assert long.size - short.size == 2000


def test_a_test() -> None:
    """It names the webhook."""
    assert json.loads(make_test(UUID(int=1), NOW)) == {
        "type": "webhook.test",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {"webhook": str(UUID(int=1))},
    }
