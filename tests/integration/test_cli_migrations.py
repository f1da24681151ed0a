"""`lyceum db migrate | rollback | status` as operators meet them."""

import json
from pathlib import Path

import pytest

from server.ids import SessionName
from server.persistence import documents
from server.persistence.migrations import read_migrations, rollback
from server.persistence.types import Connection
from tests.support.command import Command

KNOWN = read_migrations()
COUNT = len(KNOWN)
# Migrations are tried on each Postgres beside their functions; this is about the commands.
pytestmark = pytest.mark.parametrize("postgres", ["embedded"], indirect=True, scope="session")


@pytest.fixture
def lyceum(tmp_path: Path, database_url: str) -> Command:
    """The command, on a migrated database of the test's own."""
    return Command(tmp_path, database_url=database_url)


async def test_way_back_is_printed(lyceum: Command, connection: Connection) -> None:
    """Whoever changes the schema of a database with data learns how to undo it, both ways."""
    await documents.load(connection, SessionName("lesson"))
    done = await lyceum("db", "rollback", "--to", "4", "--yes")
    lines = done.output.splitlines()
    assert lines[0].startswith(f"restore point lyceum_{COUNT:04}_20")
    assert "undone 0005_activity" in lines
    assert lines[-2] == f"the way back: lyceum db migrate --to {COUNT}"
    done = await lyceum("db", "migrate", "--to", "5")
    lines = done.output.splitlines()
    name = lines[0].split()[2]
    assert name.startswith("lyceum_0004_20")
    assert "applied 0005_activity" in lines
    assert "the way back: lyceum db rollback --to 4" in lines
    assert f"the way back: restore a backup with recovery_target_name = '{name}'" in lines
    assert lines[-1] == "the schema is at version 5"


async def test_json(lyceum: Command, connection: Connection) -> None:
    """Each command says what it did in one JSON object; a missing migration is exit code 1."""
    await documents.load(connection, SessionName("lesson"))
    told = json.loads((await lyceum("db", "rollback", "--to", "4", "--yes", "--json")).output)
    assert told["version"] == 4
    assert told["undone"][-1] == "0005_activity"
    done = await lyceum("db", "status", "--json")
    told = json.loads(done.output)
    assert (done.code, told["version"], told["known"]) == (1, 4, COUNT)
    assert told["migrations"][4] == {
        "version": 5,
        "name": "activity",
        "applied": False,
        "known": True,
    }
    told = json.loads((await lyceum("db", "migrate", "--json")).output)
    assert (told["version"], told["applied"][0]) == (COUNT, "0005_activity")
    assert told["restore_point"]["name"] in told["way_back"][1]
    assert told["way_back"][0] == "lyceum db rollback --to 4"


async def test_dry_run(lyceum: Command, connection: Connection) -> None:
    """It prints the SQL of each step, transaction and ledger included, and changes nothing."""
    done = await lyceum("db", "rollback", "--to", "0", "--dry-run")
    assert done.output.startswith(f"-- {KNOWN[-1].title}\n")
    assert "drop table documents" in done.output
    assert "delete from schema_migrations where version = 1;\n" in done.output
    assert await connection.fetchval("select count(*) from schema_migrations") == COUNT
    await rollback(connection, KNOWN, 4)
    done = await lyceum("db", "migrate", "--to", "5", "--dry-run", "--json")
    (step,) = json.loads(done.output)["steps"]
    assert step["name"] == "0005_activity"
    assert step["sql"].startswith("-- 0005_activity\nbegin;\nset local lock_timeout = '2000ms';\n")
    assert "create table session_activity" in step["sql"]
    assert step["sql"].endswith(";\ncommit;\n")
    assert await connection.fetchval("select to_regclass('session_activity')") is None


async def test_program_behind_the_database(lyceum: Command, connection: Connection) -> None:
    """A newer program's migration that serves this one is listed, and nothing is missing."""
    await connection.execute(
        "insert into schema_migrations values ($1, 'later', '', now(), $2)", COUNT + 1, COUNT
    )
    done = await lyceum("db", "status")
    assert done.code == 0
    assert done.output.splitlines()[-1] == f"{COUNT + 1:04}_later  applied, by a newer program"
