"""Cursors: what comes back is what went in, and nothing else gets through."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadRequest
from server.http.api.paging import FIRST, decode_cursor, encode_cursor

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
numbers = st.integers(0, FIRST)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(key=numbers | texts, of=texts)
def test_round_trip(key: int | str, of: str) -> None:
    """A cursor gives its key for its list, fits into a query as it is, and has no padding."""
    cursor = encode_cursor(key, of)
    assert decode_cursor(cursor, type(key), type(key)(), of) == key
    assert set(cursor) <= set(ALPHABET)


@given(key=numbers, place=st.integers(0), letter=st.sampled_from(ALPHABET + "=+/ é"))
def test_tampering(key: int, place: int, letter: str) -> None:
    """Any other letter anywhere is refused, and so is one more or one less."""
    cursor = encode_cursor(key, "list")
    place %= len(cursor)
    changed = cursor[:place] + letter + cursor[place + 1 :]
    for other in (changed, cursor + letter, cursor[:-1]):
        if other != cursor:
            with pytest.raises(BadRequest):
                decode_cursor(other, int, FIRST, "list")


@given(cursor=st.text(max_size=60) | st.text(ALPHABET, max_size=60))
def test_made_up_ones(cursor: str) -> None:
    """Are refused, whatever they are."""
    for kind, first in ((int, FIRST), (str, "")):
        with pytest.raises(BadRequest):
            decode_cursor(cursor, kind, first)


@given(key=numbers, of=texts, other=texts)
def test_other_lists(key: int, of: str, other: str) -> None:
    """Take only their own cursors: another user, session or filter is another list."""
    cursor = encode_cursor(key, ("sessions", of))
    if of != other:
        with pytest.raises(BadRequest):
            decode_cursor(cursor, int, FIRST, ("sessions", other))


def test_without_one_a_list_begins_at_its_start() -> None:
    """And lists may be named by ids."""
    assert decode_cursor(None, int, FIRST, ("deliveries", UUID(int=1), None)) == FIRST
