"""Acting as a person: what the transaction is, that nothing of it stays, and that none gets out."""

import asyncio

import asyncpg
import pytest
import pytest_asyncio

from server.errors import DatabaseError
from server.persistence.access import Access
from tests.support.logins import connected, login, name_of
from tests.support.postgres import PostgresInstance

WHO = """
select current_user::text, current_user_id(), current_subject(),
    current_setting('app.request_id', true)
"""
ADD = "insert into users (subject, username) values ($1, $1) returning id"


async def add_users(url: str, *subjects: str) -> list[int]:
    """New people in a database, by a superuser; those of an earlier test go."""
    async with connected(url) as superuser:
        await superuser.execute("delete from users")
        return [await superuser.fetchval(ADD, subject) for subject in subjects]


@pytest_asyncio.fixture(scope="module")
async def url(postgres: PostgresInstance) -> str:
    """A database for these tests, whose people are each of one test."""
    return await postgres.create_database()


async def test_a_transaction_of_one_person(url: str) -> None:
    """It is lyceum_app's, knows the person and the request, commits, and is undone by an error."""
    ann, bob = await add_users(url, "ann", "bob")
    access = await Access.open(await login(url, "lyceum_app"))
    async with access.as_user(ann, "request 1") as connection:
        assert tuple(await connection.fetchrow(WHO)) == ("lyceum_app", ann, "ann", "request 1")
        await connection.execute("update users set username = 'Ann'")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with access.as_user(bob) as connection:
            await connection.execute("update users set username = 'Bob'; select 1 / 0")
    async with access.as_user(bob) as connection:
        assert tuple(await connection.fetchrow(WHO)) == ("lyceum_app", bob, "bob", "")
        assert await connection.fetchval("select username from users") == "bob"
    async with access.as_user(ann) as connection:
        assert await connection.fetchval("select username from users") == "Ann"
    await access.close()


async def test_many_people_at_once(url: str) -> None:
    """Whoever comes next on a connection is nobody but themselves."""
    people = await add_users(url, *(f"user-{number}" for number in range(10)))
    access = await Access.open(await login(url, "lyceum_app"))

    async def visit(person: int) -> None:
        async with access.as_user(person, str(person)) as connection:
            assert [row[0] for row in await connection.fetch("select id from users")] == [person]
            request = await connection.fetchval("select current_setting('app.request_id')")
            assert request == str(person)

    await asyncio.gather(*(visit(person) for person in people * 10))
    await access.close()


SMUGGLED = [
    "commit",
    "rollback",
    "commit; set role lyceum_app",
    "commit; set app.current_user_id = '{other}'",
    "set session app.current_user_id = '{other}'",
    "commit; begin; set role lyceum_app; set session app.current_user_id = '{other}'",
]


@pytest.mark.parametrize("smuggled", SMUGGLED)
async def test_nothing_stays_for_the_next(url: str, smuggled: str) -> None:
    """Whatever a statement did to the connection, the next person is that person."""
    ann, bob = await add_users(url, "ann", "bob")
    access = await Access.open(await login(url, "lyceum_app"))
    for _ in range(3):
        try:
            async with access.as_user(ann) as connection:
                await connection.execute(smuggled.format(other=bob))
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        async with access.as_user(ann) as connection:
            assert tuple(await connection.fetchrow(WHO)) == ("lyceum_app", ann, "ann", "")
            assert [row[0] for row in await connection.fetch("select id from users")] == [ann]
    await access.close()


REFUSED = [
    "set role lyceum_staff",
    "set role lyceum_server",
    "set role lyceum_owner",
    "set role lyceum",
    "set session authorization lyceum",
    "alter table users disable row level security",
    "create policy mine on users using (true)",
    "create table mine (x int)",
    "create temporary table users (x int)",
    "set row_security = off; select * from users",
    "create function pg_temp.f() returns int language sql security definer return 1",
    "copy users to program 'cat'",
    "select pg_read_file('/etc/passwd')",
    "grant lyceum_staff to lyceum_app",
    "alter role lyceum_app bypassrls",
    "select * from pg_authid",
    "select * from documents",
    "insert into users (subject, username) values ('me', 'me')",
    "update users set role = 'ADMIN'",
    "select make_partition('chat_messages', '2027-01-01')",
]
HELD = [
    "reset role",
    "set role none",
    "reset session authorization",
    "reset session authorization; reset role",
    "discard all",
    "commit; begin",
    "rollback; begin",
]


@pytest.mark.parametrize("statement", REFUSED)
async def test_there_is_no_way_out(access: Access, statement: str) -> None:
    """As a login that is a member of lyceum_app only, nothing smuggled in may do more."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with access.as_user(1) as connection:
            await connection.execute(statement)


@pytest.mark.parametrize("statement", HELD)
async def test_outside_the_role_nobody_sees_more(url: str, statement: str) -> None:
    """Who gets out of the role or the transaction is held by the same policies."""
    ann, _ = await add_users(url, "ann", "bob")
    access = await Access.open(await login(url, "lyceum_app"))
    try:
        async with access.as_user(ann) as connection:
            try:
                await connection.execute(statement)
            except asyncpg.ActiveSQLTransactionError:
                return
            seen = {row[0] for row in await connection.fetch("select id from users")}
            assert seen <= (set() if statement.endswith("begin") else {ann})
    except asyncpg.InterfaceError:
        assert statement.startswith(("commit", "rollback"))
    finally:
        await access.close()


async def test_which_logins_it_takes(url: str) -> None:
    """One that is lyceum_app and can be nothing else; another only if that is asked for."""
    for roles, options, why in [
        ((), "", "is no member of lyceum_app"),
        (("lyceum_app", "lyceum_staff"), "", "could act as lyceum_staff too"),
        (("lyceum_app", "pg_monitor"), "", "could act as pg_monitor too"),
        (("lyceum_owner",), "", "could act as lyceum_"),
        (("lyceum_app",), "superuser", "could act as "),
        (("lyceum_app",), "bypassrls", "could act as login_"),
    ]:
        wrong = await login(url, *roles, options=options)
        try:
            with pytest.raises(DatabaseError, match=why):
                await Access.open(wrong)
        finally:
            async with connected(url) as superuser:
                await superuser.execute(f"drop role {name_of(wrong)}")
    access = await Access.open(url, any_login=True)
    async with access.as_user(1) as connection:
        assert await connection.fetchval("select current_user::text") == "lyceum_app"
    await access.close()
