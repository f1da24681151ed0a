"""Chat over REST, for those whose client has no way for it, and for programs."""

from typing import Annotated
from uuid import uuid4

from litestar import delete, get, patch, post
from litestar.params import Parameter
from msgspec import Meta, Struct, field

from server.domain.chat import MAX_ID, MAX_MENTIONS, MAX_USER
from server.domain.identity import Identity
from server.domain.roles import Role
from server.errors import BadRequest
from server.http.api.problems import problems
from server.http.api.services import Caller, Services, rate_key, until_saved
from server.ids import SessionName
from server.persistence import chat as stored
from server.protocol.messages import ChatDelete, ChatEdit, ChatMessage, ChatSend
from server.sessions.chat import Speaker

Seq = Annotated[int, Parameter(ge=1, le=2**53 - 1)]
Bound = Annotated[int, Parameter(ge=1, le=500, description="How many at most.", required=False)]
Revision = Annotated[
    int | None,
    Parameter(
        ge=0,
        le=2**53 - 1,
        schema_extra={"minimum": 0},  # the framework leaves out a bound of 0
        description="Messages that changed after this revision, in the order of changes.",
        required=False,
    ),
]
Before = Annotated[
    int | None,
    Parameter(
        ge=1,
        le=2**53 - 1,
        description="Messages before this seq, in the order of the chat.",
        required=False,
    ),
]
UserId = Annotated[str, Meta(min_length=1, max_length=MAX_USER)]
MessageId = Annotated[
    str, Meta(min_length=1, max_length=MAX_ID, description="Printable; chosen by the sender.")
]
Text = Annotated[str, Meta(min_length=1, description="At most LYCEUM_LIMIT_CHAT_CHARACTERS.")]
Mentions = Annotated[list[UserId], Meta(max_length=MAX_MENTIONS, description="User ids.")]


class MessageNew(Struct, frozen=True, forbid_unknown_fields=True):
    """A new message. client_message_id: sent twice under one id, it is stored once."""

    body: Text
    client_message_id: MessageId = field(default_factory=lambda: str(uuid4()))
    reply_to: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    mentions: Mentions = []
    name: str = ""


class MessageEdited(Struct, frozen=True, forbid_unknown_fields=True):
    """What a message is to say from now on."""

    body: Text
    mentions: Mentions = []


class ChatPage(Struct, frozen=True):
    """Messages, and whether there are more beyond them."""

    messages: list[ChatMessage]
    more: bool


def _speaker(identity: Identity, role: Role) -> Speaker:
    return Speaker(uuid4(), identity, role, rate_key(identity), set())


@get("/sessions/{name:str}/chat", summary="Read the chat", responses=problems())
async def read_chat(
    services: Services,
    caller: Caller,
    session_name: SessionName,
    since: Revision = None,
    before: Before = None,
    limit: Bound = 100,
) -> ChatPage:
    """The newest messages, those before a `seq`, or what changed since a `revision`."""
    if since is not None and before is not None:
        raise BadRequest("Ask by since or by before; they belong to different orders.")
    details, _, _ = await caller.details(session_name)
    async with services.database.acquire() as connection:
        if since is not None:
            page = await stored.since(connection, details.id, since, limit)
        else:
            page = await stored.before(connection, details.id, before, limit)
    return ChatPage(page.messages, page.more)


@post(
    "/sessions/{name:str}/chat",
    summary="Say something",
    responses=problems(409, 413, 429),
    status_code=201,
)
async def say(
    services: Services, caller: Caller, session_name: SessionName, data: MessageNew
) -> ChatMessage:
    """Answered once the message is saved; everybody present is told. Takes a commenter."""
    session, identity, role = await caller.session(session_name, Role.COMMENTER)
    speaker = _speaker(identity, role)
    mentions = tuple(data.mentions)
    command = ChatSend(data.client_message_id, data.body, data.reply_to, mentions, data.name)
    return await until_saved(services.chat.send(session, speaker, command))


@patch(
    "/sessions/{name:str}/chat/{seq:int}",
    summary="Edit a message",
    responses=problems(409, 413, 429),
)
async def edit_message(
    services: Services, caller: Caller, session_name: SessionName, seq: Seq, data: MessageEdited
) -> ChatMessage:
    """One's own; a teacher may edit anybody's."""
    session, identity, role = await caller.session(session_name, Role.COMMENTER)
    speaker = _speaker(identity, role)
    return await until_saved(
        services.chat.edit(session, speaker, ChatEdit(seq, data.body, tuple(data.mentions)))
    )


@delete(
    "/sessions/{name:str}/chat/{seq:int}",
    summary="Delete a message",
    responses=problems(409, 429),
)
async def delete_message(
    services: Services, caller: Caller, session_name: SessionName, seq: Seq
) -> None:
    """One's own; a teacher may delete anybody's. The body is gone for good, its place stays."""
    session, identity, role = await caller.session(session_name, Role.COMMENTER)
    speaker = _speaker(identity, role)
    await until_saved(services.chat.delete(session, speaker, ChatDelete(seq)))


HANDLERS = [read_chat, say, edit_message, delete_message]
