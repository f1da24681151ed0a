"""Pages in browsers: which may use the API, and what their browser has to be told (Fetch: CORS)."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.domain.origins import OriginPolicy
from server.errors import ForeignPage
from server.http.api.problems import PROBLEM_JSON, encoded

EXPOSED = b"ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-ID"
PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID",
    ),
    (b"access-control-max-age", b"600"),
]


class Pages:
    """Lets only those pages through to the API that may connect; other programs name no origin."""

    def __init__(self, api: ASGIApp, policy: OriginPolicy) -> None:
        self._api = api
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if not self._policy.allows(origins, headers.get("host", "")):
            refusal = ForeignPage()
            await _answer(send, refusal.http_status, encoded(refusal))
            return
        if not origins:
            await self._api(scope, receive, send)
            return
        allowed = [
            (b"access-control-allow-origin", origins[0].encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"Origin"),
        ]
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _answer(send, 204, b"", [*allowed, *PREFLIGHT])
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        await self._api(scope, receive, send_allowed)


async def _answer(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    kind = [(b"content-type", PROBLEM_JSON.encode())] if body else []
    await send(
        {"type": "http.response.start", "status": status, "headers": [*kind, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": body})
