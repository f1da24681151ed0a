"""Who is here: the presence states of one session, with clocks, owners and expiry.

Pure: it takes the time as a value. A client id belongs to the participant that announced it.
Clients of y-websocket also relay what they heard of others (tabs of one browser talk to each
other past the server), so a message about somebody else's id is no attack; it is ignored. The
first id that a participant announces is its own; others that it brings are relayed, and go over
to their own participant once that one is here.

Clocks follow y-protocols: a state is news only with a higher clock, and `null` also with the same
one. So a client that comes back soon after its socket broke would not be seen: it announces the
clock with which the others saw it leave. Nor would it see them: it dropped their states, and they
still have the clocks it knows. Both take up to 15 s with the reference servers. Here the server
raises the clocks; a client adopts its raised clock from the echo.

A state that is only renewed is no news: `changes` tells of it, but nobody hurries for it. Clients
renew every 15 to 18 s, and all must hear of a renewal, but not soon: it is enough if each hears of
each within 30 s. So a renewal waits until 24 s after its client was last told of, together with
those of the others; everybody has renewed by then, so that one message holds them all.
Source: https://github.com/yjs/y-protocols (awareness.js).
"""

from collections.abc import Hashable, Iterable
from math import inf

from server.ids import ClientId
from server.protocol.yjs import AwarenessEntry

EXPIRY = 30.0  # seconds: clients renew every 15 s, and themselves drop others after 30 s
TOLD_EVERY = 24.0  # seconds between two words of a client that only renews its state…
GATHERED = 5.0  # …but others have this many to join a renewal, should it be late
SILENCE = 20.0  # seconds without renewal after which an id may be taken over
CLIENTS_PER_PARTICIPANT = 32


class _Client:
    """clock: of the state as others know it. heard: the clock that its owner last sent. told: the
    clock that its owner last got back, told_at: when; some clients send back what they get."""

    __slots__ = ("clock", "heard", "owner", "renewed", "state", "told", "told_at")

    def __init__(self, owner: Hashable | None, entry: AwarenessEntry, now: float) -> None:
        self.owner = owner  # None: has left
        self.clock = self.heard = self.told = entry.clock
        self.state = entry.state
        self.renewed = self.told_at = now


class AwarenessStates:
    """The presence of everybody in one session; all times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._clients: dict[ClientId, _Client] = {}
        self._joined: dict[Hashable, float] = {}
        self._own: dict[Hashable, ClientId] = {}
        self._owned: dict[Hashable, tuple[ClientId, ...]] = {}
        self._changed: dict[ClientId, None] = {}
        self._renewed: dict[ClientId, None] = {}
        # Of an id whose owner's socket may have broken unseen; its own client may have come back.
        self._refused: dict[ClientId, tuple[Hashable, AwarenessEntry]] = {}
        self._due = inf
        self._left = False  # somebody who may come back knows the clocks as they are
        self._oldest = -inf  # no state was renewed before

    def join(self, participant: Hashable, now: float) -> None:
        """A participant came; about those who leave after that it has nothing new to tell."""
        self._joined[participant] = now

    def receive(self, participant: Hashable, entries: Iterable[AwarenessEntry], now: float) -> None:
        """Take in what a participant says; what it may not say is ignored."""
        for entry in entries:
            client = self._clients.get(entry.client)
            if client is not None and client.owner == participant:
                self._renew(client, entry, now)
            elif entry.state is not None and self._may_claim(participant, client, entry, now):
                self._claim(participant, client, entry, now)
            elif self._is_own(participant, entry):
                self._refuse(participant, entry, now)

    def _refuse(self, participant: Hashable, entry: AwarenessEntry, now: float) -> None:
        """Keep the newest that a participant says of its id, until another's socket has ended."""
        claimant, _ = self._refused.get(entry.client, (None, entry))
        if entry.state is not None:
            self._own.setdefault(participant, entry.client)
            self._refused[entry.client] = participant, entry
            if claimant != participant:
                self._has_come_back(now)
        elif claimant == participant:
            del self._refused[entry.client]

    def _renew(self, client: _Client, entry: AwarenessEntry, now: float) -> None:
        gone, same = entry.state is None, entry.state == client.state
        if entry.clock < max(client.heard, client.told) or (
            entry.clock == client.heard and not gone
        ):
            return
        if same and entry.clock <= max(client.heard, client.told):
            return  # what we told it, sent back
        client.heard = entry.clock
        # A clock that we raised past the client's goes up once more, so that others take it.
        client.clock = entry.clock if entry.clock > client.clock else client.clock + (not gone)
        client.state = entry.state
        client.renewed = now
        if same:
            self._renewed[entry.client] = None
            self._due = min(self._due, max(client.told_at + TOLD_EVERY, now + GATHERED))
        else:
            self._changed[entry.client] = None

    def _may_claim(
        self,
        participant: Hashable,
        client: _Client | None,
        entry: AwarenessEntry,
        now: float,
    ) -> bool:
        if len(self._owned.get(participant, ())) >= CLIENTS_PER_PARTICIPANT:
            return False
        if client is None:
            return True
        is_own = self._is_own(participant, entry)
        if client.owner is None:
            came_after = self._joined.get(participant, inf) >= client.renewed
            return (is_own and came_after) or entry.clock > client.clock
        relayed = self._own.get(client.owner) != entry.client
        return is_own and (relayed or now - client.renewed > SILENCE)

    def _is_own(self, participant: Hashable, entry: AwarenessEntry) -> bool:
        return self._own.get(participant, entry.client) == entry.client

    def _claim(
        self,
        participant: Hashable,
        client: _Client | None,
        entry: AwarenessEntry,
        now: float,
    ) -> None:
        claimed = _Client(participant, entry, now)
        if client is not None:
            claimed.clock = max(entry.clock, client.clock + 1)
            self._disown(entry.client, client)
            if participant not in self._own:
                self._has_come_back(now)
        self._clients[entry.client] = claimed
        self._own.setdefault(participant, entry.client)
        self._owned[participant] = (*self._owned.get(participant, ()), entry.client)
        self._changed[entry.client] = None

    def _disown(self, client_id: ClientId, client: _Client) -> None:
        if (owned := self._owned.get(client.owner)) is not None:
            self._owned[client.owner] = tuple(other for other in owned if other != client_id)
        if self._own.get(client.owner) == client_id:
            del self._own[client.owner]

    def leave(self, participant: Hashable, now: float) -> None:
        """Everything that a participant announced is gone, at once."""
        self._joined.pop(participant, None)
        self._own.pop(participant, None)
        self._left = True
        for client_id in [one for one, (who, _) in self._refused.items() if who == participant]:
            del self._refused[client_id]
        for client_id in self._owned.pop(participant, ()):
            client = self._clients[client_id]
            client.owner, client.renewed = None, now
            if client.state is not None:
                client.state = None
                self._changed[client_id] = None
            if client_id in self._refused:
                claimant, entry = self._refused.pop(client_id)
                self.receive(claimant, (entry,), now)

    def expire(self, now: float) -> None:
        """States that were not renewed are gone; those long gone are forgotten."""
        if now - self._oldest <= EXPIRY:
            return
        forgotten = []
        for client_id, client in self._clients.items():
            if now - client.renewed <= EXPIRY:
                continue
            if client.state is not None:
                client.state, client.renewed = None, now
                self._changed[client_id] = None
            elif client.owner is None:
                forgotten.append(client_id)
        for client_id in forgotten:
            del self._clients[client_id]
            self._changed.pop(client_id, None)
            self._renewed.pop(client_id, None)
            self._refused.pop(client_id, None)
        self._oldest = min((client.renewed for client in self._clients.values()), default=now)

    @property
    def dirty(self) -> bool:
        """Whether `changes` would return news."""
        return bool(self._changed)

    @property
    def due(self) -> float:
        """When `changes` must be told of though nothing is news, as states were renewed; or inf."""
        return self._due if self._renewed else inf

    def changes(self, now: float) -> list[AwarenessEntry]:
        """What changed or was renewed since the last call, the newest of each client once.

        All are told of it now.
        """
        changed = self._changed | self._renewed
        self._changed, self._renewed, self._due = {}, {}, inf
        for client_id in changed:
            client = self._clients[client_id]
            client.told, client.told_at = client.clock, now
        return [self._entry(client_id) for client_id in changed]

    def greeting(self) -> list[AwarenessEntry]:
        """All that are here, for somebody who has just come, perhaps not for the first time."""
        if self._left:
            self._left = False
            self._raise_clocks()
        return self.everybody()

    def _has_come_back(self, now: float) -> None:
        """Somebody was here before; if its old socket had not ended, its greeting was no news."""
        here = self._raise_clocks()
        if here:
            self._renewed.update(dict.fromkeys(here))
            self._due = min(self._due, now + GATHERED)

    def _raise_clocks(self) -> list[ClientId]:
        """Make news of all that are here, for somebody who dropped what it knew of them.

        Not of those at clock 0: editors begin so, with an empty state of which others take no
        notice.
        """
        here = [one for one, client in self._clients.items() if client.state and client.clock]
        for client_id in here:
            self._clients[client_id].clock += 1
        return here

    def everybody(self) -> list[AwarenessEntry]:
        """All that are here."""
        return [
            self._entry(client_id)
            for client_id, client in self._clients.items()
            if client.state is not None
        ]

    def everything(self) -> list[AwarenessEntry]:
        """All that are here, and all that left not long ago."""
        return [self._entry(client_id) for client_id in self._clients]

    def _entry(self, client_id: ClientId) -> AwarenessEntry:
        client = self._clients[client_id]
        return AwarenessEntry(client_id, client.clock, client.state)
