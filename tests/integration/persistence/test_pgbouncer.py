"""By way of a real PgBouncer in transaction mode, with the settings of deploy/."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.config import Pooling
from server.errors import DatabaseError
from server.persistence import connections, queries
from server.persistence.access import Access
from server.persistence.database import PASSING, Database, wait_until_up
from server.persistence.queries import Kind, Query
from tests.support.api import SECRET, Api
from tests.support.logins import connected, database_of, login
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.postgres import PostgresInstance
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

PEOPLE = 40
CLIENTS = 250
ADD = """
insert into users (subject, username)
select 'user-' || n, 'user-' || n from generate_series(1, $1) n
returning id
"""
FOREIGN = """
select count(*)
from users
where username like 'name-%' and username not like 'name-' || id || '-%'
"""
NAP = Query("test.nap", Kind.READ, "select pg_sleep(0.002), $1::text")


@pytest_asyncio.fixture(scope="module")
async def url(postgres: PostgresInstance) -> str:
    """A database for all of these."""
    return await postgres.create_database()


@pytest_asyncio.fixture(scope="module")
async def app(url: str) -> str:
    """The URL of an application's login."""
    return await login(url, "lyceum_app")


def cluster_of(postgres: PostgresInstance) -> Path:
    return postgres.log.parent / "postgres"


@pytest_asyncio.fixture(scope="module")
async def bouncer(postgres: PostgresInstance, url: str, app: str) -> AsyncIterator[PgBouncer]:
    """One with few connections to Postgres, so that many share them."""
    async with pgbouncer(url, cluster_of(postgres), default_pool_size="8") as bouncer:
        yield bouncer


async def test_nobody_sees_anothers_rows(url: str, app: str, bouncer: PgBouncer) -> None:
    """250 clients on 8 connections, some of which break off, are killed or fail in the middle.

    Each transaction sees the rows of its person, what it changed among them, and nothing else.
    """
    async with connected(url) as superuser:
        people = [row["id"] for row in await superuser.fetch(ADD, PEOPLE)]
    access = await Access.open(bouncer.url(app), pooling=Pooling(size=CLIENTS))
    seen = 0

    async def visit(person: int, dice: random.Random) -> None:
        nonlocal seen
        async with access.as_user(person, f"request of {person}") as connection:
            assert [row[0] for row in await connection.fetch("select id from users")] == [person]
            await asyncio.sleep(dice.random() / 200)
            if dice.random() < 0.05:
                connection.terminate()  # the client dies in the middle
                return
            if dice.random() < 0.05:
                await connection.execute("select 1 / 0")
            if dice.random() < 0.05:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
            name = f"name-{person}-{dice.randrange(10**9)}"
            await connection.execute("update users set username = $1", name)
            rows = await connection.fetch("select username, current_user_id() from users")
            assert [tuple(row) for row in rows] == [(name, person)]
            seen += 1

    async def client(number: int) -> None:
        dice = random.Random(number)
        for _ in range(3):
            with suppress(*PASSING):  # some are killed, cut off or wrong on purpose
                await asyncio.wait_for(visit(dice.choice(people), dice), 5 if number % 9 else 0.02)

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert seen > CLIENTS
    async with connected(url) as superuser:
        assert await superuser.fetchval(FOREIGN) == 0
        await superuser.execute("delete from users")
    await access.close()


async def test_statements_outside_of_transactions_do_not_mix(url: str, bouncer: PgBouncer) -> None:
    """Each gets its own answer, though nothing holds a connection for longer than a statement."""
    database = await Database.open(url, Pooling(size=60, pooler_url=bouncer.url(url)))

    async def ask(number: int) -> None:
        for step in range(10):
            async with database.acquire() as connection:
                sql = f"select {number}, $1::int, array_agg(n) from generate_series(1, {step}) n"
                row = await connection.fetchrow(sql, step)
                assert tuple(row or ()) == (number, step, list(range(1, step + 1)) or None)

    await asyncio.gather(*(ask(number) for number in range(60)))
    await database.close()


async def test_what_goes_which_way(url: str, bouncer: PgBouncer) -> None:
    """Short statements by the pooler, with time-outs; connections of one's own go to Postgres."""
    pooling = Pooling(pooler_url=bouncer.url(url), slow_seconds=0.002)
    with capture_logs() as logs:
        database = await Database.open(url, pooling)
        async with database.acquire() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            assert pid != connection.get_server_pid()
            assert await connection.fetchval("show statement_timeout") == "20s"
            assert await connection.fetchval("show lock_timeout") == "10s"
            assert await connection.fetchval("show application_name") == "lyceum"
            await queries.fetch(connection, NAP, "a secret")
        own = await database.connect()
        assert await own.fetchval("select pg_backend_pid()") == own.get_server_pid()
        await own.close()
        slow = await eventually(lambda: [e for e in logs if e["event"] == "slow query"])
    assert "plan" in slow[0]
    assert "a secret" not in str(logs)
    assert not [entry for entry in logs if "pooler" in entry["event"]]
    async with database.acting_for("nobody known") as connection:
        assert await connection.fetchval("select current_user_id()") is None
    assert (await database.read(lambda c: c.fetchval("select 1"))) == (1, "primary")
    assert await database.position() > 0
    await database.close()


@pytest.mark.parametrize("opening", [Database.open, wait_until_up])
async def test_a_pooler_is_no_database(
    url: str, bouncer: PgBouncer, opening: Callable[[str], object]
) -> None:
    """Who gives its URL for the database's is told which setting it belongs into."""
    with pytest.raises(DatabaseError, match=r"leads to a pooler .* LYCEUM_POOLER_URL"):
        await opening(bouncer.url(url))  # type: ignore[misc]


async def test_another_database(postgres: PostgresInstance, url: str, bouncer: PgBouncer) -> None:
    """A pooler that leads elsewhere is refused at once."""
    other = await postgres.create_empty_database()
    with pytest.raises(DatabaseError, match=r"LYCEUM_POOLER_URL, .*, leads to another database"):
        await Database.open(url, Pooling(pooler_url=bouncer.url(other)))


async def test_nobody_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler that can't be reached is told by its own setting."""
    monkeypatch.setattr(connections, "FIRST_TRY_SECONDS", 0.0)
    with pytest.raises(DatabaseError, match=r"can't be reached .* is LYCEUM_POOLER_URL right"):
        await Database.open(url, Pooling(pooler_url="postgresql://x:y@127.0.0.1:1/x"))


async def test_a_pooler_without_settings(postgres: PostgresInstance, url: str) -> None:
    """Whoever left out the time-outs is warned; who waits for long for a connection is told."""
    narrow = {"default_pool_size": "1", "query_wait_timeout": "1"}
    async with pgbouncer(url, cluster_of(postgres), bounded=False, **narrow) as bouncer:
        with capture_logs() as logs:
            database = await Database.open(url, Pooling(pooler_url=bouncer.url(url)))
        assert ["statement_timeout" in entry["event"] for entry in logs] == [True]
        async with database.acquire() as first, first.transaction():
            await first.execute("select 1")
            async with database.acquire() as second:
                with pytest.raises(PASSING, match="query_wait_timeout"):
                    await second.execute("select 1")
        await database.close()
        assert "ERROR" not in bouncer.log.read_text()


async def test_a_server(
    postgres: PostgresInstance, bouncer: PgBouncer, make_server: Callable[..., LyceumServer]
) -> None:
    """It starts, migrates if need be and serves, with its statements by the pooler."""
    url = await postgres.create_database()
    server = make_server(database_url=url, pooler_url=bouncer.url(url), auth_secret=SECRET)
    await server.start()
    api = Api.user(server, "ann")
    assert (await api("POST", "/sessions", {"name": "pooled"})).status == 201
    assert (await api("GET", "/sessions/pooled")).body["owner"] == "ann"
    own = "select count(*) from pg_stat_activity where datname = $1 and client_addr is null"
    async with connected(postgres.server.url) as superuser:
        # How many depends on which job is at it; they come and go.
        await eventually(lambda: superuser.fetchval(own, database_of(url)), 30, "own connections")
    assert await server.stop() == 0
    assert not [entry for entry in server.logs() if entry["level"] == "error"]
