"""Gives each request to the API a name, by which logs, the audit log and its sender know it."""

import re
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from server import telemetry

HEADER = "x-request-id"
GOOD = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class RequestIds:
    """Keeps the id that a proxy or a client gave a request in `X-Request-ID`, or makes one."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        given = Headers(scope=scope).get(HEADER, "")
        name = given if GOOD.fullmatch(given) else str(uuid4())

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (HEADER.encode(), name.encode())]
            await send(message)

        token = telemetry.request_id.set(name)
        try:
            with bound_contextvars(request=name):
                await self._api(scope, receive, send_named)
        finally:
            telemetry.request_id.reset(token)
