"""pycrdt-websocket as its documentation shows it, on uvicorn and uvloop; in memory only."""

import os

import uvicorn
import uvloop
from pycrdt.websocket import ASGIServer, WebsocketServer


async def main() -> None:
    """Serve until the process is ended."""
    async with WebsocketServer(auto_clean_rooms=False) as rooms:
        app = ASGIServer(rooms)
        config = uvicorn.Config(
            app,
            host=os.environ["HOST"],
            port=int(os.environ["PORT"]),
            log_level="error",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            backlog=4096,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(main())
