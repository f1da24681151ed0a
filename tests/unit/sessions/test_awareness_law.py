"""Whatever clients of y-websocket do, relaying everything they hear, all see the same people."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.sessions.awareness import AwarenessStates
from tests.unit.sessions.receivers import Receiver, tick

MOST_ROUNDS = 60  # far more than the few in which news goes round and echoes come back
ACTIONS = ["connect", "lose", "leave", "state", "renew", "null"]
ACTIONS += ["transmit", "transmit", "tick", "tick", "gathered"]
AGAIN = [(1, "lose"), (1, "connect")]
STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ACTIONS)), max_size=40)


def step(server: AwarenessStates, receivers: list[Receiver], who: int, action: str, n: int) -> None:
    """One thing happens."""
    receiver = receivers[who]
    match action:
        case "connect" if receiver.socket is None:
            if receiver.client not in receiver.states:
                receiver.set_state('{"name":"again"}')
            receiver.connect()
        case "lose":
            receiver.lose()
        case "leave":
            receiver.lose()
            receiver.noticed()
        case "state":
            receiver.set_state(f'{{"n":{n}}}')
        case "renew" if receiver.client in receiver.states:
            receiver.set_state(receiver.states[receiver.client])
        case "null" if receiver.socket is not None and not receiver.outgoing:
            receiver.set_state(None)
        case "transmit":
            receiver.transmit()
        case "tick" if server.dirty:
            tick(server, receivers)
        case "gathered":
            tick(server, receivers)


def settle(server: AwarenessStates, receivers: list[Receiver]) -> int:
    """Lets everything that is under way arrive; returns in how many rounds."""
    for number in range(MOST_ROUNDS):
        moved = [receiver.transmit() for receiver in receivers]
        if not tick(server, receivers) and not any(moved):
            return number
    raise AssertionError("clients and server keep telling each other the same")


@settings(max_examples=400)
@given(STEPS)
# Somebody comes back before the old socket has ended: it sees the others, …
@example([(0, "connect"), (0, "transmit"), (1, "connect"), (1, "transmit"), *AGAIN])
# … a last word on the new one counts, …
@example([(1, "connect"), (1, "transmit"), *AGAIN, (1, "transmit"), (1, "null"), (1, "transmit")])
# … and it does not take over whom it relays.
@example(
    [(1, "connect"), (1, "transmit"), (0, "connect"), (0, "transmit"), *AGAIN]
    + [(1, "transmit")] * 2
    + [(0, "leave")]
)
def test_everybody_sees_the_same_people(steps: list[tuple[int, str]]) -> None:
    """Once all has arrived, each client sees who is there, and nobody has more to say.

    Every client says who it is when it connects.
    """
    server = AwarenessStates()
    receivers = [Receiver(client, server) for client in (1, 2, 3)]
    for n, (who, action) in enumerate(steps):
        step(server, receivers, who, action, n)
    for receiver in receivers:
        receiver.noticed()
    settle(server, receivers)
    here = {entry.client: entry.state for entry in server.everybody()}
    assert here == {
        receiver.client: receiver.states[receiver.client]
        for receiver in receivers
        if receiver.socket is not None and receiver.client in receiver.states
    }
    for receiver in receivers:
        if receiver.socket is not None:
            assert receiver.states == here


def test_who_comes_back_before_its_old_socket_ended_is_seen() -> None:
    """A client whose last word was lost says it again while its old socket seems alive."""
    server = AwarenessStates()
    receivers = [Receiver(client, server) for client in (1, 2)]
    for receiver in receivers:
        receiver.connect()
    settle(server, receivers)
    receivers[0].set_state('{"name":"lost"}')
    receivers[0].lose()
    receivers[0].connect()
    settle(server, receivers)
    receivers[0].noticed()
    settle(server, receivers)
    assert receivers[1].states[receivers[0].client] == '{"name":"lost"}'


def test_who_comes_back_at_once_is_seen_and_sees() -> None:
    """A client that comes back with its old clock is there for others, and they for it."""
    server = AwarenessStates()
    receivers = [Receiver(client, server) for client in (1, 2)]
    for receiver in receivers:
        receiver.connect()
        receiver.set_state('{"name":"x"}')
    settle(server, receivers)
    receivers[0].lose()
    receivers[0].noticed()
    tick(server, receivers)
    assert receivers[1].transmit()
    assert receivers[0].client not in receivers[1].states
    receivers[0].connect()
    settle(server, receivers)
    assert receivers[0].states == receivers[1].states == {1: '{"name":"x"}', 2: '{"name":"x"}'}
