"""A participant's place in a session, from the first message to the last.

A seat waits for the client's token, then enters (the session may have to be read from the
database first), then is live. What the client sends before that is kept, up to a bound.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

import structlog

from server import telemetry
from server.domain.identity import Identity
from server.errors import LyceumError, MessageTooBig, SessionFull, TokenEarly, Unavailable
from server.ids import SessionName
from server.protocol import messages, yjs
from server.protocol.hocuspocus import Stateless
from server.sessions.access import Access
from server.sessions.participant import Dialect, Participant, Socket
from server.sessions.registry import Registry
from server.sessions.session import Session

log = structlog.get_logger()

DOOR_EVERY = 1.0  # seconds between two looks for a place in a full session
REFUSAL_PAUSE = 1.0  # seconds; Hocuspocus 2 comes back at once and without end otherwise
LARGE = 64 * 2**10  # bytes of a message that may hold the event loop for long

Commands = Callable[[Session, Participant, str], None]


class State(Enum):
    """How far a seat is."""

    WAITING = auto()
    ENTERING = auto()
    LIVE = auto()
    CLOSED = auto()


class Seat:
    """One client's way into one session.

    waiting_bytes: what the socket may send for all its seats before they are live. commands: takes
    its stateless messages. entered: called when it is live. refused: called with the reason when
    it may not enter. sends_token: whether its client does, be it an empty one.
    """

    __slots__ = (
        "_access",
        "_asked",
        "_commands",
        "_dialect",
        "_entered",
        "_kept",
        "_kept_bytes",
        "_name",
        "_participant",
        "_refused",
        "_registry",
        "_session",
        "_socket",
        "_task",
        "_waiting_bytes",
        "sends_token",
        "since",
        "state",
    )

    def __init__(
        self,
        registry: Registry,
        access: Access,
        socket: Socket,
        dialect: Dialect,
        name: SessionName,
        waiting_bytes: int,
        commands: Commands,
        entered: "Callable[[Seat, Session, Participant], None]",
        refused: "Callable[[Seat, LyceumError], None]",
    ) -> None:
        self._registry = registry
        self._access = access
        self._socket = socket
        self._dialect = dialect
        self._name = name
        self._waiting_bytes = waiting_bytes
        self._commands = commands
        self._entered = entered
        self._refused = refused
        self._kept: list[yjs.Message | Stateless] = []
        self._kept_bytes = 0
        self._asked = False  # for a fresh token
        self._participant: Participant | None = None
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self.state = State.WAITING
        self.sends_token = False
        self.since = asyncio.get_running_loop().time()

    def authenticate(self, token: str) -> None:
        """Enter with a token; on a live seat, go on with a fresh one.

        Raises Unauthorized, Forbidden or TokenEarly if a live seat's fresh token is no good.
        """
        match self.state:
            case State.WAITING:
                self.state = State.ENTERING
                self._task = asyncio.create_task(self._enter(token))
            case State.LIVE:
                assert self._session is not None
                assert self._participant is not None
                identity = self._access.identify(token, self._name)
                if identity.expires_at != self._participant.identity.expires_at:
                    self._asked = False
                self._session.renew(self._participant, identity)
            case _:
                pass

    async def _enter(self, token: str) -> None:
        try:
            identity = await self._identify(token)
            participant = Participant(self._socket, self._dialect, identity)
            session = await self._join(participant)
        except Unavailable as error:
            if self._dialect.shares_socket:
                await asyncio.sleep(REFUSAL_PAUSE)
            self._refuse(error)
        except LyceumError as error:
            self._refuse(error)
        except Exception:
            log.exception("join failed", session=self._name)
            self._refuse(LyceumError())
        else:
            self._session, self._participant = session, participant
            self._task = None
            try:
                self._access.confirm(identity)  # it may have waited long at the door
            except LyceumError as error:
                session.leave(participant)
                self._refuse(error)
                return
            self.state = State.LIVE
            self._entered(self, session, participant)
            self._replay()

    async def _identify(self, token: str) -> Identity:
        """Who it is; while its token is early, it waits unless its own socket can be closed."""
        while True:
            try:
                return self._access.identify(token, self._name)
            except TokenEarly:
                if not self._dialect.shares_socket:
                    raise
            await asyncio.sleep(DOOR_EVERY)

    async def _join(self, participant: Participant) -> Session:
        """Join; who can be told that the session is full waits at the door."""
        told = False
        while True:
            try:
                return await self._registry.join(self._name, participant)
            except SessionFull as error:
                notice = messages.SessionFull(str(error))
                payload = self._dialect.stateless(messages.encode(notice))
                if not payload:
                    raise
                if not told:
                    participant.send(payload)
                    told = True
            await asyncio.sleep(DOOR_EVERY)

    def _refuse(self, error: LyceumError) -> None:
        telemetry.refused.labels(type(error).__name__).inc()
        self.state = State.CLOSED
        self._take_kept()
        self._refused(self, error)

    def _replay(self) -> None:
        for message in self._take_kept():
            if self.state is not State.LIVE:
                return
            try:
                self.handle(message, 0)
            except LyceumError as error:
                self._socket.close(error.close_code, str(error))
                return

    def handle(self, message: yjs.Message | Stateless, size: int) -> None:
        """Take in a message of `size` bytes; raises LyceumError if that costs the socket."""
        if self.state is State.LIVE:
            assert self._session is not None
            assert self._participant is not None
            if isinstance(message, Stateless):
                self._commands(self._session, self._participant, message.payload)
            elif size < LARGE:
                self._session.handle(self._participant, message)
            else:
                with telemetry.holding("receive", session=self._session.name, bytes=size):
                    self._session.handle(self._participant, message)
        elif self.state is not State.CLOSED:
            socket, bound = self._socket, self._waiting_bytes
            if bound and socket.waiting_bytes + size > bound:
                raise MessageTooBig(f"More than {bound} bytes came before the session was open.")
            socket.waiting_bytes += size
            self._kept_bytes += size
            self._kept.append(message)

    def _take_kept(self) -> list[yjs.Message | Stateless]:
        kept, self._kept = self._kept, []
        self._socket.waiting_bytes -= self._kept_bytes
        self._kept_bytes = 0
        return kept

    @property
    def identity(self) -> Identity | None:
        """Who a live participant is."""
        return self._participant.identity if self._participant else None

    def ask_for_token(self) -> None:
        """Ask once for a token that lasts longer, if the client's dialect has a word for it."""
        participant = self._participant
        if participant is not None and participant.socket.writable and not self._asked:
            self._asked = True
            participant.send(self._dialect.ask_for_token())

    def drained(self) -> None:
        """The socket takes more again."""
        if self._session is not None and self._participant is not None:
            self._session.drained(self._participant)

    def leave(self) -> None:
        """The client is gone."""
        self.state = State.CLOSED
        self._take_kept()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._session is not None and self._participant is not None:
            self._session.leave(self._participant)
            # A socket and its seats refer to each other and so stay for a while: not the document.
            self._session = self._participant = None
