"""Sends one message to many participants: encoded once a dialect, written once a socket."""

from collections.abc import Callable, Iterable

from server.sessions.participant import Dialect, Participant, framed


def send_to_all(participants: Iterable[Participant], encode: Callable[[Dialect], bytes]) -> int:
    """Write a message to each; returns to how many."""
    frames: dict[str, bytes] = {}
    count = 0
    for participant in participants:
        dialect = participant.dialect
        frame = frames.get(dialect.address)
        if frame is None:
            frame = frames[dialect.address] = framed(encode(dialect))
        participant.socket.write(frame)
        count += 1
    return count
