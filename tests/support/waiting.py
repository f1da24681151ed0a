"""Waits for what will become true, so that no test needs a sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T | Awaitable[T]], timeout: float = 15.0, what: str = ""
) -> T:
    """The first truthy value of a condition; fails the test, showing the last one, if none comes.

    Exceptions count as not yet.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if isinstance(value, Awaitable):
                value = await value
            if value:
                return value
            last = value
        except Exception as error:
            last = error
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what or condition} did not come true in {timeout} s; last: {last!r}")
