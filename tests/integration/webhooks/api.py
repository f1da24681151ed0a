"""The API as a program uses it, with webhooks at hand."""

from typing import Any

from tests.support.api import SECRET as SECRET
from tests.support.api import Answer as Answer
from tests.support.api import Api as AnyApi


class Api(AnyApi):
    """Somebody's way to the API."""

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
