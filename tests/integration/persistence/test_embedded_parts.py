"""The parts of the embedded Postgres one by one, where a whole one is hard to bring to it."""

import errno
import fcntl
import os
import pwd
import stat
from pathlib import Path

import pytest

from server.errors import DatabaseError
from server.persistence import binaries as binaries_module
from server.persistence import data_dir, initdb
from server.persistence.binaries import Binaries, locate
from server.persistence.postmaster import Account, account_for

ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
INITDB = "for option; do case $option in --pgdata=*) data=${option#*=};; esac; done; "


def script(path: Path, body: str) -> None:
    """A program that stands for one of Postgres's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


# Which binaries


def test_no_binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the wheel has none for the platform, the way out is named."""
    monkeypatch.setattr(binaries_module, "bundled", list)
    with pytest.raises(DatabaseError, match=r"no Postgres is bundled .* LYCEUM_DATABASE_URL"):
        locate(None, tmp_path, None)


def test_binaries_without_pg_config(tmp_path: Path) -> None:
    """Packages without pg_config will do; they are not asked for lz4."""
    script(tmp_path / "postgres", "echo 'postgres (PostgreSQL) 18.1'")
    assert locate(tmp_path, tmp_path / "cluster", None) == Binaries(tmp_path, 18, lz4=False)


def test_binaries_that_fail(tmp_path: Path) -> None:
    """A Postgres that can't run here: its own reason and the way out in one line."""
    script(tmp_path / "postgres", "echo 'libc is too old\nfor this' >&2; exit 1")
    with pytest.raises(DatabaseError, match=r"libc is too old for this; .*LYCEUM_DATABASE_URL"):
        locate(tmp_path, tmp_path / "cluster", None)


def test_cache_of_others_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binaries are not copied to a folder that others could have filled, whoever we are."""
    folder = tmp_path / "private" / "pg" / "bundle" / "bin"
    for name in ("postgres", "initdb", "pg_config"):
        script(folder / name, "echo 18")
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    monkeypatch.setattr(binaries_module, "CACHE", cache)
    (tmp_path / "private").chmod(0o700)
    stranger = Account(NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(DatabaseError, match="LYCEUM_DATABASE_URL") as error:
        locate(folder, tmp_path / "cluster", stranger)
    if ROOT:
        assert f"{cache} belongs to others or is writable by them" in str(error.value)
    assert list(cache.iterdir()) == []


def test_root_that_may_not_change_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root without that right, as in some containers, is told to be a normal user."""
    script(tmp_path / "postgres", "echo 18")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    major = binaries_module._major(tmp_path)
    monkeypatch.setattr(binaries_module, "_major", lambda _: major)
    monkeypatch.setattr(binaries_module, "_ask", refuse)
    with pytest.raises(DatabaseError, match="may not run it as user nobody"):
        locate(tmp_path, tmp_path / "cluster", Account(NOBODY.pw_uid, NOBODY.pw_gid))


# As whom


def test_account_name() -> None:
    """A user without a name goes by its number."""
    assert Account(0, 0).name == "root"
    assert Account(4_000_000, 0).name == "4000000"


def test_account_of_a_normal_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A normal user runs Postgres itself, but not on a cluster of somebody else."""
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner or 1000)
    assert account_for(tmp_path / "missing") is None
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(DatabaseError, match=f"{tmp_path} belongs to user {pwd.getpwuid(owner)[0]}"):
        account_for(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result((0o40700, 0, 0, 0, 1000, *[0] * 5)))
    assert account_for(tmp_path) is None


def test_account_for_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root takes the user postgres, or else nobody, or explains that it needs one."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    known = {"postgres": NOBODY, "nobody": NOBODY}
    monkeypatch.setattr(pwd, "getpwnam", known.__getitem__)
    expected = Account(NOBODY.pw_uid, NOBODY.pw_gid)
    assert account_for(tmp_path / "missing") == expected
    del known["postgres"]
    assert account_for(tmp_path / "missing") == expected
    del known["nobody"]
    with pytest.raises(DatabaseError, match="no user postgres or nobody"):
        account_for(tmp_path / "missing")


# The data directory


def test_full_disk_is_explained(tmp_path: Path) -> None:
    """When the disk is full another folder is not the first remedy."""
    with (
        pytest.raises(DatabaseError, match="No space left on device; free some space"),
        data_dir.explained(tmp_path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "file")


def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files can't be locked the error comes through, and no descriptor stays open."""

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    opened = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No locks available"):
        data_dir.locked(tmp_path)
    assert set(os.listdir("/proc/self/fd")) == opened


def test_private_folder(tmp_path: Path) -> None:
    """A socket folder of ours that others may enter is closed to them."""
    folder = tmp_path / "sockets"
    folder.mkdir()
    folder.chmod(0o755)
    data_dir.make_private(folder, None)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# Making a cluster


async def test_initdb(tmp_path: Path) -> None:
    """A new cluster comes to its place only when it is complete, synced unless told not to."""
    for sync in (True, False):
        cluster = tmp_path / str(sync) / "postgres"
        script(tmp_path / "initdb", f'{INITDB} mkdir $data; echo "$*" > $data/options')
        cluster.parent.mkdir()
        await initdb.create(cluster, Binaries(tmp_path, 18, lz4=True), None, "sesame", sync=sync)
        options = (cluster / "options").read_text()
        assert ("--no-sync" in options) is not sync
        assert "sesame" not in options
        assert os.listdir(cluster.parent) == ["postgres"]


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("initdb: error: could not write: No space left on device", "the disk is full"),
        ("running ...\ninitdb: error: wrong\nhint: none", "can't be created: initdb: error: wrong"),
        ("one\ntwo\nthree\nfour", "can't be created: two three four"),
        ("initdb: error: could not look up effective user ID 1000", "add this user to /etc/passwd"),
    ],
)
async def test_initdb_fails(tmp_path: Path, output: str, complaint: str) -> None:
    """When initdb fails its reason is told in one line, and nothing is left behind."""
    script(tmp_path / "bin/initdb", f"cat <<EOF\n{output}\nEOF\nexit 1")
    cluster = tmp_path / "data" / "postgres"
    cluster.parent.mkdir()
    with pytest.raises(DatabaseError, match=complaint) as error:
        await initdb.create(
            cluster, Binaries(tmp_path / "bin", 15, lz4=True), None, "sesame", sync=True
        )
    assert "\n" not in str(error.value)
    assert os.listdir(cluster.parent) == []
