"""Renewals reach everybody in time, and cost next to nothing."""

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.sessions.awareness import GATHERED, TOLD_EVERY
from server.sessions.session import Session
from tests.support.virtual import run_virtually
from tests.unit.sessions.slow import Peer, open_session

DROPPED_AFTER = 30.0  # seconds without news of a client, after which y-protocols drops it
PERIODS = st.floats(min_value=15, max_value=18)  # y-protocols renews so often: it looks every 3 s
OFFSETS = st.floats(min_value=0, max_value=15)
LASTS = 200.0  # seconds
TOLD_AT_MOST = 3  # times in `TOLD_EVERY`, whoever renews when


async def stay(session: Session, peer: Peer, offset: float, period: float) -> None:
    """Come at some time, say something, and only renew it from then on."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(offset)
    while loop.time() < LASTS:
        peer.say(session, "{}")
        await asyncio.sleep(period)


@settings(max_examples=30)
@given(st.lists(st.tuples(OFFSETS, PERIODS), min_size=2, max_size=12))
def test_who_renews_is_never_dropped(clients: list[tuple[float, float]]) -> None:
    """All hear of everybody well before they would drop them, in few messages."""

    async def play() -> None:
        session = open_session()
        peers = [Peer(number, number % 2 == 0) for number in range(1, len(clients) + 1)]
        for peer in peers:
            peer.come(session)
        async with asyncio.TaskGroup() as tasks:
            for peer, (offset, period) in zip(peers, clients, strict=True):
                tasks.create_task(stay(session, peer, offset, period))
            tasks.create_task(read_on(session, peers))
        for peer in peers:
            for times in peer.heard.values():
                gaps = [later - time for time, later in pairwise(times)]
                assert max(gaps) < DROPPED_AFTER - 5
                assert times[-1] > LASTS - DROPPED_AFTER
            most = TOLD_AT_MOST * LASTS / TOLD_EVERY + 2 * len(clients)
            assert peer.presence_messages <= most

    run_virtually(play())


async def read_on(session: Session, peers: list[Peer]) -> None:
    """All read all the time."""
    loop = asyncio.get_running_loop()
    while loop.time() < LASTS + GATHERED:
        await asyncio.sleep(0.1)
        for peer in peers:
            peer.read(session)


def three_here(session: Session) -> list[Peer]:
    """Three who have come, and said so."""
    peers = [Peer(number, False) for number in (1, 2, 3)]
    for peer in peers:
        peer.come(session)
        peer.say(session, '"here"')
    return peers


def test_a_change_waits_for_no_renewal() -> None:
    """While renewals are gathered, news is told in the same turn, and takes them along."""

    async def play() -> None:
        session = open_session()
        peers = three_here(session)
        await asyncio.sleep(1)
        peers[0].say(session, '"here"')
        peers[1].say(session, '"new"')
        await asyncio.sleep(0.1)
        for peer in peers:
            peer.read(session)
        assert peers[2].present == {1: '"here"', 2: '"new"', 3: '"here"'}
        assert [len(peers[2].heard[peer.client]) for peer in peers] == [2, 2, 1]

    run_virtually(play())


def test_a_renewal_is_told_though_nobody_speaks_after_it() -> None:
    """Nor is one forgotten that came while others waited which news then took along."""

    async def play() -> None:
        session = open_session()
        peers = three_here(session)
        await asyncio.sleep(16)
        peers[0].say(session, '"here"')
        await asyncio.sleep(1)
        peers[1].say(session, '"new"')
        await asyncio.sleep(3)
        peers[2].say(session, '"here"')
        await asyncio.sleep(GATHERED + 1)
        for peer in peers:
            peer.read(session)
        assert [len(peers[0].heard[peer.client]) for peer in peers] == [2, 2, 2]

    run_virtually(play())
