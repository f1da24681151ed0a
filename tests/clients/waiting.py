"""Waiting for what a client should come to see; a timeout raises DriverError with what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.clients.operations import Operations
from tests.clients.results import Close

if TYPE_CHECKING:
    from collections.abc import Sequence


class Waiting(Operations):
    """Conditions are checked when something happens at the client, never in a loop."""

    async def wait_synced(self, timeout: float = 10) -> None:
        """Until the server's content has arrived on this connection."""
        await self._call("wait_synced", timeout=timeout * 1000)

    async def wait_text(
        self,
        *,
        equals: str | None = None,
        contains: str | None = None,
        lacks: str | None = None,
        length: int | None = None,
        min_length: int | None = None,
        type: str = "content",
        timeout: float = 10,
    ) -> str:
        """Until the text is as given in every respect; gives it."""
        expected = {"equals": equals, "contains": contains, "lacks": lacks, "length": length}
        return str(
            await self._call(
                "wait_text", **expected, minLength=min_length, type=type, timeout=timeout * 1000
            )
        )

    async def wait_awareness(
        self,
        *,
        count: int | None = None,
        min_count: int | None = None,
        match: dict[str, Any] | None = None,
        absent: dict[str, Any] | None = None,
        ids: Sequence[int] | None = None,
        others: bool = True,
        timeout: float = 10,
    ) -> dict[int, Any]:
        """Until the states present are as given in every respect; gives them, by client id.

        match: some state holds all of this. absent: no state does. ids: exactly these clients.
        others: leave out the client's own state.
        """
        states = await self._call(
            "wait_awareness",
            count=count,
            minCount=min_count,
            match=match,
            absent=absent,
            ids=None if ids is None else list(ids),
            others=others,
            timeout=timeout * 1000,
        )
        return {int(client): state for client, state in states.items()}

    async def wait_unsynced_zero(self, timeout: float = 10) -> None:
        """Until the provider says synced and without unsynced changes: what a user is shown."""
        await self._call("wait_unsynced_zero", timeout=timeout * 1000)

    async def wait_settled(self, timeout: float = 10) -> None:
        """Until the server answered each step2 and update sent on this socket (with 1 or 0).

        Stricter than `wait_unsynced_zero`, whose counter starts again with every connection.
        """
        await self._call("wait_settled", timeout=timeout * 1000)

    async def wait_closed(self, code: int | None = None, timeout: float = 10) -> Close:
        """Until a socket ended that no earlier `wait_closed` told of."""
        close = await self._call("wait_closed", code=code, timeout=timeout * 1000)
        return Close(close["code"], close["reason"])

    async def wait_event(
        self, event: str, *, after: int = 0, timeout: float = 10, **match: Any
    ) -> dict[str, Any]:
        """Until an event of that name with those fields is among `events(after)`; gives it."""
        return dict(
            await self._call(
                "wait_event", event=event, match=match, after=after, timeout=timeout * 1000
            )
        )
