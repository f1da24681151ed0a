"""A database beside another one, for a moment: to build in it what the other one should be."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from server.errors import DatabaseError
from server.persistence.database import connect
from server.persistence.types import Connection

OWNER = """
select quote_ident(pg_get_userbyid(datdba)) from pg_database where datname = current_database()
"""
CREATE = "create database {name} owner {owner} template template0"
DROP = "drop database if exists {name} with (force)"


@asynccontextmanager
async def scratch(connection: Connection, url: str) -> AsyncIterator[Connection]:
    """A connection to an empty database beside another, with the same owner; dropped at the end.

    url: that of `connection`. Raises DatabaseError if this login may make no database.
    """
    name = f"lyceum_scratch_{secrets.token_hex(6)}"
    owner = await connection.fetchval(OWNER)
    try:
        await connection.execute(CREATE.format(name=name, owner=owner), timeout=300)
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(
            "this needs a scratch database beside the real one, and this login may make none;"
            f" let a superuser run it, or `alter role … createdb` (and a member of {owner})"
        ) from error
    try:
        other = await connect(urlunsplit(urlsplit(url)._replace(path=f"/{name}")))
        try:
            yield other
        finally:
            other.terminate()
    finally:
        if not connection.is_closed():
            await connection.execute(DROP.format(name=name), timeout=300)
