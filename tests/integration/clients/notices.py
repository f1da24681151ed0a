"""The stateless messages that Hocuspocus clients got from the server."""

import json
from typing import Any

from tests.clients.client import Client
from tests.support.waiting import eventually


async def notices(client: Client, kind: str) -> list[dict[str, Any]]:
    """All of one type, oldest first."""
    payloads = [
        json.loads(event["payload"])
        for event in await client.events()
        if event["event"] == "stateless"
    ]
    return [payload for payload in payloads if payload["type"] == kind]


async def newest(client: Client, kind: str, **fields: Any) -> dict[str, Any]:
    """The newest of one type, once it has these fields."""

    async def found() -> dict[str, Any] | None:
        last = (await notices(client, kind))[-1:]
        return last[0] if last and last[0] | fields == last[0] else None

    result = await eventually(found, what=f"{kind} with {fields} at {client}")
    assert result is not None
    return result
