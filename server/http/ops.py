"""What the server answers over plain HTTP: its health, its metrics and its page."""

import gzip
import os
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.health import Health

STATIC = Path(__file__).parent / "static"
DOCS = "/api/docs"
NO_PAGE = (
    "Lyceum is running, but its page was not built: that needs Node 20 or newer.\n"
    "Install Node and run `make run` again.\n"
    "Editors can connect all the same: ws://HOST:PORT/yjs/SESSION and ws://HOST:PORT/hocuspocus\n"
)
NO_DOCS = (
    "The page about the API was not built: that needs Node 20 or newer.\n"
    "Install Node and run `make run` again; or give /api/openapi.json, which describes the API\n"
    "for machines, to a tool of your choice. docs/api.md of Lyceum explains it for people.\n"
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        # 'self' of connect-src covers WebSockets to the same host and port
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
        b" img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
        b" frame-ancestors 'none'",
    ),
]


class Assets(StaticFiles):
    """Files whose names change with their content, compressed once for all who ask for them."""

    def file_response(
        self,
        full_path: PathLike[str] | str,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """One file."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        encodings = Headers(scope=scope).get("accept-encoding", "")
        if response.status_code == 200 and "gzip" in encodings:
            response = Response(
                _gzipped(str(full_path), stat_result.st_mtime_ns),
                media_type=response.media_type,
                headers={"content-encoding": "gzip", "etag": f"W/{response.headers['etag']}"},
            )
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        response.headers["vary"] = "accept-encoding"
        return response


@lru_cache(maxsize=32)
def _gzipped(path: str, _changed: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)


class SecurityHeaders:
    """Adds to every response what keeps a browser from being led astray.

    default: headers for responses that don't have their own of that name.
    """

    def __init__(self, app: ASGIApp, default: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._app = app
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                missing = [header for header in self._default if header[0] not in names]
                message["headers"] = [*message["headers"], *HEADERS, *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _page(path: Path, instead: str) -> Response:
    """A built page, or what to say if it was not built."""
    if not path.exists():
        return PlainTextResponse(instead)
    return FileResponse(path, headers={"cache-control": "no-cache"})


def make_app(health: Health, static: Path = STATIC) -> Starlette:
    """The HTTP side of the server; `static` holds the built page."""

    async def page(request: Request) -> Response:
        return _page(static / "index.html", NO_PAGE)

    async def docs(request: Request) -> Response:
        return _page(static / "api" / "docs.html", NO_DOCS)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        reason = health.reason()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes: list[Route | Mount] = [
        Route("/", page),
        Route("/index.html", page),
        Route(DOCS, docs),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]
    if static.is_dir():
        routes.append(Mount("/assets", Assets(directory=static / "assets", check_dir=False)))
        routes.append(Mount("/", StaticFiles(directory=static)))
    return Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)])
