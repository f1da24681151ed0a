"""What participants ask for in stateless messages: carried out, or refused with the reason."""

import asyncio
from uuid import UUID

import structlog

from server import telemetry
from server.errors import (
    BadRequest,
    Closed,
    Forbidden,
    LyceumError,
    NotFound,
    ProtocolError,
    TooFast,
    TooLong,
    Unavailable,
)
from server.persistence.database import PASSING
from server.protocol import messages
from server.protocol.messages import (
    ChatDelete,
    ChatEdit,
    ChatHistory,
    ChatMessage,
    ChatMessages,
    ChatRead,
    ChatSaved,
    ChatSend,
    Code,
    Refused,
    RunReport,
)
from server.sessions.chat import Chat, Speaker
from server.sessions.participant import Participant
from server.sessions.runs import Runs
from server.sessions.session import Session

log = structlog.get_logger()

CODES: tuple[tuple[type[LyceumError], Code], ...] = (  # the first that fits
    (TooLong, "too_long"),
    (BadRequest, "invalid"),
    (ProtocolError, "invalid"),
    (Closed, "closed"),
    (Forbidden, "forbidden"),
    (NotFound, "not_found"),
    (TooFast, "too_fast"),
    (LyceumError, "unavailable"),
)
RETRY_AFTER = 1.0  # seconds, for what is unavailable now
Said = ChatSend | ChatEdit | ChatDelete


class Commands:
    """Carries out the commands of participants."""

    def __init__(self, chat: Chat, runs: Runs) -> None:
        self._chat = chat
        self._runs = runs
        self._reading: dict[UUID, asyncio.Task[None]] = {}  # one at a time for each participant

    def received(self, session: Session, participant: Participant, payload: str) -> None:
        """Take in one stateless message."""
        try:
            command = messages.decode(payload)
        except ProtocolError as error:
            refuse(participant, "", error)
            return
        try:
            match command:
                case ChatSend() | ChatEdit() | ChatDelete():
                    self._say(session, participant, command)
                case ChatRead() | ChatHistory():
                    self._read(session, participant, command)
                case RunReport():
                    key = rate_key(participant)
                    self._runs.report(session.details, participant, key, command)
        except LyceumError as error:
            named = getattr(command, "client_message_id", "")
            refuse(participant, _tag(command), error, named)

    def _say(self, session: Session, participant: Participant, command: Said) -> None:
        speaker = speaker_of(participant)
        match command:
            case ChatSend():
                done = self._chat.send(session, speaker, command)
            case ChatEdit():
                done = self._chat.edit(session, speaker, command)
            case ChatDelete():
                done = self._chat.delete(session, speaker, command)

        def tell(done: "asyncio.Future[ChatMessage]") -> None:
            if done.cancelled():
                return
            error = done.exception()
            if isinstance(error, LyceumError):
                refuse(participant, _tag(command), error, command.client_message_id)
            elif error is None:
                message = done.result()
                saved = ChatSaved(command.client_message_id, message.seq, message.revision)
                participant.answer(messages.encode(saved))

        done.add_done_callback(tell)

    def _read(
        self, session: Session, participant: Participant, command: ChatRead | ChatHistory
    ) -> None:
        if participant.id in self._reading:
            raise TooFast("One page at a time: wait for the answer.", RETRY_AFTER)
        task = asyncio.create_task(self._answer(session, participant, command))
        self._reading[participant.id] = task

    async def _answer(
        self, session: Session, participant: Participant, command: ChatRead | ChatHistory
    ) -> None:
        try:
            if isinstance(command, ChatRead):
                page = await self._chat.since(session, command.since, command.limit)
            else:
                page = await self._chat.before(session, command.before, command.limit)
        except PASSING:
            refuse(participant, _tag(command), Unavailable("The chat can't be read now."))
            return
        finally:
            del self._reading[participant.id]  # before the answer: who has it may ask on
        newest = max((message.revision for message in page.messages), default=0)
        if isinstance(command, ChatRead):
            newest = max(newest, command.since)
        answer = ChatMessages(_tag(command), tuple(page.messages), newest, page.more)
        participant.answer(messages.encode(answer))


def speaker_of(participant: Participant) -> Speaker:
    """A participant as somebody who says something."""
    if participant.said is None:
        participant.said = set()
    return Speaker(
        participant.id,
        participant.identity,
        participant.role,
        rate_key(participant),
        participant.said,
    )


def rate_key(participant: Participant) -> object:
    """Whom what a participant does is counted to: a user, in all places, or a guest in this one."""
    return participant.identity.user or participant.id


def refuse(
    participant: Participant, request: str, error: LyceumError, client_message_id: str = ""
) -> None:
    """Tell a participant why a command of its was not carried out."""
    code = next(code for kind, code in CODES if isinstance(error, kind))
    telemetry.refused.labels(code.replace("_", " ")).inc()
    retry_after = RETRY_AFTER if isinstance(error, Unavailable) else None
    if isinstance(error, TooFast):
        retry_after = error.retry_after
    notice = Refused(request, code, str(error), client_message_id, retry_after)
    participant.answer(messages.encode(notice))


def _tag(command: object) -> str:
    return str(type(command).__struct_config__.tag)  # type: ignore[attr-defined]
