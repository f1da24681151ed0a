"""Keys as an operator makes, lists and exchanges them."""

import json
from pathlib import Path

import pytest

from server.persistence.key_files import read_keys
from server.persistence.types import Connection
from tests.support.command import Command
from tests.support.people import add, ring, written
from tests.support.postgres import PostgresInstance

# The statements are tried on each Postgres beside their functions; this is about the commands.
ONE_FLAVOUR = pytest.mark.parametrize("postgres", ["embedded"], indirect=True, scope="session")


@pytest.fixture
def lyceum(tmp_path: Path) -> Command:
    """The command, with a key file that does not exist yet."""
    return Command(tmp_path, keys_file=str(tmp_path / "keys"))


async def test_a_new_key(lyceum: Command) -> None:
    """The first makes the file, the next adds to it; which key it is, is never printed."""
    path = lyceum.folder / "keys"
    first = await lyceum("db", "new-key")
    assert (first.code, first.output, first.errors) == (0, f"added the key 1 to {path}\n", "")
    second = await lyceum("db", "new-key", "--json", "--file", "./keys", keys_file="")
    assert json.loads(second.output) == {"id": 2, "file": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [len(material) for material in read_keys(path).values()] == [32, 32]


async def test_where_no_key_can_be_made(lyceum: Command) -> None:
    """One line says why."""
    assert "set LYCEUM_KEYS_FILE" in (await lyceum("db", "new-key", keys_file="")).complaint
    (lyceum.folder / "keys").touch(0o644)
    assert "has mode 0644" in (await lyceum("db", "new-key")).complaint


@ONE_FLAVOUR
async def test_from_one_key_to_the_next(
    tmp_path: Path, database_url: str, connection: Connection
) -> None:
    """New, in use, retiring, retired: `keys` tells at each step, and nothing of the keys."""
    lyceum = Command(tmp_path, database_url=database_url, keys=written(1))
    await add(connection, ring(1), "ann")
    await add(connection, ring(1), "ben")
    needs = "2 data keys, 2 e-mail addresses"
    none = "0 data keys, 0 e-mail addresses"
    listed = await lyceum("db", "keys", keys=written(1, 2))
    assert listed.code == 0
    assert listed.output.splitlines() == [
        f"1  ACTIVE    {needs}  given",
        "2  new; `lyceum db rotate-keys` takes the newest into use",
    ]
    done = await lyceum("db", "rotate-keys", keys=written(1, 2))
    assert (done.code, done.errors) == (0, "")
    assert done.output.startswith("the key 2 is in use; 2 people taken over in ")
    assert "the key 1 is retired; nothing needs it but backups from before" in done.output
    listed = await lyceum("db", "keys", keys=written(2))
    assert (listed.code, listed.output.splitlines()) == (
        0,
        [f"1  RETIRED   {none}  missing", f"2  ACTIVE    {needs}  given"],
    )
    report = json.loads((await lyceum("db", "keys", "--json", keys=written(2))).output)
    assert [(key["id"], key["people"], key["given"]) for key in report["keys"]] == [
        (1, 0, "missing"),
        (2, 2, "given"),
    ]
    assert "fingerprint" not in report["keys"][0]


@ONE_FLAVOUR
async def test_before_there_is_a_schema(tmp_path: Path, postgres: PostgresInstance) -> None:
    """It is said what to do first."""
    url = await postgres.create_empty_database()
    lyceum = Command(tmp_path, database_url=url, keys=written(1))
    assert "run `lyceum db migrate` first" in (await lyceum("db", "keys")).complaint
    assert "run `lyceum db migrate` first" in (await lyceum("db", "rotate-keys")).complaint


@ONE_FLAVOUR
async def test_wrong_and_missing_keys(
    tmp_path: Path, database_url: str, connection: Connection
) -> None:
    """Listed with exit code 1; a rotation is refused in one line, and changes nothing."""
    wrong = "1:" + "A" * 43 + "="
    lyceum = Command(tmp_path, database_url=database_url, keys=wrong)
    await add(connection, ring(1), "ann")
    listed = await lyceum("db", "keys")
    assert (listed.code, listed.output.split()[-1]) == (1, "wrong")
    assert "key 1 that was given is not the one" in (await lyceum("db", "rotate-keys")).complaint
    listed = await lyceum("db", "keys", keys=written(2))
    assert (listed.code, "missing" in listed.output) == (1, True)
    refused = await lyceum("db", "rotate-keys", keys=written(2))
    assert "key 1 is missing; only 2 was given" in refused.complaint
    assert "no keys are given" in (await lyceum("db", "rotate-keys", keys="")).complaint
    assert await connection.fetchval("select array_agg(id) from encryption_keys") == [1]


@ONE_FLAVOUR
async def test_what_can_not_be_taken_over(
    tmp_path: Path, database_url: str, connection: Connection
) -> None:
    """It is named, and the exit code is 1, as the old key is needed still."""
    lyceum = Command(tmp_path, database_url=database_url, keys=written(1, 2))
    ann = await add(connection, ring(1), "ann")
    await connection.execute("update users set email = email || email")
    done = await lyceum("db", "rotate-keys")
    assert done.code == 1
    assert f"the data of person {ann.id} can't be decrypted" in done.output
