"""The way of a request to the pages or to the API, which is made when it is first asked for."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.ops import DOCS

PREFIX = "/api"


class Later:
    """An ASGI application that is made for its first request.

    make: makes it, in a thread, since it may take long; it is called once if it succeeds.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._making: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._make))
        try:
            app = await asyncio.shield(self._making)  # others may wait for it as well
        except Exception:
            self._making = None
            raise
        await app(scope, receive, send)


class Dispatch:
    """Hands requests below /api to the API, and all others to the pages.

    The API's paths are matched as they were sent: a session's name may hold a slash. HEAD is
    answered as GET; uvicorn leaves the body out.
    """

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if path == DOCS or (path != PREFIX and not path.startswith(f"{PREFIX}/")):
            await self._pages(scope, receive, send)
            return
        raw = scope["raw_path"].partition(b"?")[0].decode("latin-1")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._api({**scope, "path": raw, "method": method}, receive, send)
