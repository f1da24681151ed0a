"""What all commands share: configuration, a connection, JSON, one line when they can't go on."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import asyncpg
import click
import uvloop

from server import telemetry
from server.config import Config
from server.errors import DatabaseError, LyceumError, StartError
from server.persistence.database import connect, describe, wait_until_up
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.migrations import read_migrations, status
from server.persistence.types import Connection
from server.store import database_url

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def fail(message: str) -> NoReturn:
    """End with one line on standard error and exit code 1."""
    click.echo(f"lyceum: {message}", err=True)
    sys.exit(1)


def print_json(value: Any) -> None:
    """One object on one line; what JSON has no type for becomes text."""
    click.echo(json.dumps(value, default=str, ensure_ascii=False))


def read_config(host: str | None = None, port: int | None = None) -> Config:
    """The configuration; a wrong setting ends the command."""
    try:
        return Config.read(os.environ, host, port)
    except LyceumError as error:
        fail(str(error))


def run(
    work: Callable[[Config], Awaitable[T]],
    host: str | None = None,
    port: int | None = None,
    quiet: bool = False,
) -> T:
    """Run asynchronous work with the configuration; errors that users can mend get one line.

    quiet: log no more than warnings.
    """
    config = read_config(host, port)
    telemetry.configure_logging(config.log_format, logging.WARNING if quiet else logging.INFO)

    async def main() -> T:
        return await work(config)

    try:
        return uvloop.run(main())
    except LyceumError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)


def with_url(work: Callable[[str], Awaitable[T]], quiet: bool = False) -> T:
    """Run work with the database's URL; the embedded one runs meanwhile if none does.

    quiet: as `run` takes it.
    """

    async def located(config: Config) -> T:
        running = config.database_url or EmbeddedPostgres.running_url(config.data_dir)
        if running is not None:
            return await _work_on(running, work)
        async with database_url(config) as url:
            return await _work_on(url, work)

    return run(located, quiet=quiet)


async def _work_on(url: str, work: Callable[[str], Awaitable[T]]) -> T:
    await wait_until_up(url)
    try:
        return await work(url)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(f"the database refuses: {describe(error)}") from error


async def check_schema(connection: Connection) -> None:
    """Raise StartError if the database lacks a migration of this program."""
    if not all(row.applied for row in await status(connection, read_migrations())):
        raise StartError("the schema is older than this program; run `lyceum db migrate` first")


def with_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run work with a connection."""

    async def work_on(url: str) -> T:
        async with connected(url) as connection:
            return await work(connection)

    return with_url(work_on)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection, for as long as the block runs."""
    connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.close()
