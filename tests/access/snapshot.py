"""Writes schema/rights.sql anew: `python -m tests.access.snapshot`, after a change of rights."""

import asyncio
import tempfile
from pathlib import Path

from schema import RIGHTS
from server.persistence.rights import found
from tests.support.logins import connected, migrated_by_owner
from tests.support.postgres import PostgresInstance

HEAD = """\
-- Who may do what once all migrations are applied, a right a line; `lyceum db security` compares a
-- database with it. Made from a fresh one by `python -m tests.access.snapshot`.
"""


def written(rights: set[str]) -> str:
    """The file that says so."""
    return HEAD + "".join(f"{right};\n" for right in sorted(rights))


async def main() -> None:
    """Make a database and write down its rights."""
    with tempfile.TemporaryDirectory() as folder:
        instance = await PostgresInstance.start(Path(folder), "embedded")
        try:
            async with connected(await migrated_by_owner(instance)) as connection:
                RIGHTS.write_text(written(await found(connection)))
        finally:
            await instance.server.stop()


if __name__ == "__main__":
    asyncio.run(main())
