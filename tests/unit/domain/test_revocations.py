"""Which tokens are revoked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.revocations import Revocations


def test_a_revoked_token_is_covered_and_no_other() -> None:
    """By its id, whoever shows it and whenever it was issued."""
    revocations = Revocations()
    assert revocations.revoke_token("t1")
    assert not revocations.revoke_token("t1")
    assert revocations.cover("ann", "t1", None)
    assert revocations.cover("bob", "t1", 1e12)
    assert not revocations.cover("ann", "t2", None)
    assert not revocations.cover("ann", None, None)


@pytest.mark.parametrize(
    ("issued_at", "covered"), [(None, True), (0.0, True), (100.0, True), (100.5, False)]
)
def test_a_users_tokens_are_covered_until_a_moment(issued_at: float | None, covered: bool) -> None:
    """Those issued later are good again; those that don't say when count as old."""
    revocations = Revocations()
    revocations.revoke_user("ann", 100.0)
    assert revocations.cover("ann", "t1", issued_at) is covered
    assert not revocations.cover("bob", "t1", issued_at)
    assert not revocations.cover(None, None, None)


@given(moments=st.lists(st.floats(0, 1e10), min_size=1))
def test_the_latest_moment_counts(moments: list[float]) -> None:
    """In whatever order they are learned; only what moves it is new."""
    revocations = Revocations()
    for number, moment in enumerate(moments):
        fresh = revocations.revoke_user("ann", moment)
        assert fresh == all(moment > earlier for earlier in moments[:number])
    assert revocations.cover("ann", None, max(moments))
    assert not revocations.cover("ann", None, max(moments) + 1)
