"""Edits of a client's document, by hand and by itself."""

from __future__ import annotations

import base64
from typing import Any

from tests.clients.operations import Operations
from tests.clients.results import Lines


class Editing(Operations):
    """An edit is one transaction, hence one update, which the provider sends at once."""

    async def insert(
        self,
        text: str,
        index: int | None = None,
        *,
        type: str = "content",
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Inserts into a Y.Text, at its end without an index. Indexes count UTF-16 units."""
        await self._call("insert", text=text, index=index, type=type, attributes=attributes)

    async def delete(self, index: int, length: int, *, type: str = "content") -> None:
        """Deletes from a Y.Text."""
        await self._call("delete", index=index, length=length, type=type)

    async def format(
        self, index: int, length: int, attributes: dict[str, Any], *, type: str = "content"
    ) -> None:
        """Formats a range of a Y.Text."""
        await self._call("format", index=index, length=length, attributes=attributes, type=type)

    async def paste(
        self, size: int = 5_000_000, index: int | None = None, *, type: str = "content"
    ) -> None:
        """Inserts `size` ASCII characters at once."""
        await self._call("paste", size=size, index=index, type=type)

    async def map_set(self, key: str, value: Any, *, type: str = "map") -> None:
        """Sets a key of a Y.Map."""
        await self._call("map_set", key=key, value=value, type=type)

    async def map_delete(self, key: str, *, type: str = "map") -> None:
        """Deletes a key of a Y.Map."""
        await self._call("map_delete", key=key, type=type)

    async def array_push(self, *values: Any, type: str = "array") -> None:
        """Appends to a Y.Array."""
        await self._call("array_push", values=list(values), type=type)

    async def array_delete(self, index: int, length: int = 1, *, type: str = "array") -> None:
        """Deletes from a Y.Array."""
        await self._call("array_delete", index=index, length=length, type=type)

    async def xml_insert(
        self,
        element: str,
        text: str | None = None,
        *,
        attributes: dict[str, str] | None = None,
        index: int | None = None,
        type: str = "xml",
    ) -> None:
        """Inserts `<element …>text</element>` into a Y.XmlFragment."""
        await self._call(
            "xml_insert",
            element=element,
            text=text,
            attributes=attributes or {},
            index=index,
            type=type,
        )

    async def prosemirror_write(self, schema: str, json: Any, *, type: str) -> None:
        """Makes an XmlFragment hold a ProseMirror document, as y-prosemirror does."""
        await self._call("prosemirror_write", schema=schema, json=json, type=type)

    async def subdoc_insert(
        self, key: str, guid: str | None = None, *, type: str = "subdocs"
    ) -> None:
        """Puts a reference to a subdocument into a Y.Map."""
        await self._call("subdoc_insert", key=key, guid=guid, type=type)

    async def apply_update(self, update: bytes) -> None:
        """Applies an update that did not come through the provider, which therefore sends it on."""
        await self._call("apply_update", update=base64.b64encode(update).decode())

    async def batch(self, *edits: dict[str, Any]) -> None:
        """Several edits as one update: `{"edit": "insert", "text": "a", "index": 0}`, …"""
        await self._call("batch", edits=list(edits))

    async def typist(
        self,
        *,
        seed: int,
        steps: int,
        pause: tuple[float, float] = (0.0, 0.02),
        offline: float = 0.0,
        offline_steps: tuple[int, int] = (1, 10),
        cut: float = 0.0,
        type: str = "content",
        timeout: float = 30,
    ) -> dict[str, int]:
        """Makes `steps` random edits, then waits to be synced; run many at once with gather.

        pause: least and most seconds between edits. offline: chance before each step of going
        offline for `offline_steps` edits. cut: chance of losing the socket. timeout: of the last
        wait. Gives how many insertions, deletions, offline, cuts there were.
        """
        return dict(
            await self._call(
                "typist",
                seed=seed,
                steps=steps,
                pause=[pause[0] * 1000, pause[1] * 1000],
                offline=offline,
                offlineSteps=list(offline_steps),
                cut=cut,
                type=type,
                timeout=timeout * 1000,
            )
        )

    async def type_lines(
        self,
        prefix: str,
        count: int,
        *,
        burst: int = 1,
        pause: float = 0.0,
        ack_timeout: float = 5.0,
        type: str = "content",
    ) -> Lines:
        """Appends lines `prefix-0`, `prefix-1`, …, each an update of its own.

        After each `burst` it waits until all were answered, at most `ack_timeout` (0: not at all),
        and then goes on, connected or not: so a server may be killed under it. `lines()` tells at
        any time what was acknowledged so far, on whichever socket.
        """
        return Lines(
            **await self._call(
                "type_lines",
                prefix=prefix,
                count=count,
                burst=burst,
                pauseMs=pause * 1000,
                ackTimeout=ack_timeout * 1000,
                type=type,
            )
        )

    async def lines(self) -> Lines:
        """The lines of `type_lines` so far."""
        return Lines(**await self._call("lines"))

    async def stop_typing(self) -> None:
        """Makes a running `type_lines` return."""
        await self._call("stop_typing")
