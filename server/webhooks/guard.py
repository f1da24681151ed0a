"""Where webhooks may lead: names are looked up and their addresses checked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from server.webhooks.addresses import AddressRefused, Target, UrlRefused, is_public, read_url

TIMEOUT = 10.0  # seconds for all of an attempt
LOOKUPS = 8  # threads, since a name server may take its time

Lookup = Callable[[str], Awaitable[list[str]]]


class HostUnknown(UrlRefused):
    """The host of this URL has no address."""


def make_lookup() -> Lookup:
    """The system's way to find a name's addresses, with threads of its own."""
    threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhooks-lookup")

    def find(host: str) -> list[str]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def look_up(host: str) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(threads, find, host)

    return look_up


class Guard:
    """Knows where webhooks may lead.

    private: also to addresses that are not public.
    """

    def __init__(self, private: bool, look_up: Lookup) -> None:
        self._private = private
        self._look_up = look_up

    async def check(self, url: str) -> Target:
        """A URL in parts, if it may be called now; raises UrlRefused, AddressRefused."""
        target = self.read(url)
        if target.address is None:
            try:
                async with asyncio.timeout(TIMEOUT):
                    await self.addresses(target.host)
            except TimeoutError:
                raise HostUnknown from None
        return target

    def read(self, url: str) -> Target:
        """A URL in parts; only if its host is an address, that is checked. Raises as `check`."""
        target = read_url(url)
        if target.address is not None:
            self._check([target.address])
        return target

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a name, all of which may be called; raises HostUnknown, AddressRefused.

        One address that may not be is enough to refuse: else it would be a matter of luck.
        """
        try:
            found = await self._look_up(host)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise HostUnknown
        self._check(found)
        return found

    def _check(self, addresses: list[str]) -> None:
        if not self._private and not all(is_public(address) for address in addresses):
            raise AddressRefused
