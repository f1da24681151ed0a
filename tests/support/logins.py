"""Logins of a test Postgres, and databases that belong to lyceum_owner."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from server.persistence.database import connect
from server.persistence.migrations import migrate, read_migrations
from server.persistence.partitions import BACK, ensure
from server.persistence.types import Connection
from tests.support.postgres import PostgresInstance

_numbers = count(1)
_templates: dict[PostgresInstance, str] = {}


async def login(url: str, *roles: str, options: str = "") -> str:
    """The URL, for the same database, of a new login that is a member of these roles only."""
    name = f"login_{next(_numbers)}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"create role {name} login password 'secret' {options}")
    for role in roles:
        await connection.execute(f"grant {role} to {name}")
    await connection.close()
    return urlunsplit(urlsplit(url)._replace(netloc=f"{name}:secret@"))


def name_of(url: str) -> str:
    """Whose URL it is."""
    return str(urlsplit(url).username)


def database_of(url: str) -> str:
    """The name of its database."""
    return urlsplit(url).path[1:]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection, for as long as the block runs."""
    connection = await connect(url)
    try:
        yield connection
    finally:
        connection.terminate()


async def owned_database(postgres: PostgresInstance) -> str:
    """The URL of a database without schema that belongs to lyceum_owner; of a superuser."""
    url = await postgres.create_empty_database()
    async with connected(url) as connection:
        await connection.execute(f"alter database {database_of(url)} owner to lyceum_owner")
    return url


# Rights to a database itself don't come along when it is copied.
CONNECT = """
revoke all on database {name} from public;
grant connect on database {name}
    to lyceum_server, lyceum_app, lyceum_staff, lyceum_analyst, lyceum_backup
"""


async def migrated_by_owner(postgres: PostgresInstance) -> str:
    """The same with the schema, made by a login that is a member of lyceum_owner."""
    if postgres not in _templates:
        url = await owned_database(postgres)
        async with connected(await login(url, "lyceum_owner")) as connection:
            await migrate(connection, read_migrations())
            await ensure(connection, back=BACK)
            await connection.close()
        _templates[postgres] = postgres.keep(url)
    name = f"owned_{next(_numbers)}"
    async with connected(postgres.server.url) as superuser:
        await superuser.execute(
            f"create database {name} template {_templates[postgres]} strategy file_copy"
            " owner lyceum_owner"
        )
        await superuser.execute(CONNECT.format(name=name))
    return urlunsplit(urlsplit(postgres.server.url)._replace(path=f"/{name}"))
