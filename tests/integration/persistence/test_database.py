"""Connections to Postgres: what bounds them, and what their failures tell."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from server.config import Pooling
from server.errors import DatabaseError
from server.persistence import connections, pools
from server.persistence.database import PASSING, Database, describe, wait_until_up
from server.persistence.embedded import EmbeddedPostgres
from tests.support.postgres import FAST
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

SLEEPS = "select true from pg_stat_activity where wait_event = 'PgSleep'"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at the first failure."""
    monkeypatch.setattr(connections, "FIRST_TRY_SECONDS", 0.0)


def one_line(error: pytest.ExceptionInfo[DatabaseError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


async def test_settings(database: Database) -> None:
    """Every connection bounds what a statement, a lock and a forgotten transaction may take."""
    own = await database.connect()
    async with database.acquire() as pooled:
        for connection in (own, pooled):
            assert await connection.fetchval("show application_name") == "lyceum"
            assert await connection.fetchval("show statement_timeout") == "20s"
            assert await connection.fetchval("show lock_timeout") == "10s"
            timeout = "show idle_in_transaction_session_timeout"
            assert await connection.fetchval(timeout) == "1min"
    await own.close()


@pytest.mark.usefixtures("impatient")
async def test_unreachable(database_url: str) -> None:
    """Nobody there: the error names the address and the variable, and no password."""
    async with Proxy.before_database(database_url) as proxy:
        proxy.shut()
        with pytest.raises(DatabaseError, match="can't be reached") as error:
            await Database.open(proxy.url)
    text = one_line(error)
    assert f"@127.0.0.1:{proxy.port}/" in text
    assert "LYCEUM_DATABASE_URL" in text
    assert password_of(database_url) not in text


async def test_waits_for_a_late_database(database_url: str) -> None:
    """A database that takes connections a moment after we start is waited for."""
    async with Proxy.before_database(database_url) as proxy:
        proxy.shut()
        opening = asyncio.create_task(Database.open(proxy.url))
        await asyncio.wait([opening], timeout=0.3)
        assert not opening.done()
        await proxy.open()
        await (await opening).close()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda url: url.replace(password_of(url), "sesame"), "password authentication failed"),
        (lambda url: re.sub(r"/test_\d+\?", "/nothing?", url), '"nothing" does not exist'),
        (lambda url: url.replace("//lyceum:", "//nobody:"), "password authentication failed"),
    ],
)
async def test_refused(database_url: str, change: Any, complaint: str) -> None:
    """Postgres does not let us in: its own reason is told at once, without the password."""
    with pytest.raises(DatabaseError, match="refuses: ") as error:
        await wait_until_up(change(database_url))
    assert complaint in one_line(error)
    assert password_of(database_url) not in one_line(error)
    assert "sesame" not in one_line(error)


@pytest.mark.parametrize("password", ["se#same", "se/same", "se?same"])
async def test_url_that_cannot_be_read(password: str) -> None:
    """A password that should have been escaped spoils a URL; the error shows no part of it."""
    with pytest.raises(DatabaseError, match=r"can't be read; .* %XX") as error:
        await wait_until_up(f"postgresql://lyceum:{password}@localhost:5432/lyceum")
    assert "se" not in re.sub(r"\b(database's|password)\b", "", one_line(error))


async def test_waits_while_it_starts_up(tmp_path: Path) -> None:
    """A Postgres that answers but takes nobody yet is waited for, with a word about it."""
    postgres = EmbeddedPostgres(tmp_path / "data", settings=FAST)
    await postgres.start()
    try:
        held = await asyncpg.connect(postgres.url)
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGTERM)  # takes nobody any more, until all have left

        async def closed() -> bool:
            try:
                await (await asyncpg.connect(postgres.url)).close()
            except asyncpg.CannotConnectNowError:
                return True
            return False

        await eventually(closed)
        with capture_logs() as logs:
            waiting = asyncio.create_task(wait_until_up(postgres.url))
            await eventually(
                lambda: [entry for entry in logs if entry["event"] == "waiting for the database"]
            )
            assert not waiting.done()
            await held.close()  # it ends, and is started again
            await waiting
    finally:
        await postgres.stop()


async def test_pool_outlives_its_connections(database_url: str) -> None:
    """After all connections were cut the pool makes new ones."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        async with database.acquire() as connection:
            proxy.cut()
            with pytest.raises(PASSING):
                await connection.fetchval("select 1")
        async with database.acquire() as connection:
            assert await connection.fetchval("select 1") == 1
        await database.close()


async def test_nobody_inherits_a_transaction(database_url: str) -> None:
    """A connection that comes back in the middle of one is clean when the next one gets it."""
    database = await Database.open(database_url, Pooling(size=1))
    async with database.acquire() as connection:
        await connection.execute("begin; create table left_over ()")
    async with database.acquire() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("select to_regclass('left_over')") is None
    await database.close()


async def test_close_waits_for_nobody(database: Database) -> None:
    """Closing cuts what still runs."""
    async with database.acquire() as connection:
        sleeping = asyncio.create_task(connection.fetchval("select pg_sleep(60)"))
        looker = await database.connect()
        await eventually(lambda: looker.fetchval(SLEEPS))
        await looker.close()
        await database.close()
        with pytest.raises(PASSING):
            await sleeping


def test_describe() -> None:
    """An error is told in one line, with its kind."""
    assert describe(ValueError("first line\nsecond line")) == "ValueError: first line"
    assert describe(TimeoutError()) == "TimeoutError"


def password_of(url: str) -> str:
    return url.split(":")[2].partition("@")[0]


async def test_a_cancellation_is_not_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cancelled while the database hangs ends, though giving back a connection fails."""
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT", 1.0)
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        asking = asyncio.Event()

        async def ask() -> None:
            try:
                async with database.acquire() as connection:
                    asking.set()
                    await connection.fetchval("select pg_sleep(600)")
            except PASSING:
                pytest.fail("the cancellation became an error that passes")

        task = asyncio.create_task(ask())
        await asking.wait()
        await eventually(lambda: proxy.connections, what="a connection")
        proxy.stall()
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()
        await database.close()
