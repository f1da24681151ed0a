"""The dialect of Hocuspocus."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol import hocuspocus, yjs
from server.protocol.hocuspocus import Dialect
from tests.unit.protocol import wire

ADDRESSES = wire.TEXTS | st.just("Übung\0tab-1")
Sent = tuple[bytes, hocuspocus.Message]


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    """A message without its address as a client encodes it, and what it means."""
    payload = draw(st.binary(max_size=40))
    text, version = draw(wire.TEXTS), draw(wire.TEXTS)
    entries = draw(st.lists(wire.entries(), max_size=3))
    states = wire.states([wire.raw(entry) for entry in entries])
    return draw(
        st.sampled_from(
            [
                (b"\x00" + wire.sync(0, payload), yjs.SyncStep1(payload, wants_step1=True)),
                (b"\x00" + wire.sync(1, payload), yjs.SyncStep2(payload)),
                (b"\x00" + wire.sync(2, payload), yjs.SyncUpdate(payload)),
                (b"\x04" + wire.sync(0, payload), yjs.SyncStep1(payload)),
                (b"\x04" + wire.sync(1, payload), yjs.SyncStep2(payload)),
                (b"\x01" + wire.buffer(states), yjs.Awareness(tuple(entries))),
                (b"\x02\x00" + wire.string(text), hocuspocus.Auth(text)),
                (
                    b"\x02\x00" + wire.string(text) + wire.string(version),
                    hocuspocus.Auth(text, version),
                ),
                (b"\x03", yjs.QueryAwareness()),
                (b"\x05" + wire.string(text), hocuspocus.Stateless(text)),
                (b"\x07", hocuspocus.Close()),
            ]
        )
    )


@given(ADDRESSES, messages())
def test_every_message_is_read_with_its_address(address: str, sent: Sent) -> None:
    """Address, type and body come out as the client put them in."""
    frame, message = sent
    assert hocuspocus.decode(wire.string(address) + frame) == (address, message)


@given(ADDRESSES, messages(), st.data())
def test_a_frame_cut_short_is_refused(address: str, sent: Sent, data: st.DataObject) -> None:
    """No message is made of a part of one, but for a token without the version behind it."""
    frame = wire.string(address) + sent[0]
    cut = frame[: data.draw(st.integers(0, len(frame) - 1))]
    try:
        _, message = hocuspocus.decode(cut)
    except ProtocolError:
        return
    assert isinstance(message, hocuspocus.Auth | hocuspocus.Ping | hocuspocus.Pong)


@given(ADDRESSES, messages(), st.binary(min_size=1, max_size=5))
def test_bytes_behind_a_message_are_refused(address: str, sent: Sent, rest: bytes) -> None:
    """One frame is one message; only a token may have the version behind it."""
    assume(not isinstance(sent[1], hocuspocus.Auth) or sent[1].version is not None)
    with pytest.raises(ProtocolError, match="bytes follow the message"):
        hocuspocus.decode(wire.string(address) + sent[0] + rest)


@given(ADDRESSES, st.integers(min_value=8, max_value=2**53 - 1))
def test_unknown_types_are_refused(address: str, kind: int) -> None:
    """SyncStatus is the server's word; pings have no address; the rest is nobody's."""
    with pytest.raises(ProtocolError, match=f"unknown message type {kind}"):
        hocuspocus.decode(wire.string(address) + wire.number(kind))


def test_broadcasts_are_not_for_clients() -> None:
    """A client that sends BroadcastStateless is told so."""
    with pytest.raises(ProtocolError, match="BroadcastStateless is not for clients"):
        hocuspocus.decode(wire.string("lesson") + b"\x06" + wire.string("{}"))


@given(st.integers(min_value=1, max_value=2**53 - 1))
def test_the_token_is_the_only_auth_message_of_clients(kind: int) -> None:
    """PermissionDenied and Authenticated are the server's words."""
    with pytest.raises(ProtocolError, match=f"unknown auth message type {kind}"):
        hocuspocus.decode(wire.string("lesson") + b"\x02" + wire.number(kind))


def test_pings_are_a_single_byte() -> None:
    """Ping and pong have no address."""
    assert hocuspocus.decode(b"\x09") == ("", hocuspocus.Ping())
    assert hocuspocus.decode(b"\x0a") == ("", hocuspocus.Pong())
    assert (hocuspocus.PING, hocuspocus.PONG) == (b"\x09", b"\x0a")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(frame: bytes) -> None:
    """Whatever comes, decoding returns a message or raises ProtocolError."""
    try:
        address, _ = hocuspocus.decode(frame)
    except ProtocolError:
        return
    assert address.encode() in frame


@given(wire.TEXTS, wire.TEXTS)
def test_the_documents_name_stands_before_the_first_nul(name: str, session: str) -> None:
    """Providers with session awareness append a NUL and a number of their own."""
    assume("\0" not in name)
    assert hocuspocus.split_address(name) == name
    assert hocuspocus.split_address(f"{name}\0{session}") == name


@given(ADDRESSES, st.sampled_from(yjs.SyncType), st.binary(max_size=40))
def test_sync_answers_go_to_the_same_address(
    address: str, kind: yjs.SyncType, payload: bytes
) -> None:
    """What the server says about a document is headed with the client's own address."""
    dialect = Dialect(address)
    assert dialect.address == address
    assert dialect.sync(kind, payload) == wire.string(address) + b"\x00" + wire.sync(kind, payload)


@given(ADDRESSES, st.lists(wire.entries(), max_size=3))
def test_awareness_is_read_back(address: str, entries: list[yjs.AwarenessEntry]) -> None:
    """Awareness frames are those that clients send themselves."""
    frame = Dialect(address).awareness(yjs.awareness(entries))
    assert hocuspocus.decode(frame) == (address, yjs.Awareness(tuple(entries)))


@given(ADDRESSES, wire.TEXTS)
def test_the_servers_own_words(address: str, reason: str) -> None:
    """SyncStatus, Authenticated and PermissionDenied are written as providers read them."""
    dialect, head = Dialect(address), wire.string(address)
    assert dialect.saved() == head + b"\x08\x01"
    assert dialect.refused() == head + b"\x08\x00"
    assert dialect.authenticated(may_write=True) == head + b"\x02\x02" + wire.string("read-write")
    assert dialect.authenticated(may_write=False) == head + b"\x02\x02" + wire.string("readonly")
    assert dialect.rights(True, "") == dialect.authenticated(True)
    assert dialect.rights(False, reason) == dialect.authenticated(False)
    assert dialect.eviction_code(4403) == 4205
    assert dialect.denied(reason) == head + b"\x02\x01" + wire.string(reason)


@given(address=ADDRESSES, update=st.binary(max_size=100))
def test_updates_are_known_by_how_they_begin(address: str, update: bytes) -> None:
    """A frame that begins as updates at an address do, with one varbuf behind, is one."""
    frame = hocuspocus.head_of_updates(address) + wire.buffer(update)
    assert hocuspocus.decode(frame) == (address, yjs.SyncUpdate(update))
