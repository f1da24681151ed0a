"""Sends one message to many participants: encoded once a dialect, written once a socket."""

import asyncio
import time
from collections.abc import Callable, Iterable

from server.protocol.frames import framed
from server.sessions.pacer import Pacer
from server.sessions.participant import Dialect, Participant


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


def call_paced(
    loop: asyncio.AbstractEventLoop, pacer: Pacer, tick: Callable[[], None]
) -> asyncio.Handle:
    """Have a tick called as soon as its pacer lets it run."""
    pause = pacer.pause(time.perf_counter())
    return loop.call_later(pause, tick) if pause else loop.call_soon(tick)
