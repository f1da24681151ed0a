"""A session's presence on its way to the participants: news soon, renewals all at once later."""

import asyncio
import time
from collections.abc import Iterable
from math import inf

from server import telemetry
from server.config import Pace
from server.errors import MessageTooBig
from server.protocol import yjs
from server.sessions.awareness import AwarenessStates
from server.sessions.fanout import call_paced, send_to_all
from server.sessions.pacer import Pacer
from server.sessions.participant import Participant


class Presence:
    """Who is here, and what they say of themselves.

    participants: those of the session, as they are at any time. state_bytes: bound of one
    participant's state; 0 lifts it.
    """

    def __init__(self, participants: Iterable[Participant], state_bytes: int, pace: Pace) -> None:
        self._participants = participants
        self._state_bytes = state_bytes
        self._states = AwarenessStates()
        self._pacer = Pacer(pace.presence_share, pace.presence_longest_seconds)
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.Handle | None = None
        self._alarm: asyncio.Handle | None = None  # for when renewals must be told
        self._alarm_at = inf

    def join(self, participant: Participant) -> None:
        """Somebody may say that it is here."""
        self._states.join(participant, self._loop.time())

    def leave(self, participant: Participant) -> None:
        """Somebody is gone, with all it announced."""
        self._states.leave(participant, self._loop.time())
        self._schedule()

    def receive(self, participant: Participant, entries: tuple[yjs.AwarenessEntry, ...]) -> None:
        """Take in what somebody says of itself; raises MessageTooBig."""
        telemetry.awareness_received.inc()
        bound = self._state_bytes
        for entry in entries:
            if bound and len(entry.state or "") > bound:
                raise MessageTooBig(f"A presence state has more than {bound} bytes.")
        self._states.receive(participant, entries, self._loop.time())
        self._schedule()

    def expire(self) -> None:
        """Let those go who did not renew what they said."""
        self._states.expire(self._loop.time())
        self._schedule()

    def greet(self, participant: Participant) -> None:
        """Tell a newcomer who is here."""
        _send(participant, self._states.greeting())

    def answer(self, participant: Participant) -> None:
        """Tell somebody who asks; later, if its socket is full."""
        if not participant.socket.writable:
            participant.presence_behind = True
            return
        _send(participant, self._states.everybody())

    def make_good(self, participant: Participant) -> None:
        """Tell somebody whose socket was full what it was not told."""
        if participant.presence_behind:
            participant.presence_behind = False
            _send(participant, self._states.everything())

    def _schedule(self) -> None:
        if self._states.dirty:
            self._hurry()
        elif self._states.due < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = self._states.due
            self._alarm = self._loop.call_at(self._alarm_at, self._look)

    def _hurry(self) -> None:
        if self._scheduled is None:
            self._scheduled = call_paced(self._loop, self._pacer, self._tick)

    def _look(self) -> None:
        """The alarm goes off; renewals were told meanwhile if there was news."""
        now, self._alarm, self._alarm_at = self._alarm_at, None, inf
        if self._states.due <= now:
            self._hurry()
        else:
            self._schedule()

    def _tick(self) -> None:
        self._scheduled = None
        started = time.perf_counter()
        self._spread()
        self._pacer.ran(started, time.perf_counter())

    def _spread(self) -> None:
        body = yjs.awareness(self._states.changes(self._loop.time()))
        able = []
        for participant in self._participants:
            if participant.socket.writable:
                able.append(participant)
            else:
                participant.presence_behind = True
        count = send_to_all(able, lambda dialect: dialect.awareness(body))
        telemetry.awareness_delivered.inc(count)


def _send(participant: Participant, entries: list[yjs.AwarenessEntry]) -> None:
    if entries:
        participant.send(participant.dialect.awareness(yjs.awareness(entries)))
