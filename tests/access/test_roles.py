"""The roles: made by whoever may, asked for by whoever may not, and whose the schema becomes."""

from pathlib import Path

import pytest

from schema import ROLES
from server.errors import DatabaseError
from server.persistence import roles
from server.persistence.migrations import migrate, read_migrations, rollback
from server.persistence.types import Connection
from tests.support.command import Command
from tests.support.logins import connected, database_of, login, name_of, owned_database
from tests.support.postgres import PostgresInstance

OWNERS = """
select array_agg(distinct relowner::regrole::text)
from pg_class
where relnamespace = 'public'::regnamespace
"""
ATTRIBUTES = """
select rolname::text from pg_roles
where rolname ^@ 'lyceum_' and (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb
    or rolreplication or rolbypassrls <> (rolname = 'lyceum_backup'))
"""


async def test_they_are_groups_without_powers(db: Connection) -> None:
    """Nobody logs in as one; only lyceum_backup passes row-level security."""
    assert await db.fetch(ATTRIBUTES) == []
    await db.execute(ROLES.read_text())
    await roles.ensure(db)


async def test_the_command_prints_what_makes_them(tmp_path: Path) -> None:
    """`lyceum db roles` needs no database and prints the SQL itself."""
    done = await Command(tmp_path)("db", "roles")
    assert (done.code, done.output) == (0, ROLES.read_text())


async def test_they_are_made_or_asked_for(db: Connection) -> None:
    """Where one is missing, a superuser's migration makes it; another's says what to run."""
    await db.execute("alter role lyceum_backup rename to somebody_else")
    await db.execute("create role migrator")
    await db.execute("set local role migrator")
    with pytest.raises(DatabaseError) as refused:
        await roles.ensure(db)
    assert "the roles lyceum_backup are missing" in str(refused.value)
    assert "`lyceum db roles | psql`" in str(refused.value)
    await db.execute("reset role")
    await roles.ensure(db)
    assert await db.fetchval("select rolbypassrls from pg_roles where rolname = 'lyceum_backup'")


async def test_the_schema_has_one_owner(postgres: PostgresInstance) -> None:
    """Whichever member of lyceum_owner migrates its database, what is made is lyceum_owner's."""
    url = await owned_database(postgres)
    known = read_migrations()
    first, second = await login(url, "lyceum_owner"), await login(url, "lyceum_owner")
    async with connected(first) as one:
        assert len((await migrate(one, known)).done) == len(known)
    async with connected(second) as two:
        assert len((await rollback(two, known, len(known) - 2)).done) == 2
    async with connected(url) as superuser:
        assert len((await migrate(superuser, known)).done) == 2
        assert await superuser.fetchval("select current_user::text") == "lyceum_owner"
        assert await superuser.fetchval(OWNERS) == ["lyceum_owner"]


async def test_one_login_may_own_everything(postgres: PostgresInstance) -> None:
    """A login with a database of its own goes on as its owner, once the roles are there."""
    url = await postgres.create_empty_database()
    owner = await login(url)
    who = name_of(owner)
    async with connected(url) as superuser:
        await superuser.execute(f"alter database {database_of(url)} owner to {who}")
        async with connected(owner) as connection:
            assert (await migrate(connection, read_migrations())).done
            assert await connection.fetchval("select count(*) from users") == 0
        assert await superuser.fetchval(OWNERS) == [who]
