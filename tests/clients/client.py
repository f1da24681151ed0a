"""One client as tests see it: its connection, what it holds, what happened to it."""

from __future__ import annotations

import base64
from typing import Any

from tests.clients.editing import Editing
from tests.clients.results import Frame
from tests.clients.waiting import Waiting


class Client(Editing, Waiting):
    """A real provider with a document of its own. `driver.open(…)` makes one."""

    # --- the connection

    async def info(self) -> dict[str, Any]:
        """kind, session, client_id, address, connected, synced, unsynced, has_unsynced_changes,
        authenticated, scope, settled, refused (SyncStatus 0 on this socket), sockets_opened,
        buffered (bytes that wait to be sent), deflates (compression was agreed on), bytes_read (of
        the newest socket, from the wire)."""
        return dict(await self._call("info"))

    async def connect(self) -> None:
        """Goes online; for one that shares its socket, all of them do."""
        await self._call("connect")

    async def disconnect(self) -> None:
        """Goes offline and stays so; closes the socket with a close frame."""
        await self._call("disconnect")

    async def attach(self) -> None:
        """Enters the document again on the same Hocuspocus socket."""
        await self._call("attach")

    async def detach(self) -> None:
        """Leaves the document but not the socket: v3 and v4 send CLOSE, v2 only forgets it."""
        await self._call("detach")

    async def destroy(self, *, keep_socket: bool = False) -> None:
        """Ends the client with its goodbyes. The last user of a shared socket closes it.

        keep_socket: end only the provider. A v2 provider does just that by itself.
        """
        await self._call("destroy", keepSocket=keep_socket)

    async def terminate(self, *, reset: bool = False) -> None:
        """Cuts the TCP connection without a close frame; providers reconnect by themselves.

        reset: with a RST instead of a FIN.
        """
        await self._call("terminate", reset=reset)

    async def pause(self) -> None:
        """Stops reading from the socket: a slow reader. Lasts as long as this socket."""
        await self._call("pause")

    async def resume(self) -> None:
        """Reads on."""
        await self._call("resume")

    async def set_token(self, token: str | None, *, send: bool = False) -> None:
        """Changes the token for the next connection; send: and sends it now (hp3, hp4)."""
        await self._call("set_token", token=token, send=send)

    async def send_stateless(self, payload: str) -> None:
        """Sends a stateless message (hocuspocus)."""
        await self._call("send_stateless", payload=payload)

    async def force_sync(self) -> None:
        """Sends step1 again (hocuspocus)."""
        await self._call("force_sync")

    async def send_raw(self, frame: bytes) -> None:
        """Sends bytes past the provider."""
        await self._call("send_raw", hex=frame.hex())

    # --- what it holds

    async def text(self, type: str = "content") -> str:
        """A Y.Text as a string."""
        return str(await self._call("read", **{"as": "text", "type": type}))

    async def json(self, kind: str = "map", type: str | None = None) -> Any:
        """A shared type as plain values.

        kind: `text`, `delta` (of a Y.Text), `map`, `array`, `xml` (a string), `subdocs` (guids).
        type: the type's name; default `content` for texts, else the kind.
        """
        name = type or ("content" if kind in ("text", "delta") else kind)
        return await self._call("read", **{"as": kind, "type": name})

    async def whole(self) -> dict[str, Any]:
        """The document's `toJSON()`: each root type that was asked for by its kind."""
        return dict(await self._call("whole"))

    async def prosemirror(self, schema: str, type: str) -> dict[str, Any]:
        """An XmlFragment as ProseMirror documents.

        `raw`: y-prosemirror's JSON of it; `seen`: what an editor shows. schema: `prosemirror` (the
        basic one with lists) or `tiptap`.
        """
        return dict(await self._call("prosemirror", schema=schema, type=type))

    async def state_vector(self) -> dict[int, int]:
        """Client id → clock."""
        return {int(client): clock for client, clock in (await self._call("state_vector")).items()}

    async def state(self, since: bytes | None = None) -> bytes:
        """The document as an update; since: an encoded state vector, only what it lacks."""
        vector = None if since is None else base64.b64encode(since).decode()
        return base64.b64decode(await self._call("state", since=vector))

    async def digest(self) -> str:
        """A hash of state vector and delete set: equal where the content is."""
        return str(await self._call("digest"))

    async def compare(self, other: Client) -> dict[str, bool]:
        """`same`, `state_vector`, `delete_set`, `text`: where two clients agree."""
        return dict(await self._call("compare", other=other.name))

    async def has_pending(self) -> bool:
        """Whether updates wait for others that have not arrived."""
        return bool(await self._call("has_pending"))

    # --- awareness

    async def set_awareness(self, state: dict[str, Any] | None) -> None:
        """Sets the whole local state; None: goes away for others."""
        await self._call("set_awareness", state=state)

    async def set_awareness_field(self, field: str, value: Any) -> None:
        """Sets one field of the local state; does nothing while that is None."""
        await self._call("set_awareness_field", field=field, value=value)

    async def awareness(self) -> dict[int, dict[str, Any]]:
        """Client id → `{"clock", "state"}`; state None: known, but gone."""
        return {int(client): entry for client, entry in (await self._call("awareness")).items()}

    # --- what happened

    async def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Everything seen so far, each `{"at": milliseconds, "event": …, …}`, from number `after`.

        All kinds: `socket-opening` (url), `socket-open`, `socket-close` (code, reason), `exception`
        (message; thrown by the provider on a frame), `status` (status).
        hocuspocus: `synced`, `connect`, `disconnect` and `close` (code, reason; `close` also for a
        CLOSE message, code 1000), `authenticated` (scope), `authenticationFailed` (reason),
        `stateless` (payload).
        y-websocket: `sync` (state), `connection-close` (code, reason, local), `connection-error`,
        `closed` (code, reason; it will not come back), `permissionDenied` (reason).
        """
        return list(await self._call("events", after=after))

    async def trace(self, on: bool = True) -> None:
        """Starts or stops keeping frames; drops those kept."""
        await self._call("trace", on=on)

    async def frames(self, direction: str | None = None) -> list[Frame]:
        """The frames kept: of this document, and those that belong to none."""
        kept = await self._call("frames")
        return [
            Frame(frame["at"], frame["direction"], frame["size"], bytes.fromhex(frame["hex"]))
            for frame in kept
            if direction in (None, frame["direction"])
        ]

    async def unsynced(self) -> int | None:
        """The provider's `unsyncedChanges`; None for y-websocket."""
        count = (await self.info())["unsynced"]
        return None if count is None else int(count)

    async def has_unsynced_changes(self) -> bool | None:
        """The provider's `hasUnsyncedChanges`; None for y-websocket."""
        unsynced: bool | None = (await self.info())["has_unsynced_changes"]
        return unsynced
