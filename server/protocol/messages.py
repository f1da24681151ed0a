"""The JSON that chat, runs and word about the session travel in: Hocuspocus stateless messages.

Every message is an object whose `type` says which of these it is. docs/messages.md shows them all.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from server.errors import ProtocolError

Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # as far as JavaScript counts
Seq = Annotated[int, Meta(ge=1, le=2**53 - 1)]


class ChatSend(Struct, frozen=True, tag="chat.send"):
    """A new chat message; sent twice under one id, it is stored once.

    client_message_id: chosen by the sender, 1 to 64 characters. reply_to: seq of another message.
    mentions: user ids. name: what others shall read whose token has none.
    """

    client_message_id: str
    body: str
    reply_to: Seq | None = None
    mentions: tuple[str, ...] = ()
    name: str = ""


class ChatEdit(Struct, frozen=True, tag="chat.edit"):
    """A new body for a message; seq says which."""

    seq: Seq
    body: str
    mentions: tuple[str, ...] = ()
    client_message_id: str = ""


class ChatDelete(Struct, frozen=True, tag="chat.delete"):
    """A message's body is to be gone; seq says which."""

    seq: Seq
    client_message_id: str = ""


class ChatRead(Struct, frozen=True, tag="chat.read"):
    """«What changed since this revision?»; 0 for all. Answered with ChatMessages, oldest first."""

    since: Natural = 0
    limit: Natural = 100


class ChatHistory(Struct, frozen=True, tag="chat.history"):
    """«What was said before this message?»; None for the newest. Answered with ChatMessages."""

    before: Seq | None = None
    limit: Natural = 100


class RunReport(Struct, frozen=True, tag="run.report"):
    """The participant ran the code in its own browser or elsewhere.

    seconds: how long that took.
    """

    outcome: Literal["passed", "failed", "error"]
    language: str = ""
    seconds: float | None = None


Command = ChatSend | ChatEdit | ChatDelete | ChatRead | ChatHistory | RunReport


class ChatMessage(Struct, frozen=True):
    """A chat message as everybody sees it.

    seq: 1, 2, 3, … in the order of the session, its id there. revision: rises over the session
    with every message, edit and deletion; the newest revision of a seq counts. user: None for a
    guest. body: empty once it was deleted.
    """

    seq: int
    revision: int
    client_message_id: str
    user: str | None
    name: str
    body: str
    reply_to: int | None
    mentions: tuple[str, ...]
    sent_at: datetime
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


class ChatSaid(Struct, frozen=True, tag="chat.message"):
    """A message is new, or was edited or deleted; sent to everyone present after COMMIT."""

    message: ChatMessage


class ChatSaved(Struct, frozen=True, tag="chat.saved"):
    """To its sender only: this command is committed."""

    client_message_id: str
    seq: int
    revision: int


class ChatMessages(Struct, frozen=True, tag="chat.messages"):
    """The answer to ChatRead and ChatHistory.

    request: the type of what this answers. revision: after ChatRead, to be asked with next time.
    more: there are others beyond these.
    """

    request: str
    messages: tuple[ChatMessage, ...]
    revision: int
    more: bool


class SessionState(Struct, frozen=True, tag="session.state"):
    """To each participant when it comes in and whenever this changes.

    reason: why the session is closed to writing, empty while it is not. chat_revision: of the
    newest chat message.
    """

    role: str
    status: str
    may_write: bool
    may_chat: bool
    reason: str
    title: str
    language: str
    chat_revision: int


class SessionFull(Struct, frozen=True, tag="session.full"):
    """The session has no place now; the client waits at the door and is let in when it has."""

    reason: str


Code = Literal["invalid", "forbidden", "closed", "too_long", "too_fast", "not_found", "unavailable"]


class Refused(Struct, frozen=True, tag="refused"):
    """A command was not carried out.

    request: its type, empty if that could not be read. code: for programs; reason: for people.
    retry_after: seconds after which it may go through, None if it never will as it is.
    """

    request: str
    code: Code
    reason: str
    client_message_id: str = ""
    retry_after: float | None = None


Notice = ChatSaid | ChatSaved | ChatMessages | SessionState | SessionFull | Refused

_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_encoder = msgspec.json.Encoder()


def decode(payload: str) -> Command:
    """The command in a stateless message; raises ProtocolError, saying what is wrong with it."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ProtocolError(f"This is no message that the server knows: {error}.") from None


def encode(notice: Notice) -> str:
    """A notice as the payload of a stateless message."""
    return _encoder.encode(notice).decode()
