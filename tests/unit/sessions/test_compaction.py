"""Compacting in turns of the loop and in a process of its own give the same."""

import pytest

from server.sessions import compaction as module
from server.sessions.compaction import compact
from server.sessions.document import merged
from server.sessions.turns import Turns
from tests.unit.sessions.histories import content, typed
from tests.unit.sessions.test_bad_updates import BREAKING

PARTS = [*typed(11, "a", "b" * 100_000, "c"), typed(12, "later")[0], *typed(13, "x", "y")[1:]]


@pytest.mark.parametrize("large", [0, 10**9], ids=["apart", "in turns"])
async def test_a_snapshot_holds_all_parts(monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    """What waits included; a damaged document has none."""
    monkeypatch.setattr(module, "LARGE", large)
    snapshot = await compact(PARTS, Turns(), "lesson")
    assert snapshot is not None
    assert content(snapshot) == content(merged(PARTS))
    whole = merged([snapshot, typed(13, "x")[0]])
    assert content(whole) == content(merged([*PARTS, typed(13, "x")[0]]))
    assert await compact([*PARTS, BREAKING], Turns(), "lesson") is None


async def test_a_process_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a damaged document, whose rows are never compacted."""
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="ended with 1"):
        await compact(PARTS, Turns(), "lesson")


async def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on in the background for ever."""
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module, "TIMEOUT", 1e-9)
    with pytest.raises(TimeoutError):
        await compact(PARTS, Turns(), "lesson")
