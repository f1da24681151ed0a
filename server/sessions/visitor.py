"""Somebody who edits a session without a socket, over REST."""

import asyncio
from uuid import UUID, uuid4

from server.domain.identity import Identity
from server.errors import LyceumError


class Visitor:
    """The author of one update, who learns by a future when it is saved.

    saved: done after COMMIT, or with the LyceumError for which the update was not taken.
    """

    def __init__(self, identity: Identity) -> None:
        self.id: UUID = uuid4()
        self.identity = identity
        self.saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def acknowledge(self, count: int) -> None:
        """It is saved."""
        if not self.saved.done():
            self.saved.set_result(None)

    def close(self, error: LyceumError) -> None:
        """It can't be."""
        if not self.saved.done():
            self.saved.set_exception(error)
