"""The file of encryption keys: who may read it, what is said of a wrong one, how it grows."""

import asyncio
import os
from base64 import b64encode
from pathlib import Path

import pytest

from server.config import Config
from server.domain.envelope import Keyring
from server.errors import KeysError
from server.persistence.key_files import add_key, keyring

SESAME = b64encode(b"sesame" * 5 + b"!!").decode()


def config(path: Path) -> Config:
    """A configuration that names a key file."""
    return Config.read({"LYCEUM_KEYS_FILE": str(path)})


def complaint(path: Path) -> str:
    """What reading a file is refused with."""
    with pytest.raises(KeysError) as refused:
        keyring(config(path))
    assert SESAME not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key file is to be."""
    return tmp_path / "keys"


def test_a_new_file_is_its_owners_alone(path: Path) -> None:
    """It has one key, and more are added behind it; comments stay; the umask doesn't matter."""
    before = os.umask(0)
    try:
        assert add_key(path) == 1
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    first = keyring(config(path)).newest
    with path.open("a") as file:
        file.write("# kept in the safe too")
    assert add_key(path) == 2
    ring = keyring(config(path))
    assert [key.id for key in ring] == [1, 2]
    assert ring[1].fingerprint == first.fingerprint
    assert "# kept in the safe too\n2:" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
def test_a_file_that_others_may_use(path: Path, mode: int) -> None:
    """It is refused with its mode and the remedy, which works; nor is a key added to it."""
    add_key(path)
    path.chmod(mode)
    assert f"has mode {mode:04o}" in complaint(path)
    assert f"`chmod 600 {path}`" in complaint(path)
    with pytest.raises(KeysError, match="chmod 600"):
        add_key(path)
    path.chmod(0o600)
    assert keyring(config(path)).newest.id == 1
    path.chmod(0o400)
    assert keyring(config(path)).newest.id == 1


def test_files_that_can_not_be_used(path: Path) -> None:
    """Missing, a folder, no keys: each is said, with the file's name and nothing of its content."""
    assert "No such file" in complaint(path)
    path.touch(0o600)
    assert "there is no key in it" in complaint(path)
    path.write_text(f"1:{SESAME}\n2:{SESAME}\n")
    assert "the key 2 is the same as another one" in complaint(path)
    path.write_bytes(b"\xff\xfe\0" + SESAME.encode())
    assert "key 1 of it is not ID:BASE64" in complaint(path)
    with pytest.raises(KeysError, match="not ID:BASE64"):
        add_key(path)
    path.unlink()
    path.mkdir(0o700)
    assert "Is a directory" in complaint(path)
    with pytest.raises(KeysError, match="No such file"):
        add_key(path.parent / "nowhere" / "keys")


def test_a_fifo_is_no_key_file(path: Path) -> None:
    """Only a regular file's mode says who may read what is in it."""
    os.mkfifo(path, 0o600)
    handle = os.open(path, os.O_RDWR)  # a reader would wait for a writer else
    assert "is not a regular file" in complaint(path)
    os.close(handle)


def test_keys_from_the_environment() -> None:
    """Instead of a file; without either the remedy is told."""
    ring = keyring(Config.read({"LYCEUM_KEYS": f"3:{SESAME}"}))
    assert ring.newest.fingerprint == Keyring.parse(f"3:{SESAME}").newest.fingerprint
    with pytest.raises(KeysError, match=r"set LYCEUM_KEYS_FILE .* `lyceum db new-key` makes"):
        keyring(Config.read({}))


def test_a_killed_one_is_no_hindrance(path: Path) -> None:
    """What it left half-written beside the file is never read."""
    path.with_name(".keys.new").write_text("1:")
    assert add_key(path) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


async def test_keys_added_at_once_are_all_there(path: Path) -> None:
    """Each gets a number of its own."""
    ids = await asyncio.gather(*(asyncio.to_thread(add_key, path) for _ in range(8)))
    assert sorted(ids) == list(range(1, 9))
    assert len(list(keyring(config(path)))) == 8


def test_the_file_stays_its_owners(path: Path) -> None:
    """When root adds a key, the server's account can go on reading the file."""
    add_key(path)
    if os.getuid() == 0:
        os.chown(path, 4242, 4343)
    before = path.stat()
    add_key(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (before.st_uid, before.st_gid)
