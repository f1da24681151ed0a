"""Clients that type numbered lines through whatever happens to the server."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import ClassVar

from tests.chaos.stored import StoredDocument, check_lines, until_stored
from tests.clients.client import Client
from tests.clients.driver import Driver, Kind
from tests.clients.results import Lines
from tests.support.waiting import eventually

KINDS: tuple[Kind, ...] = ("hp2", "hp3", "hp4", "yws")
EAGER = {"delay": 50, "minDelay": 50, "maxDelay": 200, "jitter": False}


async def open_client(driver: Driver, kind: Kind, url: str, session: str) -> Client:
    """A client that comes back soon after it lost its socket."""
    if kind == "yws":
        return await driver.join(kind, url, session, options={"maxBackoffTime": 200})
    return await driver.join(kind, url, session, socket_options=EAGER)


class Typists:
    """Some clients that type at once, connected or not, until they are told to stop."""

    left: ClassVar[set["Typists"]] = set()  # started and not ended

    def __init__(self, driver: Driver, clients: Sequence[Client]) -> None:
        self._driver = driver
        self.clients = clients
        self._typing: list[asyncio.Task[Lines]] = []

    @classmethod
    async def start(
        cls,
        driver: Driver,
        url: str,
        places: Iterable[tuple[Kind, str]],
        *,
        burst: int = 3,
        pause: float = 0.01,
    ) -> "Typists":
        """Open clients of these kinds in these sessions, and have them type.

        burst: lines in one go. pause: seconds before the next.
        """
        clients = [await open_client(driver, kind, url, session) for kind, session in places]
        typists = cls(driver, clients)
        cls.left.add(typists)
        typists.type(burst=burst, pause=pause)
        return typists

    def type(self, *, burst: int = 3, pause: float = 0.01) -> None:
        """Have them type."""
        self._typing = [
            asyncio.create_task(
                client.type_lines(client.name, 10**6, burst=burst, pause=pause, ack_timeout=0.5)
            )
            for client in self.clients
        ]

    async def acknowledged(self) -> dict[Client, list[str]]:
        """The lines that each client knows to be saved."""
        return {client: (await client.lines()).acked for client in self.clients}

    async def until_acknowledged(self, count: int) -> None:
        """Wait until so many lines of all together are saved."""

        async def enough() -> bool:
            return sum(len(lines) for lines in (await self.acknowledged()).values()) >= count

        await eventually(enough, 30, f"{count} acknowledgements")

    async def more_acknowledged(self, count: int = 20) -> None:
        """Wait until so many lines more are saved."""
        before = sum(len(lines) for lines in (await self.acknowledged()).values())
        await self.until_acknowledged(before + count)

    async def until_unacknowledged(self) -> None:
        """Wait until each that would be told is owed an acknowledgement."""

        async def all_owed() -> bool:
            lines = [await client.lines() for client in self.clients if client.kind != "yws"]
            return all(len(each.acked) < len(each.sent) for each in lines)

        await eventually(all_owed, 15, "lines without an acknowledgement")

    async def until_disconnected(self) -> None:
        """Wait until all sockets have ended, so that no acknowledgement is on its way."""

        async def all_ended() -> bool:
            infos = await asyncio.gather(*(client.info() for client in self.clients))
            return not any(info["connected"] for info in infos)

        await eventually(all_ended, 15, "the sockets' end")

    async def until_seen_by_all(self, client: Client, text: str) -> None:
        """Have a client type something, and wait until all in its session have it."""
        await client.insert(text, 0)
        others = [other for other in self.clients if other.session == client.session]
        await asyncio.gather(*(other.wait_text(contains=text, timeout=15) for other in others))

    async def stop(self) -> None:
        """Have them stop."""
        await asyncio.gather(*(client.stop_typing() for client in self.clients))
        await asyncio.gather(*self._typing)
        self._typing = []

    async def end(self) -> None:
        """End them, in the middle of a word if need be."""
        self.left.discard(self)
        await self.stop()
        await asyncio.gather(*(client.destroy() for client in self.clients))

    async def check(self, database_url: str, timeout: float = 30) -> dict[str, StoredDocument]:
        """Stop them; all that anybody typed is with everybody and in the database, once.

        Those who can know that it is saved do. Returns what is stored of each session.
        """
        await self.stop()
        found = {}
        await asyncio.gather(*(client.wait_synced(timeout) for client in self.clients))
        for session in {client.session for client in self.clients}:
            here = [client for client in self.clients if client.session == session]
            await self._driver.wait_converged(*here, timeout=timeout)
            text = await here[0].text()
            for client in here:
                lines = await client.lines()
                assert check_lines(text, client.name, lines.sent) == len(lines.sent)
            await self.until_all_acknowledged()
            found[session] = await until_stored(database_url, session, text)
        await self.end()
        return found

    async def until_all_acknowledged(self) -> None:
        """Wait until everybody who can know that all is saved does; y-websocket never tells."""

        async def known() -> bool:
            for client in self.clients:
                if client.kind != "yws":
                    lines, info = await client.lines(), await client.info()
                    unknown = set(lines.sent) - set(lines.acked)
                    assert not unknown, f"{len(unknown)} of {len(lines.sent)}: {info}"
                    assert info["settled"], info
            return True

        await eventually(known, 15, "acknowledgements")
