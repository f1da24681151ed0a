"""Every role with every message that a client can send."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from server.domain.roles import Role
from server.protocol import yjs
from server.protocol.hocuspocus import Type
from server.protocol.lib0 import Reader, varbuf, varstring, varuint
from server.protocol.yjs import SyncType
from tests.integration.clients.accounts import token
from tests.integration.clients.raw import EMPTY_STATE_VECTOR, announcement, auth
from tests.integration.clients.test_sockets import typed
from tests.support.server import LyceumServer

ROLES = (Role.VIEWER, Role.COMMENTER, Role.EDITOR, Role.TEACHER)


class Speaker:
    """A Hocuspocus client without manners: it sends whatever it likes, in one session."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session

    async def send(self, kind: int, body: bytes) -> None:
        """Send one message."""
        await self._socket.send(varstring(self._session) + varuint(kind) + body)

    async def answer(self, kind: Type) -> Reader:
        """The body of the next message of a type."""
        while True:
            frame = await asyncio.wait_for(self._socket.recv(decode=False), 30)
            assert isinstance(frame, bytes)
            reader = Reader(frame)
            assert reader.varstring() == self._session
            if reader.varuint() == kind:
                return reader

    async def writes(self, kind: Type, sync: SyncType, text: str) -> bool:
        """Whether an update is taken, sent in one of the ways there are."""
        await self.send(kind, varuint(sync) + varbuf(typed(text)))
        return (await self.answer(Type.SYNC_STATUS)).varuint() == 1

    async def says(self, type: str, **fields: Any) -> dict[str, Any]:
        """What a command is answered with."""
        await self.send(Type.STATELESS, varstring(json.dumps({"type": type, **fields})))
        while True:
            told = json.loads((await self.answer(Type.STATELESS)).varstring())
            if told["type"] in ("chat.saved", "chat.messages", "refused"):
                return dict(told)


@asynccontextmanager
async def speaker(server: LyceumServer, session: str, role: Role) -> AsyncIterator[Speaker]:
    """One with this role, let in."""
    async with connect(f"{server.ws}/hocuspocus", compression=None) as socket:
        await socket.send(auth(session, token(session, role)))
        speaker = Speaker(socket, session)
        await speaker.answer(Type.AUTH)
        yield speaker


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.label)
async def test_the_document(guarded: LyceumServer, role: Role) -> None:
    """Editors and teachers change it, in each of the ways; all read it, and show that they are
    there.
    """
    session = f"messages to the document as {role.label}"
    may_write = role in (Role.EDITOR, Role.TEACHER)
    async with speaker(guarded, session, role) as client:
        assert await client.writes(Type.SYNC, SyncType.UPDATE, "update") is may_write
        assert await client.writes(Type.SYNC, SyncType.STEP2, "step 2") is may_write
        assert await client.writes(Type.SYNC_REPLY, SyncType.STEP2, "reply") is may_write
        await client.send(Type.SYNC, varuint(SyncType.STEP1) + varbuf(EMPTY_STATE_VECTOR))
        read = yjs.read_sync(await client.answer(Type.SYNC))
        assert isinstance(read, yjs.SyncStep2)
        for text in ("update", "step 2", "reply"):
            assert (text.encode() in read.update) is may_write
        await client.send(Type.AWARENESS, varbuf(announcement(7, 1, '{"name":"me"}')))
        await client.send(Type.QUERY_AWARENESS, b"")
        (here,) = yjs.read_awareness(await client.answer(Type.AWARENESS)).entries
        assert here.state == '{"name":"me"}'


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.label)
async def test_the_chat(guarded: LyceumServer, role: Role) -> None:
    """Commenters and above say something, and change what they said; teachers change anything; all
    read.
    """
    session = f"messages to the chat as {role.label}"
    chats, moderates = role is not Role.VIEWER, role is Role.TEACHER
    async with (
        speaker(guarded, session, role) as client,
        speaker(guarded, session, Role.EDITOR) as author,
    ):
        theirs = await author.says("chat.send", client_message_id="theirs", body="theirs")
        if role is Role.EDITOR:  # it is the same user
            theirs["seq"] = await said_by_another(guarded, session)
        commands = {
            "chat.send": (chats, {"client_message_id": "mine", "body": "mine"}),
            "chat.edit": (moderates, {"seq": theirs["seq"], "body": "changed"}),
            "chat.delete": (moderates, {"seq": theirs["seq"]}),
        }
        for command, (may, fields) in commands.items():
            told = await client.says(command, **fields)
            assert told.get("code", "saved") == ("saved" if may else "forbidden"), command
        if chats:
            page = await client.says("chat.history")
            mine = next(m["seq"] for m in page["messages"] if m["client_message_id"] == "mine")
            assert (await client.says("chat.edit", seq=mine, body="better"))["type"] == "chat.saved"
            assert (await client.says("chat.delete", seq=mine))["type"] == "chat.saved"
        assert (await client.says("chat.read", since=0))["type"] == "chat.messages"
        for _ in range(20):  # who has the answer may ask on at once
            told = await client.says("chat.history")
            assert told["type"] == "chat.messages", told
        assert (await client.says("chat.shout", body="x"))["code"] == "invalid"


async def said_by_another(server: LyceumServer, session: str) -> int:
    """The seq of a message of a teacher's."""
    async with speaker(server, session, Role.TEACHER) as teacher:
        told = await teacher.says("chat.send", client_message_id="another's", body="x")
        return int(told["seq"])
