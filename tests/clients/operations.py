"""What every part of a client stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.clients.driver import Driver


class Operations:
    """The ground of each part of a client: its name, and the way to its driver."""

    def __init__(self, driver: Driver, name: str, kind: str, session: str, client_id: int) -> None:
        self._driver = driver
        self.name = name
        self.kind = kind
        self.session = session
        self.client_id = client_id  # of its document and its awareness

    def __repr__(self) -> str:
        return f"<{self.name} in {self.session}>"

    async def _call(self, op: str, **arguments: Any) -> Any:
        return await self._driver.call(op, client=self.name, **arguments)
