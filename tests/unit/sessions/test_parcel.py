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


def write(participant: Participant, frame: bytes) -> None:
    """Delivers at once."""
    participant.socket.write(frame)


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
        everybody = [participant(Peer(deflates), address) for deflates, address in sockets]
        parcel = Parcel(kind, body)
        parcel.send(everybody, write)
        await eventually(lambda: all(who.socket.messages for who in everybody))
        parcel.send(everybody, write)
        for who in everybody:
            assert who.socket.messages == [who.dialect.sync(kind, body)] * 2

    asyncio.run(run())


async def test_compressed_once_for_all() -> None:
    """Ten receivers of both dialects and of several addresses cost one compression."""
    addresses = ("", "lesson", "lesson\0ann", "lesson\0bob", "")
    packed = [participant(Peer(), address) for address in addresses for _ in range(2)]
    plain = [participant(Peer(deflates=False), address) for address in addresses]
    count, saved = compressed(), saved_bytes()
    Parcel(SyncType.UPDATE, WORDS).send(packed + plain, write)
    assert all(who.socket.written > len(WORDS) for who in plain)
    assert not any(who.socket.written for who in packed)
    await eventually(lambda: all(who.socket.written for who in packed))
    assert all(who.socket.written < len(WORDS) * 0.6 for who in packed)
    assert compressed() == count + 1
    written = sum(who.socket.written for who in packed)
    heads = sum(len(who.dialect.sync(SyncType.UPDATE, b"")) + 16 for who in packed)
    assert 0 <= len(WORDS) * len(packed) + heads - written - (saved_bytes() - saved) <= heads


@pytest.mark.parametrize("body", [NOISE, WORDS[: LARGE - 1]], ids=["noise", "small"])
async def test_what_does_not_pay_is_sent_as_it_is(body: bytes) -> None:
    """Noise does not shrink, what is small costs more than it saves."""
    peer = Peer()
    count = compressed()
    parcel = Parcel(SyncType.UPDATE, body)
    parcel.send([participant(peer)], write)
    await eventually(lambda: peer.written)
    parcel.send([participant(peer)], write)
    assert peer.written == 2 * len(parcel._frame(ywebsocket.DIALECT))
    assert compressed() == count


async def test_while_much_waits_nothing_more_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound messages go out at once, as they are; then all is as before."""
    monkeypatch.setattr(parcel_module, "MOST_WAITING", 2 * len(WORDS))
    peers = [Peer() for _ in range(4)]
    for peer in peers:
        Parcel(SyncType.UPDATE, WORDS).send([participant(peer)], write)
    assert [bool(peer.messages) for peer in peers] == [False, False, True, True]
    assert telemetry.deflate_waiting_bytes._value.get() == 2 * len(WORDS)
    await eventually(lambda: all(peer.messages for peer in peers))
    assert telemetry.deflate_waiting_bytes._value.get() == 0
    Parcel(SyncType.UPDATE, WORDS).send([participant(peers[0])], write)
    assert len(peers[0].messages) == 1
    await eventually(lambda: len(peers[0].messages) == 2)
    assert len({message for peer in peers for message in peer.messages}) == 1
