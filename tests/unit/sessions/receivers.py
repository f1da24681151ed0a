"""Clients of y-websocket as the server's presence meets them.

After y-protocols' awareness.js (setLocalState, applyAwarenessUpdate, removeAwarenessStates) and
y-websocket.js (its update handler sends on every change, whoever it came from).
"""

from collections import deque
from math import inf

from server.ids import ClientId
from server.protocol.yjs import AwarenessEntry
from server.sessions.awareness import AwarenessStates

Message = list[AwarenessEntry]


class Receiver:
    """One client: what it knows of everybody, its way to the server and back."""

    def __init__(self, client: int, server: AwarenessStates) -> None:
        self.client = ClientId(client)
        self.states: dict[ClientId, str] = {}
        self.clocks: dict[ClientId, int] = {}
        self.server = server
        self.socket: object | None = None
        self.half_open: list[object] = []  # sockets whose end the server has not seen yet
        self.incoming: deque[Message] = deque()
        self.outgoing: deque[Message] = deque()
        self.set_state("{}")  # at clock 0, which others ignore
        self.set_state('{"name":"somebody"}')

    def set_state(self, state: str | None) -> None:
        """setLocalState."""
        self.clocks[self.client] = self.clocks.get(self.client, -1) + 1
        if state is None:
            self.states.pop(self.client, None)
        else:
            self.states[self.client] = state
        self._send([self.client])

    def apply(self, message: Message) -> None:
        """applyAwarenessUpdate, and the update handler behind it."""
        changed = []
        for entry in message:
            known = entry.client in self.clocks
            clock, current = entry.clock, self.clocks.get(entry.client, 0)
            gone = entry.state is None and entry.client in self.states
            if not (current < clock or (current == clock and gone)):
                continue
            if entry.state is not None:
                self.states[entry.client] = entry.state
            elif entry.client == self.client and self.client in self.states:
                clock += 1  # nobody else says that we are gone
            else:
                self.states.pop(entry.client, None)
            self.clocks[entry.client] = clock
            if known or entry.state is not None:
                changed.append(entry.client)
        self._send(changed)

    def _send(self, clients: list[ClientId]) -> None:
        if self.socket is not None and clients:
            self.outgoing.append(
                [AwarenessEntry(one, self.clocks[one], self.states.get(one)) for one in clients]
            )

    def connect(self) -> None:
        """A new socket: the server greets, the client says who it is."""
        self.socket = object()
        if greeting := self.server.greeting():
            self.incoming.append(greeting)
        if self.client in self.states:
            self._send([self.client])

    def lose(self) -> None:
        """The client sees its socket end; the server has not seen it yet."""
        if self.socket is not None:
            self.half_open.append(self.socket)
        self.socket = None
        self.incoming.clear()
        self.outgoing.clear()
        for other in list(self.states):
            if other != self.client:
                del self.states[other]

    def noticed(self) -> None:
        """The server sees that the client's old sockets have ended."""
        for socket in self.half_open:
            self.server.leave(socket, now=0)
        self.half_open.clear()

    def transmit(self) -> bool:
        """One message each way; whether there was any."""
        had = bool(self.outgoing or self.incoming)
        if self.outgoing:
            self.server.receive(self.socket, self.outgoing.popleft(), now=0)
        if self.incoming:
            self.apply(self.incoming.popleft())
        return had


def tick(server: AwarenessStates, receivers: list[Receiver]) -> bool:
    """What changed or was renewed goes to all who are connected; whether anything was."""
    if not server.dirty and server.due == inf:
        return False
    changes = server.changes(0)
    for receiver in receivers:
        if receiver.socket is not None:
            receiver.incoming.append(changes)
    return True
