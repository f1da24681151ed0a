"""The materialized leaderboard is made anew while others read it."""

import asyncio
from datetime import UTC, datetime

from server.persistence.access import Access
from server.persistence.school import ranks
from server.persistence.school.leaderboard import refresh_leaderboard
from server.persistence.types import Connection
from tests.school.learners import give, learners
from tests.support.logins import connected, login, name_of
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
LOOKS = """
select pg_get_viewdef(oid),
    relowner::regrole::text,
    array(select unnest(relacl)::text order by 1),
    array(
        select pg_get_indexdef(indexrelid) from pg_index where indrelid = pg_class.oid order by 1
    ),
    array(
        select attname::text || attacl::text from pg_attribute
        where attrelid = pg_class.oid and attacl is not null
    ),
    array(
        select description from pg_description
        where objoid = pg_class.oid and classoid = 'pg_class'::regclass order by objsubid
    )
from pg_class
where oid = to_regclass('mv_user_leaderboard')
"""
READ = "select count(*) from mv_user_leaderboard where user_id = $1"


async def test_it_looks_as_before(superuser: Connection, server: Connection, school: str) -> None:
    """Definition, owner, indexes, comments and rights are the same; it has what came meanwhile.

    Where nobody has points it says nothing, so that no log has it every five minutes.
    """
    assert await refresh_leaderboard(server) == {}
    reader = await login(school)
    async with superuser.transaction():
        await superuser.execute(
            "comment on column mv_user_leaderboard.rank is 'It''s shared.';"
            f" grant select (rank) on mv_user_leaderboard to {name_of(reader)};"
            " grant select on mv_user_leaderboard to lyceum_analyst with grant option"
        )
    before = await superuser.fetchrow(LOOKS)
    (ann,) = await learners(superuser, 1)
    await give(server, ann, 50, None, NOW)
    assert await superuser.fetchval(READ, ann) == 0
    did = await refresh_leaderboard(server)
    assert did == {"people": await superuser.fetchval("select count(*) from mv_user_leaderboard")}
    assert await superuser.fetchval(READ, ann) == 1
    assert tuple(await superuser.fetchrow(LOOKS)) == tuple(before)
    assert len(before[5]) == 2


async def test_it_is_read_while_it_is_made(
    superuser: Connection, server: Connection, access: Access
) -> None:
    """However long that takes: here it waits for a table that somebody has locked."""
    (ann,) = await learners(superuser, 1)
    async with superuser.transaction():
        await superuser.execute("lock table users in access exclusive mode")
        refresh = asyncio.create_task(refresh_leaderboard(server))
        await eventually(lambda: waits(superuser, "users"))
        async with access.as_user(ann) as reader:
            await reader.execute("set local lock_timeout = '2s'")
            await ranks.everybody(reader)
        assert not refresh.done()
    await refresh


async def test_it_is_read_while_it_is_swapped(
    superuser: Connection, server: Connection, access: Access
) -> None:
    """A swap that a slow reader holds up keeps no other reader waiting, and comes to its end."""
    (ann,) = await learners(superuser, 1)
    await give(server, ann, 70, None, NOW)
    async with access.as_user(ann) as slow:
        await ranks.everybody(slow)
        refresh = asyncio.create_task(refresh_leaderboard(server))
        await eventually(lambda: waits(superuser, "mv_user_leaderboard"))
        for _ in range(5):
            async with access.as_user(ann) as reader:
                await reader.execute("set local lock_timeout = '2s'")
                await ranks.everybody(reader)
        assert not refresh.done()
    await refresh
    assert await superuser.fetchval(READ, ann) == 1


async def waits(superuser: Connection, table: str) -> bool:
    """Whether somebody waits for a lock on it."""
    waiting = "select exists (select from pg_locks where not granted and relation = $1::regclass)"
    return bool(await superuser.fetchval(waiting, table))


async def test_readers_never_fail(
    superuser: Connection, server_url: str, access: Access, server: Connection
) -> None:
    """Whatever they are about to do when the one that they read is swapped for another."""
    (ann,) = await learners(superuser, 1)
    await give(server, ann, 90, None, NOW)
    await refresh_leaderboard(server)
    over = asyncio.Event()

    async def planned_once() -> int:
        reads = 0
        async with connected(server_url) as reader:
            while not over.is_set():
                assert await reader.fetchval(READ, ann) == 1
                reads += 1
        return reads

    async def planned_anew() -> int:
        reads = 0
        async with connected(server_url) as reader:
            while not over.is_set():
                await reader.execute("select * from mv_user_leaderboard order by place limit 5")
                reads += 1
        return reads

    async def in_a_transaction() -> int:
        reads = 0
        while not over.is_set():
            async with access.as_user(ann) as reader:
                await ranks.everybody(reader)
                assert await reader.fetchval(READ, ann) == 1
                reads += 1
        return reads

    readers = asyncio.gather(planned_once(), planned_anew(), in_a_transaction(), planned_once())
    for _ in range(8):
        await asyncio.wait_for(refresh_leaderboard(server), 30)
    over.set()
    assert min(await readers) > 8
