"""A teacher, who manages sessions over the REST API while others look at the page."""

import asyncio
import json
import urllib.request
from typing import Any

from server.domain.roles import Role
from server.sessions.access import make_token
from tests.support.server import LyceumServer

SECRET = "a secret of at least thirty-two bytes"
SETTINGS = {"LYCEUM_AUTH_SECRET": SECRET, "LYCEUM_GUESTS": "editor"}


def token(user: str, role: Role, name: str | None = None) -> str:
    """A token for every session."""
    return make_token(SECRET, user, name, {"*": role}, 3600)


class Teacher:
    """One session's teacher."""

    def __init__(self, server: LyceumServer, session: str) -> None:
        self.url = f"{server.http}/?session={session}"
        self._api = f"{server.http}/api/v1/sessions"
        self._session = session

    def link(self, user: str, role: Role = Role.EDITOR, name: str | None = None) -> str:
        """The page's address for a user."""
        return f"{self.url}#token={token(user, role, name)}"

    async def create(self, **details: Any) -> None:
        """Create the session."""
        await self._request("POST", self._api, {"name": self._session, **details})

    async def change(self, **details: Any) -> None:
        """Change the session."""
        await self._request("PATCH", f"{self._api}/{self._session}", details)

    async def give(self, user: str, role: Role) -> None:
        """Give somebody another role."""
        url = f"{self._api}/{self._session}/participants/{user}"
        await self._request("PUT", url, {"role": role.label})

    async def remove(self, user: str) -> None:
        """Send somebody away."""
        await self._request("DELETE", f"{self._api}/{self._session}/participants/{user}", None)

    async def _request(self, method: str, url: str, body: object) -> None:
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {token('teacher', Role.TEACHER)}",
                "content-type": "application/json",
            },
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
