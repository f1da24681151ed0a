"""The database that the configuration names; without one, the embedded Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.config import Config
from server.persistence.embedded import EmbeddedPostgres


@asynccontextmanager
async def database_url(config: Config) -> AsyncIterator[str]:
    """The URL of the configured database; the embedded one runs meanwhile."""
    if config.database_url is not None:
        yield config.database_url
        return
    postgres = EmbeddedPostgres(config.data_dir)
    await postgres.start()
    try:
        yield postgres.url
    finally:
        await postgres.stop()
