"""The kinds of clients, and what tests do with one of each."""

import asyncio
from typing import Any

from tests.clients.client import Client
from tests.clients.driver import Driver, Kind

HOCUSPOCUS: tuple[Kind, ...] = ("hp2", "hp3", "hp4")
KINDS: tuple[Kind, ...] = ("yws", *HOCUSPOCUS)


async def one_of_each(driver: Driver, url: str, session: str, **how: Any) -> list[Client]:
    """A joined client of each kind; arguments as `Driver.join`."""
    joining = (driver.join(kind, url, session, **how) for kind in KINDS)
    return list(await asyncio.gather(*joining))


async def fresh_digests(driver: Driver, url: str, session: str, **how: Any) -> set[str]:
    """What newcomers of each kind load; one element if that is the same."""
    loading = (driver.fresh_text(url, session, kind=kind, **how) for kind in KINDS)
    found = await asyncio.gather(*loading)
    assert not any(fresh.pending for fresh in found)
    return {fresh.digest for fresh in found}
