"""What is told of a credential may come late, twice and in any order: in the end it is the same."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from server.domain.school.credentials import Observation, Token, observed, sent

DAY = datetime(2026, 11, 26, tzinfo=UTC)


def seen(number: int, what: str) -> Observation:
    """An observation of the transaction «one»."""
    if what == "gone":
        return Observation(number, "one")
    at = DAY + timedelta(hours=number)
    return Observation(number, "one", 7, at, at if what == "revoked" else None)


histories = st.lists(st.sampled_from(["there", "gone", "revoked"]), min_size=1, max_size=5)


@given(histories, st.data())
def test_any_order(history: list[str], data: st.DataObject) -> None:
    """The newest observation is what is so, wherever the word came in that it was sent."""
    told: list[Observation | None] = [seen(n, what) for n, what in enumerate(history, 1)]
    told = [*told, None, *data.draw(st.lists(st.sampled_from(told)))]
    token = Token()
    for one in data.draw(st.permutations(told)):
        token = sent(token, "one", None) if one is None else observed(token, one)
    last = seen(len(history), history[-1])
    status = {"there": "CONFIRMED", "gone": "FAILED", "revoked": "REVOKED"}[history[-1]]
    assert token == Token(
        status,  # type: ignore[arg-type]
        "one",
        last.token,
        last.confirmed_at,
        last.revoked_at,
        len(history),
    )


def test_a_second_try() -> None:
    """After a failure; what is told of the first transaction, late, doesn't stop it."""
    failed = observed(sent(Token(), "one", None), Observation(1, "one"))
    again = sent(failed, "two", "one")
    assert (again.status, again.transaction) == ("SENT", "two")
    assert sent(again, "one", None) == again
    assert observed(again, Observation(1, "one")) == again
    still = observed(again, Observation(2, "one"))
    assert (still.status, still.transaction, still.observed) == ("SENT", "two", 2)
    assert observed(still, Observation(3, "two")).status == "FAILED"
    assert observed(still, Observation(3, "one", 7, DAY)).status == "CONFIRMED"


def test_a_dearer_transaction_takes_the_place_of_one_that_waits() -> None:
    """Before either was seen on the chain."""
    first = sent(Token(), "one", None)
    assert sent(sent(first, "two", "one"), "one", None).transaction == "two"
    confirmed = observed(first, Observation(1, "one", 7, DAY))
    assert sent(confirmed, "two", "one") == confirmed
