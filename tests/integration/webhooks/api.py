"""The API as a program uses it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

from server.domain.roles import Role
from server.sessions.access import make_token
from tests.support.server import LyceumServer

SECRET = "a key that only these tests know, 32 bytes and more"


class Answer(NamedTuple):
    """What the API said."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Api:
    """Somebody's way to the API. grants: roles by session name or prefix*; None: no token."""

    def __init__(self, server: LyceumServer, grants: dict[str, Role] | None) -> None:
        self._server = server
        self.token = "" if grants is None else make_token(SECRET, "ann", "Ann", grants, 600.0)

    async def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Answer:
        """Ask; header names have underscores for hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        url = f"{self._server.http}/api/v1{path}"
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, url, json=json, headers=sent) as response,
        ):
            text = await response.read()
            body = await response.json(content_type=None) if text else None
            return Answer(response.status, response.headers, body)

    async def hook(self, url: str, sessions: str = "*", **fields: Any) -> Any:
        """A new webhook, with its secret."""
        made = await self("POST", "/webhooks", {"url": url, "sessions": sessions, **fields})
        assert made.status == 201, made
        return made.body["webhook"] | {"secret": made.body["secret"]}

    async def deliveries(self, hook: Any, query: str = "") -> list[Any]:
        """What was sent to a webhook."""
        answer = await self("GET", f"/webhooks/{hook['id']}/deliveries{query}")
        assert answer.status == 200, answer
        items: list[Any] = answer.body["items"]
        return items
