"""Pools: how full they are and how long one waits is seen, and who gets nothing is told."""

import asyncio

import pytest

from server.config import Pooling
from server.errors import PoolExhausted
from server.persistence import pools
from server.persistence.access import Access
from server.persistence.database import PASSING, Database
from server.persistence.pools import NamedPool
from server.persistence.queries import Kind
from tests.support.logins import login
from tests.support.metrics import metric
from tests.support.proxy import Proxy
from tests.support.waiting import eventually


async def test_how_full_a_pool_is(database_url: str) -> None:
    """Its bound, what it has, what is lent and who waits; nothing of it once it is closed."""
    pool = await NamedPool.open("full", database_url)
    waits = metric("lyceum_pool_wait_seconds_count", pool="full")

    def seen() -> list[float]:
        names = ("limit", "size", "in_use", "waiting")
        return [metric(f"lyceum_pool_{name}", pool="full") for name in names]

    assert seen() == [10, 1, 0, 0]
    async with pool.acquire(), pool.acquire():
        assert seen() == [10, 2, 2, 0]
    assert seen() == [10, 2, 0, 0]
    assert metric("lyceum_pool_wait_seconds_count", pool="full") == waits + 2
    pool.close()
    assert seen() == [0, 0, 0, 0]


async def test_who_gets_no_connection_is_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error that passes and says why; waiting and giving up are counted."""
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT", 0.2)
    database = await Database.open(database_url, Pooling(size=1))
    before = metric("lyceum_pool_exhausted_total", pool="server")

    async def ask() -> None:
        async with database.acquire():
            pass

    async with database.acquire():
        asking = asyncio.create_task(ask())
        await eventually(lambda: metric("lyceum_pool_waiting", pool="server") == 1)
        with pytest.raises(PoolExhausted, match="all 1 connections of the pool «server»") as error:
            await asking
    assert isinstance(error.value, PASSING)
    assert metric("lyceum_pool_exhausted_total", pool="server") == before + 1
    assert metric("lyceum_pool_waiting", pool="server") == 0
    async with database.acquire() as again:
        assert await again.fetchval("select 1") == 1
    await database.close()


async def test_a_hanging_database_is_no_full_pool(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the next connection can't be made, nobody is told that all were in use."""
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT", 0.2)
    async with Proxy.before_database(database_url) as proxy:
        pool = await NamedPool.open("hanging", proxy.url)
        async with pool.acquire():
            proxy.stall()
            with pytest.raises(TimeoutError) as error:
                async with pool.acquire():
                    pass
            assert not isinstance(error.value, PoolExhausted)
            proxy.resume()
        pool.close()


async def test_a_persons_transaction_has_a_kind(database_url: str) -> None:
    """Postgres ends its statements when the kind says so, whoever waits for them or does not."""
    access = await Access.open(await login(database_url, "lyceum_app"))
    async with access.as_user(1) as connection:
        assert await connection.fetchval("show statement_timeout") == "20s"
    async with access.as_user(1, kind=Kind.READ) as connection:
        assert await connection.fetchval("show statement_timeout") == "5s"
    await access.close()


async def test_a_connection_that_cannot_be_given_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that hangs while a transaction is open: an error that passes, soon."""
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT", 0.2)
    async with Proxy.before_database(database_url) as proxy:
        pool = await NamedPool.open("stuck", proxy.url)

        async def hang() -> None:
            async with pool.acquire() as connection:
                await connection.execute("begin")
                proxy.stall()

        with pytest.raises(TimeoutError):
            await hang()
        proxy.resume()
        pool.close()
