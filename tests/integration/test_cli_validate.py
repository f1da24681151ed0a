"""`lyceum db validate` and `lyceum db test-migrations` as operators meet them."""

import json
from pathlib import Path

import pytest

from server.persistence.types import Connection
from tests.support.command import Command
from tests.support.logins import login

# Validation is tried on each Postgres beside its functions; this is about the command.
ONE_FLAVOUR = pytest.mark.parametrize("postgres", ["embedded"], indirect=True, scope="session")


@pytest.fixture
def lyceum(tmp_path: Path, database_url: str) -> Command:
    """The command, on a migrated database of the test's own."""
    return Command(tmp_path, database_url=database_url)


@ONE_FLAVOUR
async def test_validate(lyceum: Command, connection: Connection) -> None:
    """Exit code 0 and a word when all is well; else 1, and each finding with its remedy."""
    done = await lyceum("db", "validate")
    assert (done.code, done.output.count("\n"), done.errors) == (0, 1, "")
    await connection.execute("drop index webhooks_owner_idx")
    done = await lyceum("db", "validate")
    assert done.code == 1
    assert done.output.splitlines()[0] == "missing: index webhooks_owner_idx"
    remedy = done.output.splitlines()[2].removeprefix("  remedy: ")
    await connection.execute("grant delete on webhooks to public")
    done = await lyceum("db", "validate", "--json")
    grant, index = json.loads(done.output)["findings"]
    assert (done.code, grant["name"], index["remedy"]) == (
        1,
        "delete on webhooks to public",
        remedy,
    )


@ONE_FLAVOUR
async def test_login_without_rights(lyceum: Command, database_url: str) -> None:
    """A login that may do nothing is told so in one line, whatever it asks for."""
    lyceum.settings["database_url"] = await login(database_url)
    for command in ("status", "validate"):
        complaint = (await lyceum("db", command)).complaint
        assert "the database refuses: InsufficientPrivilegeError: permission denied" in complaint


async def test_trial(lyceum: Command, connection: Connection) -> None:
    """Each of ours goes forward, back and forward again with rows in every table, and ends where a
    fresh database begins; a real database's rows are left alone."""
    await connection.execute("insert into deleted_sessions values ('kept')")
    done = await lyceum("db", "test-migrations")
    assert (done.code, done.output.splitlines()[0]) == (0, "tried 0001_journal")
    assert done.output.splitlines()[-1] == "every migration goes forward, back and forward again"
    assert await connection.fetchval("select name from deleted_sessions") == "kept"
