"""A Postgres with a real standby that follows it, for tests that pause, kill and promote."""

import asyncio
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from server.persistence import initdb
from server.persistence.binaries import bundled
from server.persistence.embedded import EmbeddedPostgres
from tests.support.postgres import FAST, PostgresInstance, debian_binaries


class Standby(EmbeddedPostgres):
    """One that was copied from a running Postgres and gets its log from there."""

    @classmethod
    async def of(cls, primary: PostgresInstance, into: Path) -> "Standby":
        """Copy a primary, and start."""
        debian = debian_binaries() if primary.flavour == "debian" else None
        folder = debian or bundled()[0]
        os.mkdir(into, 0o700)
        shutil.copy(primary.log.parent / initdb.PASSWORD, into / initdb.PASSWORD)
        copying = await asyncio.create_subprocess_exec(
            folder / "pg_basebackup",
            *("--dbname", primary.server.url, "--pgdata", into / "postgres"),
            *("--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf", "--no-sync"),
            env={"PATH": os.environ["PATH"]},
        )
        assert await copying.wait() == 0
        standby = cls(into, binaries=debian, settings={**FAST, **FOLLOW})
        await standby.start()
        return standby


FOLLOW = {
    "hot_standby": "on",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "max_standby_streaming_delay": "100ms",
}


def of_database(url: str, database_url: str) -> str:
    """The URL of the same database and login on another Postgres."""
    wanted, there = urlsplit(database_url), urlsplit(url)
    login = wanted.netloc.partition("@")[0]
    return urlunsplit(there._replace(netloc=f"{login}@", path=wanted.path))
