"""Statements with a name: what is measured, logged and explained by it."""

from enum import Enum
from typing import Any, NamedTuple

import asyncpg

from server.persistence.types import Connection


class Kind(Enum):
    """What a statement is for; its value is how long one may take, in seconds."""

    READ = 5.0
    WRITE = 10.0
    REPORT = 20.0
    UPKEEP = 600.0


class Query(NamedTuple):
    """A statement. name: family and deed, as «lessons.complete»; it never changes once released."""

    name: str
    kind: Kind
    sql: str


async def fetch(connection: Connection, query: Query, *arguments: Any) -> list[asyncpg.Record]:
    """All rows. Raises TimeoutError if it took longer than its kind may, else what asyncpg does."""
    return await connection.fetch(query.sql, *arguments, timeout=query.kind.value)


async def fetchrow(connection: Connection, query: Query, *arguments: Any) -> asyncpg.Record | None:
    """The first row, if there is one. Raises as `fetch`."""
    return await connection.fetchrow(query.sql, *arguments, timeout=query.kind.value)


async def fetchval(connection: Connection, query: Query, *arguments: Any) -> Any:
    """The first column of the first row; None if there is no row. Raises as `fetch`."""
    return await connection.fetchval(query.sql, *arguments, timeout=query.kind.value)


async def execute(connection: Connection, query: Query, *arguments: Any) -> str:
    """What Postgres says was done («UPDATE 1»). Raises as `fetch`."""
    return str(await connection.execute(query.sql, *arguments, timeout=query.kind.value))
