"""The dialect of y-websocket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.protocol import yjs, ywebsocket
from server.protocol.lib0 import Reader
from server.protocol.ywebsocket import DIALECT
from tests.unit.protocol import wire

Sent = tuple[bytes, yjs.Message]


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    """A message as a client encodes it, and what it means."""
    payload = draw(st.binary(max_size=40))
    entries = draw(st.lists(wire.entries(), max_size=3))
    states = wire.states([wire.raw(entry) for entry in entries])
    return draw(
        st.sampled_from(
            [
                (b"\x00" + wire.sync(0, payload), yjs.SyncStep1(payload)),
                (b"\x00" + wire.sync(1, payload), yjs.SyncStep2(payload)),
                (b"\x00" + wire.sync(2, payload), yjs.SyncUpdate(payload)),
                (b"\x01" + wire.buffer(states), yjs.Awareness(tuple(entries))),
                (b"\x03", yjs.QueryAwareness()),
            ]
        )
    )


@given(st.lists(messages(), max_size=5))
def test_a_frame_may_carry_several_messages(sent: list[Sent]) -> None:
    """All messages of a frame are read, in order; an empty frame has none."""
    assert ywebsocket.decode(b"".join(frame for frame, _ in sent)) == [
        message for _, message in sent
    ]


@given(messages(), st.data())
def test_a_message_cut_short_is_refused(sent: Sent, data: st.DataObject) -> None:
    """No message is made of a part of one."""
    frame, _ = sent
    cut = data.draw(st.integers(0, len(frame) - 1))
    if cut:
        with pytest.raises(ProtocolError):
            ywebsocket.decode(frame[:cut])


@given(st.integers(min_value=4, max_value=2**53 - 1) | st.just(2))
def test_unknown_types_are_refused(kind: int) -> None:
    """Auth is the server's word only; types beyond 3 are nobody's."""
    with pytest.raises(ProtocolError, match=f"unknown message type {kind}"):
        ywebsocket.decode(wire.number(kind))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(frame: bytes) -> None:
    """Whatever comes, decoding returns messages or raises ProtocolError."""
    try:
        decoded = ywebsocket.decode(frame)
    except ProtocolError:
        return
    assert bool(decoded) == bool(frame)


@given(st.sampled_from(yjs.SyncType), st.binary(max_size=40))
def test_what_the_server_says_is_read_back(kind: yjs.SyncType, payload: bytes) -> None:
    """Sync frames are those that clients send themselves."""
    frame = DIALECT.sync(kind, payload)
    assert frame == b"\x00" + wire.sync(kind, payload)
    assert ywebsocket.decode(frame) == [yjs.read_sync(Reader(frame[1:]))]


@given(st.lists(wire.entries(), max_size=3))
def test_awareness_is_read_back(entries: list[yjs.AwarenessEntry]) -> None:
    """Awareness frames are those that clients send themselves."""
    frame = DIALECT.awareness(yjs.awareness(entries))
    assert ywebsocket.decode(frame) == [yjs.Awareness(tuple(entries))]


def test_it_has_no_words_for_saved_and_refused() -> None:
    """An unknown message would make the client print an error, so nothing is sent."""
    assert DIALECT.saved() == DIALECT.refused() == b""
    assert DIALECT.stateless("{}") == DIALECT.ask_for_token() == b""
    assert DIALECT.rights(True, "") == b""
    assert DIALECT.rights(False, "why") == ywebsocket.denied("why")
    assert DIALECT.eviction_code(4403) == 4403
    assert DIALECT.address == ""


@given(wire.TEXTS)
def test_a_denial_gives_the_reason(reason: str) -> None:
    """Type 2, subtype 0, and the reason as text."""
    assert ywebsocket.denied(reason) == b"\x02\x00" + wire.string(reason)
