"""`lyceum db new-key`: keys as an operator makes them."""

import json
from pathlib import Path

import pytest

from server.persistence.key_files import read_keys
from tests.support.command import Command


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
