"""Sessions are read for many at once over a few connections, and nobody is left waiting."""

import asyncio

import pytest

from server.errors import NotFound
from server.ids import SessionName
from server.persistence import collaboration
from server.persistence.database import PASSING, Database
from server.persistence.opening import Opening
from server.persistence.types import Connection
from server.sessions import reading as reading_module
from server.sessions.reading import READERS, Reader
from tests.support.proxy import Proxy

NAMES = [SessionName(f"lesson {number}") for number in range(30)]


async def test_each_gets_its_own(database: Database, connection: Connection) -> None:
    """However many ask at once; one that does not exist harms no other."""
    for name in NAMES[1:]:
        await collaboration.open_for_join(connection, name, create=True)
    reader = Reader(database, creates=False)
    read = await asyncio.gather(*map(reader.read, NAMES), return_exceptions=True)
    assert isinstance(read[0], NotFound)
    assert [one.details.name for one in read[1:] if isinstance(one, Opening)] == NAMES[1:]


async def test_a_few_connections_do(database_url: str) -> None:
    """The rest of the pool is left to others."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        reader = Reader(database, creates=True)
        read = await asyncio.gather(*map(reader.read, NAMES))
        assert [one.details.name for one in read] == NAMES
        assert proxy.connections <= READERS
        await database.close()


async def test_a_connection_that_breaks(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was being read hears of it; the others are read over another one."""
    monkeypatch.setattr(reading_module, "READERS", 1)
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        reader = Reader(database, creates=True)
        await reader.read(NAMES[0])
        trap = proxy.cut_request(b"lesson 7")
        async with asyncio.timeout(30):
            read = await asyncio.gather(*map(reader.read, NAMES), return_exceptions=True)
            await trap.sprung()
            assert isinstance(read[7], PASSING)
            others = [one for one in read if isinstance(one, Opening)]
            assert [one.details.name for one in others] == [*NAMES[:7], *NAMES[8:]]
        await database.close()


async def test_no_connection_at_all(database_url: str) -> None:
    """Everybody who waits hears of it, and is read when there is one again."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        reader = Reader(database, creates=True)
        proxy.shut()
        async with asyncio.timeout(60):
            read = await asyncio.gather(*map(reader.read, NAMES), return_exceptions=True)
            assert all(isinstance(one, PASSING) for one in read)
            await proxy.open()
            assert (await reader.read(NAMES[0])).details.name == NAMES[0]
        await database.close()


async def test_who_leaves_holds_up_nobody(database_url: str) -> None:
    """A reading that is broken off while it waits."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        reader = Reader(database, creates=True)
        proxy.stall()
        reading = [asyncio.create_task(reader.read(name)) for name in NAMES]
        await asyncio.sleep(0)
        for task in reading[::2]:
            task.cancel()
        proxy.resume()
        await asyncio.wait(reading)
        assert [task.cancelled() for task in reading] == [True, False] * 15
        await database.close()
