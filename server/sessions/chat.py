"""Chat: group commit, then word to everybody present, in one order per session.

As with the journal there is no timer: while one batch is in Postgres the next one collects. A
batch that failed is sent again until its outcome is known; persistence/chat.py makes that safe.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog

from server import telemetry
from server.config import Limits
from server.domain.chat import checked_body, checked_id, checked_mentions, shown_name
from server.domain.identity import Identity
from server.domain.rates import Rates
from server.domain.roles import Role
from server.errors import Closed, Forbidden, LyceumError, Overloaded
from server.persistence import chat
from server.persistence.chat import Delete, Edit, Page, Send, Sender, Write, Written
from server.persistence.database import LASTING, PASSING, Database, describe
from server.persistence.types import Connection
from server.protocol.messages import ChatDelete, ChatEdit, ChatMessage, ChatSaid, ChatSend
from server.sessions.events import UNHEARD, Events
from server.sessions.session import Session

log = structlog.get_logger()

BATCH = 200
QUEUE = 10_000  # messages that wait to be saved; past it they are refused
QUEUE_CHARACTERS = 8 * 2**20  # the same for what they say
COMMIT_TIMEOUT = 10.0  # seconds: then the outcome is unknown
RETRY_FIRST, RETRY_LONGEST = 0.05, 2.0  # seconds between tries
MAX_PAGE = 500

T = TypeVar("T")


class Speaker(NamedTuple):
    """Somebody who says something, in a session or over REST.

    id: this stay in the session. key: whose rate this counts to. said: seqs that this guest has
    sent.
    """

    id: UUID
    identity: Identity
    role: Role
    key: object
    said: set[int]


class _Waiting(NamedTuple):
    """A write that is not saved yet, and whom to tell. size: in characters."""

    session: Session
    speaker: Speaker
    write: Write
    size: int
    done: "asyncio.Future[ChatMessage]"


class Chat:
    """The chat of all sessions of this server."""

    def __init__(self, database: Database, limits: Limits, events: Events = UNHEARD) -> None:
        self._database = database
        self._events = events
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._characters = 0  # of all that is not saved yet
        self._rates = Rates(limits.chat_messages_per_second, "messages")
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failing = False
        self._in_doubt = False  # whether the last commit was tried before, and may be done twice

    def send(
        self, session: Session, speaker: Speaker, command: ChatSend
    ) -> "asyncio.Future[ChatMessage]":
        """Say something; the future is done after COMMIT, with an error if it is refused there.

        Raises BadRequest, TooLong, TooFast, Forbidden, Closed, Overloaded.
        """
        self._check(session, speaker)
        name = shown_name(speaker.identity.name, command.name)
        write = Send(
            session.document_id,
            _sender(speaker, name),
            checked_id(command.client_message_id),
            checked_body(command.body, self._limits.chat_characters),
            command.reply_to,
            checked_mentions(command.mentions),
        )
        self._slow_down(speaker)
        return self._put(session, speaker, write)

    def edit(
        self, session: Session, speaker: Speaker, command: ChatEdit
    ) -> "asyncio.Future[ChatMessage]":
        """Change what a message says; as `send`."""
        self._check(session, speaker)
        write = Edit(
            session.document_id,
            _sender(speaker),
            command.seq,
            checked_body(command.body, self._limits.chat_characters),
            checked_mentions(command.mentions),
        )
        self._slow_down(speaker)
        return self._put(session, speaker, write)

    def delete(
        self, session: Session, speaker: Speaker, command: ChatDelete
    ) -> "asyncio.Future[ChatMessage]":
        """Take a message back; as `send`."""
        self._check(session, speaker)
        self._slow_down(speaker)
        write = Delete(session.document_id, _sender(speaker), command.seq)
        return self._put(session, speaker, write)

    async def since(self, session: Session, revision: int, limit: int) -> Page:
        """What changed after a revision, oldest first."""
        async with self._database.acquire() as connection:
            return await chat.since(
                connection, session.document_id, revision, min(max(limit, 1), MAX_PAGE)
            )

    async def before(self, session: Session, seq: int | None, limit: int) -> Page:
        """What was said in front of a message, oldest first; None: the newest."""
        async with self._database.acquire() as connection:
            return await chat.before(
                connection, session.document_id, seq, min(max(limit, 1), MAX_PAGE)
            )

    def _check(self, session: Session, speaker: Speaker) -> None:
        if not speaker.role.may_chat:
            raise Forbidden("You may read this chat, not write to it.")
        if session.closed:
            raise Closed(session.closed)
        if len(self._queue) >= QUEUE or self._characters >= QUEUE_CHARACTERS:
            raise Overloaded("Too much of the chat waits to be saved; try again.")

    def _slow_down(self, speaker: Speaker) -> None:
        self._rates.take(speaker.key, time.monotonic())

    def _put(
        self, session: Session, speaker: Speaker, write: Write
    ) -> "asyncio.Future[ChatMessage]":
        done: asyncio.Future[ChatMessage] = asyncio.get_running_loop().create_future()
        size = 0 if isinstance(write, Delete) else len(write.body) + sum(map(len, write.mentions))
        self._queue.append(_Waiting(session, speaker, write, size, done))
        self._characters += size
        session.chat_waiting += 1
        telemetry.chat_waiting.inc()
        self._idle.clear()
        self._wanted.set()
        return done

    async def drain(self) -> None:
        """Return once all that was said is saved."""
        await self._idle.wait()

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._wanted.wait()
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            await self._commit(batch)
            if not self._queue:
                self._wanted.clear()
                self._idle.set()

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            results = await self._commit_surely([waiting.write for waiting in batch])
        except LASTING as error:
            if len(batch) > 1:  # one of them is not accepted: find it, and save the others
                for waiting in batch:
                    await self._commit([waiting])
                return
            log.error("chat can't be saved", why=describe(error))
            results = [LyceumError("The message could not be saved.")]
        sessions = {waiting.session: None for waiting in batch}
        for session in sessions:
            mine = [
                result.message
                for waiting, result in zip(batch, results, strict=True)
                if waiting.session is session and isinstance(result, Written)
            ]
            await self._tell(session, mine)
        for waiting, result in zip(batch, results, strict=True):
            self._finish(waiting, result)

    async def _commit_surely(self, writes: list[Write]) -> list[Written | LyceumError]:
        async def commit(connection: Connection) -> list[Written | LyceumError]:
            started = time.perf_counter()
            results = await chat.commit(connection, writes)
            telemetry.chat_commit_seconds.observe(time.perf_counter() - started)
            return results

        self._in_doubt = False
        return await self._surely(commit)

    async def _surely(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do this however often it has to be tried; raises one of LASTING if it never will be."""
        pause = RETRY_FIRST
        while True:
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT), self._database.acquire() as connection:
                    result = await work(connection)
            except LASTING:
                raise
            except PASSING as error:
                self._in_doubt = True
                telemetry.chat_failures.inc()
                if not self._failing:
                    log.warning("saving chat fails; it is tried again", why=describe(error))
                self._failing = True
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, RETRY_LONGEST)
            else:
                if self._failing:
                    log.info("saving chat works again")
                self._failing = False
                return result

    async def _tell(self, session: Session, messages: list[ChatMessage]) -> None:
        """Tell everybody what is new, in the order of revisions and each once.

        If revisions are missing between what was told and these, others wrote them (another
        server, or a commit of ours whose outcome was unknown): they are read.
        """
        told = session.chat_revision
        news = {message.revision: message for message in messages if message.revision > told}
        if session.is_empty:
            session.chat_revision = max(news, default=told)  # who comes in reads by itself
        elif sorted(news) == list(range(told + 1, told + 1 + len(news))):
            _spread(session, [news[revision] for revision in sorted(news)])
        else:
            await self._tell_missed(session)

    async def _tell_missed(self, session: Session) -> None:
        def read(connection: Connection) -> Awaitable[Page]:
            return chat.since(connection, session.document_id, session.chat_revision, MAX_PAGE)

        more = True
        while more:
            page = await self._surely(read)
            _spread(session, page.messages)
            more = page.more

    def _finish(self, waiting: _Waiting, result: Written | LyceumError) -> None:
        waiting.session.chat_waiting -= 1
        self._characters -= waiting.size
        telemetry.chat_waiting.dec()
        if isinstance(result, Written) and (result.fresh or self._in_doubt):
            self._events.chat(waiting.session.details, result.message)
        if isinstance(result, Written) and result.fresh:
            telemetry.chat_messages.inc()
            if isinstance(waiting.write, Send):
                self._note_new(waiting, result.message)
        if waiting.done.cancelled():
            return
        if isinstance(result, LyceumError):
            waiting.done.set_exception(result)
        else:
            waiting.done.set_result(result.message)

    def _note_new(self, waiting: _Waiting, message: ChatMessage) -> None:
        """A message is there that was not: one found there is nobody's, as ids are no secret."""
        if waiting.speaker.identity.user is None:
            waiting.speaker.said.add(message.seq)
        self._events.said(waiting.session.details, waiting.speaker)


def _sender(speaker: Speaker, name: str = "") -> Sender:
    moderates = speaker.role >= Role.TEACHER
    return Sender(speaker.identity.user, name, frozenset(speaker.said), moderates)


def _spread(session: Session, messages: list[ChatMessage]) -> None:
    for message in messages:
        session.chat_revision = message.revision
        session.notify(ChatSaid(message))
