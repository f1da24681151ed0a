"""Revocations in the database, and how every server learns of them."""

import asyncio

import asyncpg

from server.domain.identity import Identity
from server.domain.roles import Role
from server.persistence import revocations
from server.persistence.database import Database
from server.persistence.types import Connection
from server.sessions.revoked import Revoked


async def test_a_token_is_revoked_once(connection: Connection) -> None:
    """A second time changes nothing."""
    await revocations.revoke_token(connection, "t1")
    await revocations.revoke_token(connection, "t2")
    await revocations.revoke_token(connection, "t1")
    rows = await revocations.after(connection, 0)
    assert [(row.token_id, row.user, row.issued_before) for row in rows] == [
        ("t1", None, None),
        ("t2", None, None),
    ]
    assert await revocations.after(connection, rows[0].id) == rows[1:]


async def test_a_users_moment_moves_on(connection: Connection) -> None:
    """One row a user, and it counts as new each time."""
    first = await revocations.revoke_user(connection, "ann")
    await revocations.revoke_token(connection, "t1")
    before = await revocations.after(connection, 0)
    second = await revocations.revoke_user(connection, "ann")
    assert second > first
    (row,) = await revocations.after(connection, before[-1].id)
    assert (row.user, row.token_id, row.issued_before) == ("ann", None, second)
    assert len(await revocations.after(connection, 0)) == 2


async def test_every_server_learns_of_it(database: Database, database_url: str) -> None:
    """Those that run, by the next look and once; one that starts later, at its start."""
    changes: list[str] = []
    servers = [Revoked(database, lambda name=name: changes.append(name)) for name in ("a", "b")]
    for server in servers:
        await server.poll()
    assert changes == []
    old = Identity(Role.EDITOR, "ann", issued_at=1.0, token_id="t0")
    one = Identity(Role.EDITOR, "bob", token_id="t1")
    assert not any(server.covers(who) for server in servers for who in (old, one, Identity()))

    connection = await asyncpg.connect(database_url)
    await revocations.revoke_user(connection, "ann")
    for server in servers:
        await server.poll()
    await revocations.revoke_token(connection, "t1")
    for server in servers:
        await server.poll()
        await server.poll()
    await connection.close()
    assert changes == ["a", "b", "a", "b"]
    late = Revoked(database, lambda: changes.append("late"))
    await late.poll()
    for server in (*servers, late):
        assert server.covers(old)
        assert server.covers(one)
        assert not server.covers(old._replace(issued_at=1e11))
        assert not server.covers(Identity())


async def test_the_watch_outlives_a_database_that_is_away(
    database: Database, connection: Connection
) -> None:
    """What was known stays, and what was missed is learned when it is back."""
    learned = asyncio.Event()
    server = Revoked(database, learned.set)
    await connection.execute("alter table revocations rename to away")
    watching = asyncio.create_task(server.watch())
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where pid <> pg_backend_pid() and datname = current_database()"
    )
    await connection.execute("alter table away rename to revocations")
    await revocations.revoke_token(connection, "t1")
    async with asyncio.timeout(20):
        await learned.wait()
    assert server.covers(Identity(token_id="t1"))
    watching.cancel()
