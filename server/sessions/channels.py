"""What a socket carries: one session in y-websocket's dialect, or many in Hocuspocus's."""

import asyncio
from collections.abc import Callable, Iterator
from math import inf
from typing import Protocol

from server.config import Limits
from server.errors import (
    Forbidden,
    LyceumError,
    Overloaded,
    TokenExpired,
    Unauthorized,
    Unavailable,
)
from server.ids import SessionName
from server.protocol import hocuspocus, yjs, ywebsocket
from server.protocol.frames import framed
from server.protocol.lib0 import whole_varbuf
from server.sessions.participant import Dialect, Participant, Socket
from server.sessions.seat import Seat, State
from server.sessions.session import Session

NOBODY = yjs.awareness(())  # every client takes it and does nothing about it
ASK_AHEAD = 30.0  # seconds before a token expires, when a fresh one is asked for

SeatMaker = Callable[
    [
        Socket,
        Dialect,
        SessionName,
        Callable[[Seat, Session, Participant], None],
        Callable[[Seat, LyceumError], None],
    ],
    Seat,
]


class TokenTimeout(LyceumError):
    """No token came in time."""

    close_code = 4408


class Channel(Protocol):
    """The dialect's side of a socket."""

    def keep_alive(self) -> bytes:
        """A message without meaning for a client that has heard nothing for long; may be empty."""

    def received(self, message: bytes) -> None:
        """Take in one WebSocket message; raises LyceumError if that costs the socket."""

    def drained(self) -> None:
        """The socket takes more again."""

    def check(self, now: float, unix_time: float) -> float:
        """Raise LyceumError if the socket may not stay; returns when to ask again.

        now: seconds of the event loop's clock, as is what is returned.
        """

    def closed(self) -> None:
        """The socket is gone."""


class YWebsocketChannel:
    """One session, named by the socket's path; its token came with the upgrade."""

    __slots__ = ("_seat", "_socket")

    def __init__(self, socket: Socket, make_seat: SeatMaker, name: SessionName, token: str) -> None:
        self._socket = socket
        self._seat = make_seat(socket, ywebsocket.DIALECT, name, self._entered, self._refused)
        self._seat.authenticate(token)

    def _entered(self, seat: Seat, session: Session, participant: Participant) -> None:
        session.greet(participant, step1=True)
        if not participant.may_write:
            participant.send(ywebsocket.denied(participant.why_read_only))

    def keep_alive(self) -> bytes:
        """No presence, under no address."""
        return ywebsocket.DIALECT.awareness(NOBODY)

    def _refused(self, seat: Seat, error: LyceumError) -> None:
        self._socket.close(error.close_code, str(error))

    def received(self, message: bytes) -> None:
        """Take in one frame with any number of messages."""
        for decoded in ywebsocket.decode(message):
            self._seat.handle(decoded, len(message))

    def drained(self) -> None:
        """The socket takes more again."""
        self._seat.drained()

    def check(self, now: float, unix_time: float) -> float:
        """Raise TokenExpired once it has."""
        return _check(self._seat, now, unix_time, inf)  # its token came with the upgrade

    def closed(self) -> None:
        """The socket is gone."""
        self._seat.leave()


class HocuspocusChannel:
    """Many documents, each with an address and a token of its own."""

    def __init__(self, socket: Socket, make_seat: SeatMaker, limits: Limits) -> None:
        self._socket = socket
        self._make_seat = make_seat
        self._limits = limits
        self._patience = limits.unauthenticated_seconds or inf
        self._since = asyncio.get_running_loop().time()
        self._seats: dict[str, Seat] = {}
        self._newest = ""  # the address of the newest update…
        self._head: bytes | None = None  # …and how another one there begins

    def received(self, message: bytes) -> None:
        """Take in one frame."""
        if self._head is not None and message.startswith(self._head):
            update = whole_varbuf(message, len(self._head))
            if update is not None:  # mostly
                self._handle(self._newest, yjs.SyncUpdate(update), len(message))
                return
        address, decoded = hocuspocus.decode(message)
        match decoded:
            case hocuspocus.Auth(token):
                self._authenticate(address, token)
            case hocuspocus.Ping():
                self._socket.write(framed(hocuspocus.PONG))
            case hocuspocus.Close():
                self._leave(address)
            case hocuspocus.Pong():
                pass
            case _:
                if isinstance(decoded, yjs.SyncUpdate):
                    self._newest, self._head = address, hocuspocus.head_of_updates(address)
                self._handle(address, decoded, len(message))

    def _authenticate(self, address: str, token: str) -> None:
        seat = self._seat(address, fresh=True)
        seat.sends_token = True
        try:
            seat.authenticate(token)
        except (Unauthorized, Forbidden) as error:
            seat.leave()
            self._socket.write(framed(hocuspocus.Dialect(address).denied(str(error))))

    def _handle(self, address: str, message: yjs.Message | hocuspocus.Stateless, size: int) -> None:
        joins = isinstance(message, yjs.SyncStep1) and message.wants_step1
        known = self._seats.get(address)
        # Version 2 sends no Auth when it has no token. Who has sent one does so with each try:
        # a step 1 without it is what came behind a token that was refused.
        if joins and (known is None or not known.sends_token):
            seat = self._seat(address, fresh=True)
            if seat.state is State.WAITING:
                seat.authenticate("")
        else:
            seat = self._seat(address, fresh=False)
            if known is None:
                self._check_waiting()
        seat.handle(message, size)

    def _check_waiting(self) -> None:
        bound = self._limits.unauthenticated_documents
        waiting = sum(seat.state is State.WAITING for seat in self._seats.values())
        if bound and waiting > bound:
            raise Overloaded(f"More than {bound} documents of one socket wait for their token.")

    def _seat(self, address: str, fresh: bool) -> Seat:
        """The seat at an address; one that was left or refused only gives way to a fresh try.

        What clients go on sending to it is ignored, as the closed seat does.
        """
        seat = self._seats.get(address)
        if seat is None or (fresh and seat.state is State.CLOSED):
            self._seats.pop(address, None)
            self._make_room()
            seat = self._seats[address] = self._new_seat(address)
        return seat

    def _make_room(self) -> None:
        bound = self._limits.documents_per_socket
        if not bound or len(self._seats) < bound:
            return
        closed = (at for at, seat in self._seats.items() if seat.state is State.CLOSED)
        address = next(closed, None)
        if address is None:
            raise Overloaded(f"More than {bound} documents are open on one socket.")
        del self._seats[address]

    def _new_seat(self, address: str) -> Seat:
        dialect = hocuspocus.Dialect(address)

        def entered(seat: Seat, session: Session, participant: Participant) -> None:
            participant.send(dialect.authenticated(participant.may_write))
            session.greet(participant, step1=False)
            session.tell_state(participant)

        def refused(seat: Seat, error: LyceumError) -> None:
            if isinstance(error, Unavailable):
                # Version 3 comes back many times a second if it is closed before any message.
                self._socket.write(framed(dialect.awareness(NOBODY)))
                self._socket.close(error.close_code, str(error))
            else:
                self._socket.write(framed(dialect.denied(str(error))))

        name = SessionName(hocuspocus.split_address(address))
        return self._make_seat(self._socket, dialect, name, entered, refused)

    def keep_alive(self) -> bytes:
        """No presence, under the address of one of the documents."""
        states = (State.LIVE, State.ENTERING)
        address = next((at for at, seat in self._seats.items() if seat.state in states), None)
        return b"" if address is None else hocuspocus.Dialect(address).awareness(NOBODY)

    def _leave(self, address: str) -> None:
        seat = self._seats.get(address)
        if seat is not None:
            seat.leave()

    def _all(self) -> Iterator[Seat]:
        yield from list(self._seats.values())

    def drained(self) -> None:
        """The socket takes more again."""
        for seat in self._all():
            seat.drained()

    def check(self, now: float, unix_time: float) -> float:
        """Raise TokenTimeout or TokenExpired."""
        if not self._seats and now - self._since > self._patience:
            raise TokenTimeout
        checks = (_check(seat, now, unix_time, self._patience) for seat in self._all())
        return min(checks, default=self._since + self._patience)

    def closed(self) -> None:
        """The socket is gone."""
        for seat in self._all():
            seat.leave()
        self._seats.clear()


def _check(seat: Seat, now: float, unix_time: float, patience: float) -> float:
    """When to look at a seat again; raises TokenTimeout or TokenExpired."""
    match seat.state:
        case State.CLOSED:
            return inf
        case State.WAITING if now - seat.since > patience:
            raise TokenTimeout
        case State.WAITING | State.ENTERING:
            return now
    expires_at = seat.identity.expires_at if seat.identity else None
    if expires_at is None:
        return inf
    if expires_at < unix_time:
        raise TokenExpired
    ahead = expires_at - ASK_AHEAD
    if ahead > unix_time:
        return now + ahead - unix_time
    seat.ask_for_token()
    return now
