"""Private Postgres instances: the embedded one and Debian's, with a database for each test."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from server.persistence.embedded import EmbeddedPostgres
from server.persistence.migrations import migrate, read_migrations
from server.persistence.partitions import BACK, ensure

FLAVOURS = ("embedded", "debian")
Instances = Callable[[str], Awaitable["PostgresInstance"]]  # by flavour
FAST = {"fsync": "off", "full_page_writes": "off"}  # tests kill processes, not the machine
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30  # bytes; one Postgres' databases take less than half of it
ROLES = "select array_agg(rolname::text) from pg_roles"
LEFT_ROLES = "select quote_ident(rolname) from pg_roles where rolname <> all ($1::text[])"
LEFT_DATABASES = """
select quote_ident(datname)
from pg_database
where not datistemplate and datname <> all ($1::text[])
"""
_numbers = count(1)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a Postgres, which goes with it.

    In memory if there is room. Some file systems are slow at making files where many were deleted.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    where = MEMORY if in_memory else None
    with TemporaryDirectory(prefix="lyceum-", dir=where, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def debian_binaries() -> Path:
    """The newest PostgreSQL that Debian's packages installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return found[-1].parent


class PostgresInstance:
    """A running Postgres that tests may fill, stop and kill."""

    def __init__(self, server: EmbeddedPostgres, folder: Path, flavour: str) -> None:
        self.server = server
        self.flavour = flavour
        self.log = folder / "postgres.log"
        self._template = ""
        self._kept = {"postgres", "lyceum"}
        self._roles: list[str] = []

    @classmethod
    async def start(cls, folder: Path, flavour: str) -> "PostgresInstance":
        """Start one with the current schema in a template database."""
        binaries = debian_binaries() if flavour == "debian" else None
        server = EmbeddedPostgres(folder, binaries=binaries, settings=FAST)
        await server.start()
        instance = cls(server, folder, flavour)
        url = await instance.create_database()
        connection = await asyncpg.connect(url)
        await migrate(connection, read_migrations())
        await ensure(connection, back=BACK)
        instance._roles = await connection.fetchval(ROLES)
        await connection.close()
        instance._template = instance.keep(url)
        return instance

    def keep(self, url: str) -> str:
        """Have a database outlive `clear`; its name."""
        name = urlsplit(url).path[1:]
        self._kept.add(name)
        return name

    async def clear(self) -> None:
        """Drop the databases and roles that tests left, as if it were started anew."""
        connection = await asyncpg.connect(self.server.url)
        for (name,) in await connection.fetch(LEFT_DATABASES, self._kept):
            await connection.execute(f"drop database {name} with (force)")
        for (name,) in await connection.fetch(LEFT_ROLES, self._roles):
            await connection.execute(f"drop role {name}")
        await connection.close()

    async def create_database(self) -> str:
        """The URL of a fresh database, migrated once there is a template."""
        name = f"test_{next(_numbers)}"
        # Copying files takes Postgres half of what writing them through its log does.
        template = f" template {self._template} strategy file_copy" if self._template else ""
        connection = await asyncpg.connect(self.server.url)
        await connection.execute(f"create database {name}{template}")
        await connection.close()
        return urlunsplit(urlsplit(self.server.url)._replace(path=f"/{name}"))

    async def create_empty_database(self) -> str:
        """The URL of a fresh database without any schema."""
        template, self._template = self._template, ""
        try:
            return await self.create_database()
        finally:
            self._template = template

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A database for one test, which goes with it."""
        url = await self.create_database()
        yield url
        await self.drop_database(url)

    async def drop_database(self, url: str) -> None:
        """Have a database go, whoever still is connected to it; without it a run fills 25 GB."""
        connection = await asyncpg.connect(self.server.url)
        await connection.execute(f"drop database if exists {urlsplit(url).path[1:]} with (force)")
        await connection.close()


@asynccontextmanager
async def started_once() -> AsyncIterator[Instances]:
    """The Postgres of a flavour: started when it is first asked for, running until the block ends.

    A fixture with parameters ends with each change of its parameter, which is twice a file where
    pytest-xdist deals out files; starting one and migrating a database takes seconds.
    """
    running: dict[str, PostgresInstance] = {}
    async with AsyncExitStack() as stack:

        async def instance(flavour: str) -> PostgresInstance:
            if flavour not in running:
                folder = stack.enter_context(scratch())
                running[flavour] = await PostgresInstance.start(folder, flavour)
                stack.push_async_callback(running[flavour].server.stop)
            return running[flavour]

        yield instance
