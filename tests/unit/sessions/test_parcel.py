"""Large updates on their way to many, and what happens while they are compressed."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import telemetry
from server.protocol import ywebsocket
from server.protocol.yjs import SyncType
from server.sessions import parcel as parcel_module
from server.sessions.parcel import LARGE, Parcel
from server.sessions.participant import Participant
from tests.support.waiting import eventually
from tests.unit.sessions.peers import Peer, participant

WORDS = "".join(random.Random(1).choice("abcdefgh \n") for _ in range(2 * LARGE)).encode()
NOISE = random.Random(1).randbytes(2 * LARGE)


def unheard(participant: Participant) -> None:
    """Nobody's socket counts as full in these tests."""
    raise AssertionError(participant)


def compressed() -> float:
    """How many messages were compressed so far."""
    return float(telemetry.deflated_messages._value.get())


def saved_bytes() -> float:
    """How many bytes that saved so far."""
    return float(telemetry.deflate_saved_bytes._value.get())


@given(
    sockets=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["", "lesson", "lesson\0ann", "x" * 70_000])),
        min_size=1,
        max_size=6,
    ),
    body=st.sampled_from([b"", b"small", WORDS[: LARGE - 1], WORDS[:LARGE], WORDS, NOISE]),
    kind=st.sampled_from([SyncType.STEP2, SyncType.UPDATE]),
)
@settings(max_examples=40)
def test_everybody_gets_the_same(
    sockets: list[tuple[bool, str]], body: bytes, kind: SyncType
) -> None:
    """Whoever compresses or doesn't, in whatever dialect, now or later: each gets one message."""

    async def run() -> None:
        peers = [Peer(deflates) for deflates, _ in sockets]
        everybody = [
            participant(peer, address) for peer, (_, address) in zip(peers, sockets, strict=True)
        ]
        parcel = Parcel(kind, body)
        parcel.send(everybody, unheard)
        await eventually(lambda: all(peer.messages for peer in peers))
        parcel.send(everybody, unheard)
        for peer, who in zip(peers, everybody, strict=True):
            assert peer.messages == [who.dialect.sync(kind, body)] * 2

    asyncio.run(run())


async def test_compressed_once_for_all() -> None:
    """Ten receivers of both dialects and of several addresses cost one compression."""
    addresses = ("", "lesson", "lesson\0ann", "lesson\0bob", "") * 2
    packed = [Peer() for _ in addresses]
    plain = [Peer(deflates=False) for _ in addresses]
    everybody = [
        participant(peer, at) for peer, at in zip(packed + plain, addresses * 2, strict=True)
    ]
    count, saved = compressed(), saved_bytes()
    Parcel(SyncType.UPDATE, WORDS).send(everybody, unheard)
    assert all(peer.written > len(WORDS) for peer in plain)
    assert not any(peer.written for peer in packed)
    await eventually(lambda: all(peer.written for peer in packed))
    assert all(peer.written < len(WORDS) * 0.6 for peer in packed)
    assert compressed() == count + 1
    spared = len(WORDS) * len(packed) - sum(peer.written for peer in packed)
    assert spared <= saved_bytes() - saved <= spared + 100 * len(packed)  # heads are not counted


@pytest.mark.parametrize("body", [NOISE, WORDS[: LARGE - 1]], ids=["noise", "small"])
async def test_what_does_not_pay_is_sent_as_it_is(body: bytes) -> None:
    """Noise does not shrink, what is small costs more than it saves."""
    peer = Peer()
    count = compressed()
    parcel = Parcel(SyncType.UPDATE, body)
    parcel.send([participant(peer)], unheard)
    await eventually(lambda: peer.written)
    parcel.send([participant(peer)], unheard)
    assert peer.written == 2 * len(parcel._frame(ywebsocket.DIALECT))
    assert compressed() == count


async def test_while_much_waits_nothing_more_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound messages go out at once, as they are; then all is as before."""
    monkeypatch.setattr(parcel_module, "MOST_WAITING", 2 * len(WORDS))
    peers = [Peer() for _ in range(4)]
    for peer in peers:
        Parcel(SyncType.UPDATE, WORDS).send([participant(peer)], unheard)
    assert [bool(peer.messages) for peer in peers] == [False, False, True, True]
    assert telemetry.deflate_waiting_bytes._value.get() == 2 * len(WORDS)
    await eventually(lambda: all(peer.messages for peer in peers))
    assert telemetry.deflate_waiting_bytes._value.get() == 0
    Parcel(SyncType.UPDATE, WORDS).send([participant(peers[0])], unheard)
    assert len(peers[0].messages) == 1
    await eventually(lambda: len(peers[0].messages) == 2)
    assert len({message for peer in peers for message in peer.messages}) == 1
