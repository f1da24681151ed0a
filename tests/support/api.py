"""The API as a program uses it."""

import json as jsons
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import aiohttp
from yarl import URL

from server.domain.roles import Role
from server.sessions.access import make_token

SECRET = "a key that only these tests know, 32 bytes and more"


class Answer(NamedTuple):
    """What the API said; body: from JSON, bytes if it is none, None for nothing."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def problem(self) -> tuple[int, str]:
        """Status and title of a problem, which it has to be."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.body["status"] == self.status
        assert self.body["type"].startswith("/api/docs#")
        assert self.body["detail"]
        return self.status, self.body["title"]


class Serving(Protocol):
    """A server."""

    @property
    def http(self) -> str:
        """Base URL of its pages."""


class Api:
    """Somebody's way to the API.

    grants: roles by session name or prefix*, of the token; None: no token. `token` may be set.
    """

    def __init__(
        self, server: Serving, grants: dict[str, Role] | None, user: str = "ann", name: str = "Ann"
    ) -> None:
        self._server = server
        self.token = "" if grants is None else make_token(SECRET, user, name, grants, 600.0)

    @classmethod
    def user(cls, server: Serving, user: str) -> "Api":
        """Somebody whose token names no sessions."""
        api = cls(server, None)
        api.token = make_token(SECRET, user, user.title(), None, 600.0)
        return api

    async def __call__(self, method: str, path: str, json: Any = None, **headers: str) -> Answer:
        """Ask with JSON; header names have underscores for hyphens."""
        body = None if json is None else jsons.dumps(json).encode()
        if body is not None:
            headers.setdefault("content_type", "application/json")
        return await self.send(method, path, body, **headers)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask with bytes, or what an asynchronous generator gives; the path stays as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("authorization", f"Bearer {self.token}")
        url = URL(f"{self._server.http}/api/v1{path}", encoded=True)
        async with (
            aiohttp.ClientSession(skip_auto_headers=["content-type"]) as client,
            client.request(method, url, data=body, headers=sent) as response,
        ):
            read = await response.read()
            if "json" in response.headers.get("content-type", ""):
                return Answer(response.status, response.headers, jsons.loads(read or b"null"))
            return Answer(response.status, response.headers, read)

    async def make(self, name: str, **fields: Any) -> Any:
        """A new session."""
        made = await self("POST", "/sessions", {"name": name, **fields})
        assert made.status == 201, made
        return made.body
