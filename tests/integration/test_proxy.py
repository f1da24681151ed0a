"""The proxy that other tests put into connections: it does what it says, at the byte it says."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from tests.support.proxy import Proxy
from tests.support.waiting import eventually

LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)
INSERT = "insert into documents (name) values ($1)"


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    """A proxy before a database of the test's own."""
    async with Proxy.before_database(database_url) as proxy:
        yield proxy


async def names(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch("select name from documents")]
    finally:
        await connection.close()


async def test_passes_what_is_sent(proxy: Proxy) -> None:
    """Whatever its size, what goes in comes out, and a closed connection is forgotten."""
    connection = await asyncpg.connect(proxy.url)
    assert await connection.fetchval("select $1::bytea", b"x" * 500_000) == b"x" * 500_000
    assert proxy.connections == 1
    await connection.close()
    await eventually(lambda: proxy.connections == 0)


async def test_lost_answer(proxy: Proxy, database_url: str) -> None:
    """A statement whose answer is lost was committed, and the client sees its connection end."""
    connection = await asyncpg.connect(proxy.url)
    trap = proxy.lose_answer(b"first")
    await connection.execute(INSERT, "another")
    with pytest.raises(LOST):
        await connection.execute(INSERT, "the first")
    assert trap.is_sprung
    assert await names(database_url) == ["another", "the first"]


async def test_cut_request(proxy: Proxy, database_url: str) -> None:
    """A statement that was cut on its way never happened, and later ones pass."""
    connection = await asyncpg.connect(proxy.url)
    proxy.cut_request(b"first")
    with pytest.raises(LOST):
        await connection.execute(INSERT, "the first")
    connection = await asyncpg.connect(proxy.url)
    await connection.execute(INSERT, "the first again")
    await connection.close()
    assert await names(database_url) == ["the first again"]


async def test_held_answer(proxy: Proxy, database_url: str) -> None:
    """An answer is held, with the statement committed, until it is let go or cut."""
    for end in ("release", "cut"):
        connection = await asyncpg.connect(proxy.url)
        trap = proxy.hold_answer(end.encode())
        insert = asyncio.create_task(connection.execute(INSERT, end))
        await trap.sprung()
        assert end in await names(database_url)
        assert not insert.done()
        if end == "release":
            trap.release()
            assert await insert == "INSERT 0 1"
            assert await connection.fetchval("select 7") == 7
        else:
            trap.cut()
            with pytest.raises(LOST):
                await insert
        connection.terminate()
    await eventually(lambda: proxy.connections == 0)


async def test_cut_after_some_bytes(proxy: Proxy) -> None:
    """The client gets exactly as many bytes as said, then the end."""
    connection = await asyncpg.connect(proxy.url)
    trap = proxy.cut_after(3)
    with pytest.raises(LOST):
        await connection.fetchval("select 1")
    assert trap.is_sprung

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"0123456789")
        await writer.drain()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[:2]) as tcp:
        tcp.cut_after(4)
        reader, writer = await asyncio.open_connection(tcp.host, tcp.port)
        assert await reader.read() == b"0123"
        writer.close()
    server.close()


async def test_cut_shut_and_open(proxy: Proxy) -> None:
    """Connections are cut; while it is shut new ones are refused; then they work again."""
    connection = await asyncpg.connect(proxy.url)
    proxy.cut()
    with pytest.raises(LOST):
        await connection.fetchval("select 1")
    proxy.shut()
    with pytest.raises(OSError):
        await asyncpg.connect(proxy.url)
    await proxy.open()
    assert await names(proxy.url) == []


async def test_stall_and_resume(proxy: Proxy) -> None:
    """While traffic is stalled nothing comes back; then everything does."""
    connection = await asyncpg.connect(proxy.url)
    proxy.stall()
    with pytest.raises(TimeoutError):
        await connection.fetchval("select 1", timeout=0.1)
    connection.terminate()
    waiting = asyncio.create_task(names(proxy.url))
    proxy.resume()
    assert await waiting == []
    proxy.delay = 0.001
    assert await names(proxy.url) == []
