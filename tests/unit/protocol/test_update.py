"""Clocks and deletions are read off encoded updates as pycrdt wrote them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text, get_update, merge_updates

from server.errors import ProtocolError
from server.protocol.update import (
    EMPTY,
    DeleteSet,
    deletes_known,
    deletes_within,
    has_structs,
    read_delete_set,
    read_state_vector,
)
from tests.unit.protocol import wire

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=5)
DELETIONS = st.dictionaries(st.integers(1, 3), RANGES, max_size=3)


def encoded(deletions: dict[int, list[tuple[int, int]]]) -> bytes:
    """An update of deletions only: client → [(clock, length), …] as they come."""
    body = b"\x00" + wire.number(len(deletions))
    for client, ranges in deletions.items():
        body += wire.number(client) + wire.number(len(ranges))
        body += b"".join(wire.number(clock) + wire.number(size) for clock, size in ranges)
    return body


def clocks(deletes: DeleteSet) -> set[tuple[int, int]]:
    """Every deleted clock by itself."""
    return {
        (client, clock)
        for client, ranges in deletes.items()
        for start, end in ranges
        for clock in range(start, end)
    }


def meant(deletions: dict[int, list[tuple[int, int]]]) -> set[tuple[int, int]]:
    """The same of what was encoded."""
    return clocks(
        {
            client: [(clock, clock + size) for clock, size in ranges]
            for client, ranges in deletions.items()
        }
    )


@given(st.dictionaries(wire.NUMBERS, wire.NUMBERS, max_size=5))
def test_state_vectors_are_read(vector: dict[int, int]) -> None:
    """Each client's clock comes out."""
    body = b"".join(wire.number(client) + wire.number(clock) for client, clock in vector.items())
    assert read_state_vector(wire.number(len(vector)) + body) == vector


@given(st.integers(1, 2**20))
def test_a_state_vector_cut_short_is_refused(count: int) -> None:
    """A count without entries behind it is an error."""
    with pytest.raises(ProtocolError):
        read_state_vector(wire.number(count))


def test_bytes_behind_a_state_vector_are_refused() -> None:
    """It has as many entries as it says, and nothing else."""
    with pytest.raises(ProtocolError, match="1 bytes follow"):
        read_state_vector(b"\x01\x05\x06\x00")


def test_a_real_documents_clocks_and_deletions_are_read() -> None:
    """pycrdt's own state vector, insertions and deletions are understood."""
    doc: Doc[Text] = Doc(client_id=5)
    text = doc.get("content", type=Text)
    text += "abcdef"
    before = doc.get_state()
    del text[1:3]
    deletion = doc.get_update(before)
    assert read_state_vector(before) == {5: 6}
    assert has_structs(doc.get_update())
    assert not has_structs(deletion)
    assert not has_structs(EMPTY)
    assert read_delete_set(deletion) == {5: [(1, 3)]}
    assert get_update(EMPTY, before) == EMPTY == merge_updates(EMPTY)


@given(DELETIONS)
def test_delete_sets_are_sorted_and_joined(deletions: dict[int, list[tuple[int, int]]]) -> None:
    """However ranges come, they are read as sorted ones that neither touch nor overlap."""
    deletes = read_delete_set(encoded(deletions))
    assert clocks(deletes) == meant(deletions)
    for ranges in deletes.values():
        assert all(start < end for start, end in ranges)
        assert all(one[1] < other[0] for one, other in pairwise(ranges))


@given(DELETIONS, DELETIONS)
def test_within_means_every_clock_is_deleted_already(
    some: dict[int, list[tuple[int, int]]], done: dict[int, list[tuple[int, int]]]
) -> None:
    """The comparison of ranges says what comparing clock by clock says."""
    within = deletes_within(read_delete_set(encoded(some)), read_delete_set(encoded(done)))
    assert within == (meant(some) <= meant(done))


@given(DELETIONS, st.dictionaries(st.integers(1, 3), st.integers(0, 40)))
def test_known_means_every_clock_was_inserted(
    deletions: dict[int, list[tuple[int, int]]], state: dict[int, int]
) -> None:
    """A deletion is known if the state vector has passed every clock it names."""
    known = deletes_known(read_delete_set(encoded(deletions)), state)
    assert known == all(clock < state.get(client, 0) for client, clock in meant(deletions))


def test_a_delete_set_behind_structs_is_not_looked_for() -> None:
    """Only updates without structs may be asked for their delete set."""
    doc: Doc[Text] = Doc()
    doc.get("content", type=Text).insert(0, "a")
    with pytest.raises(AssertionError):
        read_delete_set(doc.get_update())
