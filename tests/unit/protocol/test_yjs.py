"""Sync and awareness messages, as both dialects wrap them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.ids import ClientId
from server.protocol import yjs
from server.protocol.lib0 import Reader
from server.protocol.yjs import AwarenessEntry, SyncType
from tests.unit.protocol import wire


@given(st.binary(max_size=200), st.booleans())
def test_sync_messages_are_read(payload: bytes, wants_step1: bool) -> None:
    """Each kind of sync message keeps its payload, and step 1 what its dialect expects."""
    read = [yjs.read_sync(Reader(wire.sync(kind, payload)), wants_step1) for kind in (0, 1, 2)]
    assert read == [
        yjs.SyncStep1(payload, wants_step1),
        yjs.SyncStep2(payload),
        yjs.SyncUpdate(payload),
    ]


@given(st.sampled_from(SyncType), st.binary(max_size=200))
def test_sync_messages_are_written_as_clients_write_them(kind: SyncType, payload: bytes) -> None:
    """What the server writes is what a client would."""
    assert yjs.sync(kind, payload) == wire.sync(int(kind), payload)


@given(st.integers(min_value=3, max_value=2**53 - 1))
def test_unknown_sync_messages_are_refused(kind: int) -> None:
    """There are three kinds."""
    with pytest.raises(ProtocolError, match=f"unknown sync message type {kind}"):
        yjs.read_sync(Reader(wire.number(kind) + wire.buffer(b"")))


@given(st.lists(wire.entries(), max_size=5))
def test_awareness_round_trips(entries: list[AwarenessEntry]) -> None:
    """States pass as the text that was sent: nothing is lost by parsing and printing them."""
    body = wire.states([wire.raw(entry) for entry in entries])
    assert yjs.awareness(entries) == body
    assert yjs.read_awareness(Reader(wire.buffer(body))) == yjs.Awareness(tuple(entries))


@pytest.mark.parametrize(
    "state",
    ["", "{", "nul", "NaN", '{"x":Infinity}', "-Infinity", "{} {}", "[" * 100_000, "'a'"],
    ids=lambda state: state[:12],
)
def test_a_state_that_is_not_json_is_refused(state: str) -> None:
    """Other clients would throw on it, so it goes to nobody."""
    with pytest.raises(ProtocolError, match="state of 7 is not JSON"):
        yjs.read_awareness(Reader(wire.buffer(wire.states([(7, 1, state)]))))


@pytest.mark.parametrize("state", ['"\\ud83d"', "1e999", " {} ", "12345678901234567890"])
def test_what_javascript_parses_is_taken(state: str) -> None:
    """Lone surrogates, huge numbers and spaces are JSON for every client."""
    awareness = yjs.read_awareness(Reader(wire.buffer(wire.states([(7, 1, state)]))))
    assert awareness.entries == (AwarenessEntry(ClientId(7), 1, state),)


def test_bytes_behind_the_last_state_are_refused() -> None:
    """The body holds as many states as it says, and nothing else."""
    body = wire.states([(7, 1, "{}")])
    with pytest.raises(ProtocolError, match="1 bytes follow"):
        yjs.read_awareness(Reader(wire.buffer(body + b"\x00")))


@given(st.lists(wire.entries(), min_size=1, max_size=3), st.data())
def test_awareness_cut_short_is_refused(entries: list[AwarenessEntry], data: st.DataObject) -> None:
    """No state is made of half a message."""
    body = wire.states([wire.raw(entry) for entry in entries])
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ProtocolError):
        yjs.read_awareness(Reader(wire.buffer(body[:cut])))


def test_a_huge_count_is_refused_before_the_loop() -> None:
    """A message of a few bytes can't make the server loop 2^53 times."""
    with pytest.raises(ProtocolError, match="too many"):
        yjs.read_awareness(Reader(wire.buffer(wire.number(2**53 - 1))))
