"""A real receiver of webhooks on loopback, which does as it is told."""

import asyncio
import hmac
import json
from base64 import b64decode, b64encode
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web


class Got(NamedTuple):
    """A request that came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What the receiver drops doubles by."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """What it says."""
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """Whether the signature fits, found as docs/webhooks.md tells receivers to."""
        key = b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = b64encode(hmac.digest(key, signed, "sha256")).decode()
        given = [part.partition(",") for part in self.headers["webhook-signature"].split()]
        return any(version == "v1" and signature == expected for version, _, signature in given)


class Receiver:
    """Answers what `answers` says, one after the other, then always 200.

    An answer is a status, a whole response, or None to hang until the test ends.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: deque[int | web.Response | None] = deque()
        self.port = 0
        self._released = asyncio.Event()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=1.0)

    @property
    def ids(self) -> Counter[str]:
        """How often each event came."""
        return Counter(got.id for got in self.got)

    def events(self, type: str) -> list[Any]:
        """Data of the events of one type, each once, as they came in."""
        seen = {got.id: got.event for got in self.got}
        return [event["data"] for event in seen.values() if event["type"] == type]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def release(self) -> None:
        """Let go those that hang."""
        self._released.set()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.got.append(Got(request.raw_path, dict(request.headers), body))
        answer = self.answers.popleft() if self.answers else 200
        if answer is None:
            await self._released.wait()
            return web.Response()
        return web.Response(status=answer) if isinstance(answer, int) else answer

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self._runner.cleanup()
