"""A small y-websocket server that loses one edit, to see whether the benchmark finds out.

`LOSES=delivery`: one reader does not get it. `LOSES=document`: all get it, but whoever joins later
does not find it. `LOSES=nothing`: it works.
"""

import asyncio
import os
from collections import defaultdict

from pycrdt import Doc
from websockets.asyncio.server import ServerConnection, serve

from server.protocol.lib0 import Reader, varuint
from server.protocol.yjs import SyncType, sync

SYNC = 0
LOST = 20  # the edit of each session that is


class Room:
    """A document and who is in it."""

    def __init__(self) -> None:
        self.document: Doc[object] = Doc()
        self.sockets: list[ServerConnection] = []
        self.edits = 0


rooms: dict[str, Room] = defaultdict(Room)


async def serve_one(socket: ServerConnection) -> None:
    """One client."""
    assert socket.request is not None
    room = rooms[socket.request.path]
    room.sockets.append(socket)
    try:
        async for message in socket:
            assert isinstance(message, bytes)
            reader = Reader(message)
            if reader.varuint() != SYNC:
                continue
            if reader.varuint() == SyncType.STEP1:
                missing = room.document.get_update(reader.varbuf())
                await socket.send(varuint(SYNC) + sync(SyncType.STEP2, missing))
            else:
                await _edit(room, socket, message, reader.varbuf())
    finally:
        room.sockets.remove(socket)


async def _edit(room: Room, author: ServerConnection, message: bytes, update: bytes) -> None:
    room.edits += 1
    lost = os.environ["LOSES"] if room.edits == LOST else "nothing"
    if lost != "document":
        room.document.apply_update(update)
    others = [socket for socket in room.sockets if socket is not author]
    for socket in others[lost == "delivery" :]:
        await socket.send(message)


async def main() -> None:
    """Serve until it is ended."""
    async with serve(serve_one, os.environ["HOST"], int(os.environ["PORT"]), compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
