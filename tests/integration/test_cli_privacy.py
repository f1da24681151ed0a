"""What a person may ask for, as an operator does it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from server.persistence.types import Connection
from tests.clients.driver import Driver
from tests.support.api import SECRET, Api
from tests.support.command import Command
from tests.support.people import add, ring, written
from tests.support.server import LyceumServer
from tests.support.traces import everything, where
from tests.support.waiting import eventually

# The statements are tried on each Postgres beside their functions; this is about the commands.
ONE_FLAVOUR = pytest.mark.parametrize("postgres", ["embedded"], indirect=True, scope="session")


@pytest.fixture
def lyceum(tmp_path: Path, database_url: str) -> Command:
    """The command, on a database of the test's own, with its keys."""
    return Command(tmp_path, database_url=database_url, keys=written(1))


@ONE_FLAVOUR
async def test_an_export(lyceum: Command, connection: Connection) -> None:
    """One JSON object, or a file for its owner alone, whole or not at all."""
    ann = await add(connection, ring(1), "ann", phone="1234")
    await add(connection, ring(1), "ben")
    done = await lyceum("db", "export-user", "ann@school.example")
    answer = json.loads(done.output)
    assert answer["person"] == {"subject": ann.subject, "public_id": str(ann.public_id)}
    assert list(answer["tables"]) == ["users", "user_keys", "user_secrets", "recommendations_due"]
    assert answer["tables"]["users"][0]["email"] == "ann@School.example"
    assert [row["value"] for row in answer["tables"]["user_secrets"]] == ["1234"]

    path = lyceum.folder / "ann.json"
    done = await lyceum("db", "export-user", ann.subject, "--output", "ann.json")
    assert done.output == "wrote 4 rows of 4 tables to ann.json\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["tables"] == answer["tables"]
    again = await lyceum("db", "export-user", ann.subject, "--output", "ann.json")
    assert "ann.json can't be written: File exists" in again.complaint
    bare = await lyceum("db", "export-user", ann.subject, "--output", "other.json", keys="")
    assert "set LYCEUM_KEYS_FILE" in bare.complaint
    wrong = await lyceum("db", "export-user", ann.subject, keys="1:" + "A" * 43 + "=")
    assert "is not the one" in wrong.complaint
    assert [file.name for file in lyceum.folder.iterdir()] == ["ann.json"]


@ONE_FLAVOUR
async def test_an_erasure(lyceum: Command, connection: Connection) -> None:
    """It asks, tells what it would do, does it, and finds nothing the next time."""
    ann = await add(connection, ring(1), "ann", phone="1234")
    before = await everything(connection)
    refused = await lyceum("db", "erase-user", ann.subject, answer="n\n")
    assert (refused.code, "Nobody can undo that" in refused.errors) == (1, True)
    tried = await lyceum("db", "erase-user", "ann@school.example", "--dry-run")
    assert tried.output.splitlines()[-1] == "nothing was changed; 4 rows of 4 tables would be"
    assert await everything(connection) == before
    done = await lyceum("db", "erase-user", ann.subject, answer="y\n")
    assert done.output.splitlines() == [
        "recommendations_due: 1",
        "user_keys: 1",
        "user_secrets: 1",
        "users: 1",
        "erased: 4 rows of 4 tables",
    ]
    assert where(await everything(connection), "ann") == {"revocations": 1}
    again = await lyceum("db", "erase-user", str(ann.public_id), "--yes", "--json")
    assert json.loads(again.output) == {"dry_run": False, "rows": {}}
    for command in (["export-user"], ["erase-user", "--yes"]):
        complaint = (await lyceum("db", *command, "nobody")).complaint
        assert complaint == "Nothing is kept of a person 'nobody'."


async def test_beside_a_running_server(
    make_server: Callable[..., LyceumServer], driver: Driver, tmp_path: Path
) -> None:
    """Live sockets end, and what the server still held of the person goes as well."""
    server = make_server(auth_secret=SECRET, activity_seconds="0.5")
    await server.start()
    token = Api.user(server, "mark-mallory").token
    client = await driver.join("hp4", server.ws, "lesson", token=token)
    await client.insert(0, "typed by somebody")
    data = str(server.folder / "data")
    beside = Command(tmp_path, data_dir=data, activity_seconds="0.5")
    connection = await asyncpg.connect((await beside("db", "url")).output.strip())
    await eventually(partial(connection.fetchval, "select 1 from session_participants"))
    done = await beside("db", "erase-user", "mark-mallory", "--yes", "--json")
    assert (done.code, "waiting 4 s" in done.errors) == (0, True), done
    assert (await client.wait_closed(4401)).code == 4401
    assert where(await everything(connection), "mark-mallory") == {"revocations": 1}
    assert await connection.fetchval("select count(*) from session_activity where kind = 'leave'")
    await connection.close()
