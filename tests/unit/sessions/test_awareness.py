"""Who may say what about whom, and how long it lasts."""

from math import inf

import pytest

from server.ids import ClientId
from server.protocol.yjs import AwarenessEntry
from server.sessions.awareness import (
    CLIENTS_PER_PARTICIPANT,
    EXPIRY,
    GATHERED,
    SILENCE,
    TOLD_EVERY,
    AwarenessStates,
)

ANN, BOB = "ann's socket", "bob's socket"


def entry(client: int, clock: int, state: str | None = "{}") -> AwarenessEntry:
    """What a client says of itself or of another."""
    return AwarenessEntry(ClientId(client), clock, state)


def here(states: AwarenessStates) -> dict[int, str | None]:
    """Who is here, as newcomers are told."""
    return {one.client: one.state for one in states.everybody()}


@pytest.fixture
def states() -> AwarenessStates:
    """Ann is client 1, Bob is client 2, and all have been told."""
    states = AwarenessStates()
    states.receive(ANN, [entry(1, 1, '"ann"')], now=0)
    states.receive(BOB, [entry(2, 1, '"bob"')], now=0)
    states.changes(1)
    return states


@pytest.mark.parametrize("clock", [0, 1, 2, 100])
@pytest.mark.parametrize("state", ['"forged"', None])
def test_nobody_speaks_for_another(states: AwarenessStates, clock: int, state: str | None) -> None:
    """What Bob says of Ann's client is ignored, whatever the clock, `null` too."""
    states.receive(BOB, [entry(1, clock, state)], now=1)
    assert here(states) == {1: '"ann"', 2: '"bob"'}
    assert not states.dirty


def test_one_message_may_hold_own_and_relayed_states(states: AwarenessStates) -> None:
    """The own part counts although the rest is ignored."""
    states.receive(BOB, [entry(1, 9, None), entry(2, 2, '"new"')], now=1)
    assert states.changes(1) == [entry(2, 2, '"new"')]


def test_a_relayed_client_is_passed_on(states: AwarenessStates) -> None:
    """Tabs that reach the server only through Bob's are seen, and go with Bob."""
    states.receive(BOB, [entry(3, 1, '"tab"')], now=1)
    assert here(states)[3] == '"tab"'
    states.leave(BOB, now=2)
    assert here(states) == {1: '"ann"'}


def test_a_relayed_client_goes_over_to_its_own_socket(states: AwarenessStates) -> None:
    """Once it speaks for itself, nobody else does."""
    states.receive(BOB, [entry(3, 1, '"tab"')], now=1)
    states.receive("tab's socket", [entry(3, 1, '"self"')], now=2)
    states.receive(BOB, [entry(3, 9, '"relayed"')], now=3)
    assert here(states)[3] == '"self"'
    states.leave(BOB, now=4)
    assert here(states) == {1: '"ann"', 3: '"self"'}


def test_a_first_word_about_another_is_no_claim(states: AwarenessStates) -> None:
    """A newcomer whose first message is about Ann's live client does not get it."""
    states.receive("eve's socket", [entry(1, 50, '"eve"')], now=1)
    assert here(states)[1] == '"ann"'


def test_a_silent_client_may_be_taken_over_by_its_new_socket(states: AwarenessStates) -> None:
    """A client whose old socket hangs gets its id on a new one after a while, not before."""
    states.receive(BOB, [entry(2, 2)], now=SILENCE - 1)
    states.receive("ann's new socket", [entry(1, 1, '"back"')], now=SILENCE - 1)
    assert here(states)[1] == '"ann"'
    states.receive("ann's new socket", [entry(1, 1, '"back"')], now=SILENCE + 1)
    assert here(states)[1] == '"back"'
    states.leave(ANN, now=SILENCE + 2)
    assert here(states)[1] == '"back"'
    assert [one.clock for one in states.changes(1) if one.client == 1] == [3]


def test_leaving_removes_at_once(states: AwarenessStates) -> None:
    """Others are told `null` with the last clock, which y-protocols takes as gone."""
    states.leave(ANN, now=1)
    assert states.changes(1) == [entry(1, 1, None)]
    assert here(states) == {2: '"bob"'}
    states.leave(ANN, now=2)
    states.leave("nobody's socket", now=2)
    assert not states.dirty


@pytest.mark.parametrize("clock", [1, 2])
def test_null_reaches_the_others(states: AwarenessStates, clock: int) -> None:
    """`null` counts with the same clock as well as with a higher one; once."""
    states.receive(ANN, [entry(1, clock, None)], now=1)
    assert states.changes(1) == [entry(1, clock, None)]
    states.receive(ANN, [entry(1, clock, None)], now=2)
    assert not states.dirty
    states.leave(ANN, now=3)
    assert not states.dirty


def test_who_went_may_return_on_the_same_socket(states: AwarenessStates) -> None:
    """After `null` a state with a higher clock is news."""
    states.receive(ANN, [entry(1, 2, None)], now=1)
    states.receive(ANN, [entry(1, 3, '"again"')], now=2)
    assert states.changes(1) == [entry(1, 3, '"again"')]


@pytest.mark.parametrize("clock", [0, 1])
def test_old_news_is_none(states: AwarenessStates, clock: int) -> None:
    """Only a higher clock makes a state news."""
    states.receive(ANN, [entry(1, clock, '"old"')], now=1)
    assert not states.dirty
    assert here(states)[1] == '"ann"'


def test_changes_hold_each_client_once(states: AwarenessStates) -> None:
    """However often it changed between two ticks, the newest state goes out."""
    for clock in range(2, 9):
        states.receive(ANN, [entry(1, clock, str(clock))], now=1)
    assert states.changes(1) == [entry(1, 8, "8")]
    assert states.changes(1) == []


def test_a_renewal_is_told_but_no_news(states: AwarenessStates) -> None:
    """The same state with a higher clock waits for the next change or its time; told once."""
    states.receive(ANN, [entry(1, 2, '"ann"')], now=1)
    assert not states.dirty
    assert states.due < inf
    states.receive(BOB, [entry(2, 2, '"new"')], now=1)
    assert states.dirty
    assert states.changes(1) == [entry(2, 2, '"new"'), entry(1, 2, '"ann"')]
    assert not states.dirty
    assert states.due == inf


def test_a_renewal_waits_until_its_client_must_be_heard_of_again(states: AwarenessStates) -> None:
    """The earliest of all counts; one that comes late leaves the others time to join it."""
    states.receive(ANN, [entry(1, 2, '"ann"')], now=10)
    states.changes(10)
    states.receive(ANN, [entry(1, 3, '"ann"')], now=26)
    assert states.due == 10 + TOLD_EVERY
    states.receive(BOB, [entry(2, 2, '"bob"')], now=27)  # it was told of at the beginning
    assert states.due == 27 + GATHERED
    assert states.changes(32) == [entry(1, 3, '"ann"'), entry(2, 2, '"bob"')]
    assert states.due == inf


def test_a_change_outruns_a_renewal(states: AwarenessStates) -> None:
    """Who renews and then changes, or leaves, is told of at once and once."""
    states.receive(ANN, [entry(1, 2, '"ann"')], now=1)
    states.receive(ANN, [entry(1, 3, '"new"')], now=1)
    states.receive(BOB, [entry(2, 2, '"bob"')], now=1)
    states.leave(BOB, now=2)
    assert states.dirty
    assert states.changes(1) == [entry(1, 3, '"new"'), entry(2, 2, None)]
    assert states.due == inf


def test_states_expire_unless_renewed(states: AwarenessStates) -> None:
    """Ann renews and stays; Bob does not, and goes after 30 seconds."""
    states.receive(ANN, [entry(1, 2, '"ann"')], now=EXPIRY - 1)
    states.changes(1)
    states.expire(now=EXPIRY)
    assert not states.dirty
    states.expire(now=EXPIRY + 1)
    assert states.changes(1) == [entry(2, 1, None)]
    assert here(states) == {1: '"ann"'}


def test_who_left_is_remembered_for_a_while_then_forgotten(states: AwarenessStates) -> None:
    """Those that missed it can be told for 30 seconds; after that nothing is kept."""
    states.leave(BOB, now=0)
    states.changes(1)
    assert entry(2, 1, None) in states.everything()
    states.receive(ANN, [entry(1, 2)], now=EXPIRY)
    states.expire(now=EXPIRY + 1)
    assert [one.client for one in states.everything()] == [1]


def test_what_is_forgotten_is_not_told(states: AwarenessStates) -> None:
    """A change that nobody fetched goes with the client that it is about."""
    states.leave(BOB, now=0)
    states.expire(now=EXPIRY + 1)
    states.expire(now=3 * EXPIRY)
    assert {one.client for one in states.changes(1)} <= {1}


def test_thousands_who_come_and_go_leave_nothing() -> None:
    """Memory is bounded by who is here and who left in the last 30 seconds."""
    states = AwarenessStates()
    for number in range(5_000):
        socket = object()
        states.receive(socket, [entry(number, 1)], now=number)
        states.changes(1)
        states.leave(socket, now=number)
        states.changes(1)
        states.expire(now=number)
    assert len(states.everything()) <= EXPIRY + 2
    states.expire(now=5_000 + 2 * EXPIRY)
    assert states.everything() == []


def test_one_participant_has_a_bounded_number_of_clients(states: AwarenessStates) -> None:
    """More than that are ignored, however many a message names."""
    states.receive(ANN, [entry(number, 1) for number in range(100, 1_000)], now=1)
    assert len(here(states)) == CLIENTS_PER_PARTICIPANT + 1
    assert here(states)[1] == '"ann"'


def test_a_client_that_left_is_not_brought_back_by_old_relays(states: AwarenessStates) -> None:
    """Bob's late echo of Ann's last state does not make a ghost of her."""
    states.leave(ANN, now=1)
    states.changes(1)
    states.receive(BOB, [entry(1, 1, '"ann"')], now=2)
    assert here(states) == {2: '"bob"'}


def test_a_newcomer_is_greeted_with_all_that_are_here(states: AwarenessStates) -> None:
    """With clocks as others know them while nobody left, raised once after somebody did."""
    assert states.greeting() == [entry(1, 1, '"ann"'), entry(2, 1, '"bob"')]
    states.leave(BOB, now=1)
    assert states.greeting() == [entry(1, 2, '"ann"')]
    assert states.greeting() == [entry(1, 2, '"ann"')]


def test_who_comes_back_before_its_old_socket_ended_hears_of_all(states: AwarenessStates) -> None:
    """The greeting had clocks that it knew; once it says who it is, higher ones follow."""
    states.changes(1)
    states.join("ann again", 2.0)
    states.receive("ann again", [entry(1, 1, '"ann"')], 2.0)
    assert not states.dirty
    assert states.due < inf
    assert entry(2, 2, '"bob"') in states.changes(1)
    states.receive("ann again", [entry(1, 2, '"ann"')], 2.0)
    assert states.due == inf


def test_who_has_said_nothing_yet_stays_unseen() -> None:
    """An editor begins with an empty state at clock 0, which others don't show."""
    states = AwarenessStates()
    states.receive(ANN, [entry(1, 0)], 1.0)
    states.leave(BOB, now=1)
    assert states.greeting() == [entry(1, 0)]


def test_who_was_here_before_does_not_bring_back_who_left() -> None:
    """A participant without presence of its own that sends back what it heard makes no ghost."""
    states = AwarenessStates()
    states.join("early", 0.0)
    states.receive("ann", [entry(1, 5)], 1.0)
    states.leave("ann", 2.0)
    states.receive("early", [entry(1, 5)], 3.0)
    assert here(states) == {}
    states.join("ann again", 4.0)
    states.receive("ann again", [entry(1, 5)], 4.0)
    assert here(states) == {1: "{}"}
