"""Whatever is sent and whenever each receiver reads, all end with the session's document."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.protocol import yjs
from server.sessions import document
from tests.support.virtual import run_virtually
from tests.unit.sessions import slow
from tests.unit.sessions.histories import content
from tests.unit.sessions.slow import Peer, open_session

PEERS = 4
ROUNDS = 5  # more than a question, its answer and what others hear of that
ACTIONS = ["edit", "edit", "read", "read", "fill", "drain", "say", "ask", "leave", "turn", "turn"]
STEPS = st.lists(
    st.tuples(st.integers(0, PEERS - 1), st.sampled_from(ACTIONS), st.integers(1, 4)),
    min_size=20,
    max_size=80,
)


class World:
    """A session, and those who come and go in it."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.session = open_session()
        self.clients = 0
        self.peers = [self.newcomer() for _ in range(PEERS)]

    def newcomer(self) -> Peer:
        """Somebody comes; every other one is a Hocuspocus client."""
        self.clients += 1
        peer = Peer(self.clients, is_hocuspocus=self.clients % 2 == 0)
        peer.come(self.session)
        return peer

    async def step(self, who: int, action: str, n: int) -> None:
        """One thing happens."""
        peer, session = self.peers[who], self.session
        match action:
            case "edit":
                session.handle(peer.participant, yjs.SyncUpdate(peer.writer.edit(self.data.draw)))
            case "read":
                peer.read(session, n)
            case "fill":
                peer.room = 0
            case "drain":
                peer.drain(session, n)
            case "say":
                peer.say(session, f'{{"n":{n}}}')
            case "ask":
                peer.ask(session)
            case "leave":
                session.leave(peer.participant)
                self.peers[who] = self.newcomer()
            case "turn":
                await asyncio.sleep(0)

    async def settle(self) -> None:
        """All sockets take everything, and everybody reads it."""
        for peer in self.peers:
            peer.drain(self.session, None)
        for _ in range(ROUNDS):
            await asyncio.sleep(60)
            for peer in self.peers:
                peer.read(self.session)
        assert not any(peer.read(self.session) for peer in self.peers), "they go on talking"


@pytest.fixture(params=[False, True], ids=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents count as small or as large ones, which newcomers are sent in parts."""
    if request.param:
        monkeypatch.setattr(document, "CHECKPOINT_BYTES", 30)
        monkeypatch.setattr(document, "WHOLE_BYTES", 1)
        monkeypatch.setattr(slow, "OVERFULL", slow.OVERFULL + 1)


@pytest.mark.usefixtures("size")
@settings(
    max_examples=100,
    # Every example finds the same constants.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS, st.data())
def test_every_receiver_ends_with_the_same(
    steps: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    """However full a socket was, its client has the document, answers, and sees who is here.

    A full socket is not written to, however much its client asks.
    """

    async def play() -> None:
        world = World(data)
        for who, action, n in steps:
            await world.step(who, action, n)
        await world.settle()
        expected = content(world.session.document.encode())
        here = {peer.client: peer.present.get(peer.client) for peer in world.peers if peer.clock}
        for peer in world.peers:
            assert content(peer.writer.doc.get_update()) == expected
            assert peer.present == here
            assert not peer.waits

    run_virtually(play())
