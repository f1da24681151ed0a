"""Where the embedded Postgres lies, as whom it runs, and whom it lets in."""

# ruff: noqa: ASYNC240 - nothing else waits for a test's event loop

import asyncio
import os
import pwd
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from server.errors import DatabaseError
from server.persistence import binaries as binaries_module
from server.persistence.binaries import bundled
from server.persistence.embedded import EmbeddedPostgres
from tests.support.embedded import (
    FAST,
    ROOT,
    answers,
    as_user,
    ask,
    debian,
    one_line,
    program_of,
    started,
    until,
)

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache for copied binaries that every user can reach, as /var/cache is."""
    folder = Path(tempfile.mkdtemp(prefix="lyceum-test-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(binaries_module, "CACHE", folder / "lyceum")
    yield folder / "lyceum"
    shutil.rmtree(folder)


async def test_second_user_is_refused(data: Path) -> None:
    """Whoever comes second learns who holds the directory; the first goes on undisturbed."""
    async with started(data) as first:
        with pytest.raises(DatabaseError) as error:
            await EmbeddedPostgres(data, settings=FAST).start()
        assert f"another lyceum server (pid {os.getpid()}) uses {data}" in one_line(error)
        assert await answers(first.url)


async def test_unusable_data_dir_is_named(tmp_path: Path) -> None:
    """A data directory that can't be made gives one line with the path and the remedy."""
    (tmp_path / "file").touch()
    data = tmp_path / "file" / "data"
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data).start()
    text = one_line(error)
    assert str(data) in text
    assert "LYCEUM_DATA_DIR" in text


async def test_private_folders_above(tmp_path: Path, cache: Path) -> None:
    """Data and binaries may lie below a folder that only we can enter, as /root is.

    As root Postgres runs as somebody else, from a copy; no folder's permissions change.
    """
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    bundle = bundled()[0]
    package = bundle.parents[1]
    copy = private / package.name / bundle.parent.name
    shutil.copytree(bundle.parent, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{package.name}.libs"
    shutil.copytree(package.with_name(libraries), private / libraries)
    async with started(private / "data", copy / "bin") as postgres:
        assert await ask(postgres.url, "select 1") == 1
        owner = Path(f"/proc/{postgres.pid}").stat().st_uid
        program = program_of(postgres)
    assert owner == (private / "data/postgres").stat().st_uid != 0
    assert program.is_relative_to(cache if ROOT else private)
    for folder in (tmp_path, private, private / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    if ROOT:
        assert not [path for path in cache.rglob("*") if path.stat().st_mode & 0o022]
        async with started(private / "data", copy / "bin") as postgres:  # from the same copy
            assert program_of(postgres) == program


def test_normal_user() -> None:
    """A normal user needs none of what root needs: start, restart after a kill, stop."""
    home = Path(tempfile.mkdtemp(prefix="lyceum-test-", dir="/tmp"))
    user = NOBODY if ROOT else pwd.getpwuid(os.geteuid())
    os.chown(home, user.pw_uid, user.pw_gid)

    async def lifecycle() -> None:
        async with started(home / "data", debian()) as postgres:
            killed = postgres.pid
            assert killed is not None
            assert Path(f"/proc/{killed}").stat().st_uid == user.pw_uid
            os.kill(killed, signal.SIGKILL)
            await until(lambda: postgres.pid not in (None, killed))
            await until(lambda: answers(postgres.url))

    try:
        # forked, as `nobody` might not be able to read our checkout
        assert as_user(user, lambda: asyncio.run(lifecycle())) == 0
    finally:
        shutil.rmtree(home)


async def test_cluster_that_root_restored(data: Path) -> None:
    """A cluster that root put back from a backup is given to the user who runs it."""
    async with started(data) as postgres:
        await ask(postgres.url, "create table kept as select 7 as answer")
    if ROOT:
        for path in [data / "postgres", *(data / "postgres").rglob("*")]:
            os.chown(path, 0, 0)
    async with started(data) as postgres:
        assert await ask(postgres.url, "select answer from kept") == 7


async def test_long_path(tmp_path: Path) -> None:
    """A data directory's path may be longer than the 107 bytes that a socket's may have."""
    async with started(tmp_path / ("long" * 20) / ("er" * 40) / "data") as postgres:
        assert await answers(postgres.url)


async def test_nobody_is_trusted(data: Path) -> None:
    """Without the password nobody gets in, whatever the role and database."""
    async with started(data) as postgres:
        url = postgres.url
        password = url.split(":")[2].partition("@")[0]
        for refused in (
            url.replace(password, "wrong"),
            url.replace(f":{password}", ""),
            url.replace("/lyceum?", "/postgres?").replace(password, "wrong"),
            url.replace("//lyceum:", "//postgres:"),
        ):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await ask(refused, "select 1")
        folder = Path(url.partition("host=")[2].partition("&")[0])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_lost_password_is_explained(data: Path) -> None:
    """A password file that is missing or wrong gives one line that names it."""
    async with started(data):
        pass
    path = data / "postgres-password"
    path.write_text("wrong\n")
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert str(path) in one_line(error)
    path.unlink()
    with pytest.raises(DatabaseError) as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert f"{path} is missing" in one_line(error)


async def test_socket_folder_of_somebody_else_is_refused(data: Path) -> None:
    """A folder that waits for us in /tmp under our socket's name is not used."""
    async with started(data) as postgres:
        folder = Path(postgres.url.partition("host=")[2].partition("&")[0])
    assert not folder.exists()
    folder.symlink_to(data)
    try:
        with pytest.raises(DatabaseError, match=f"{folder} was made by somebody else") as error:
            await EmbeddedPostgres(data, settings=FAST).start()
        one_line(error)
    finally:
        folder.unlink()
    if ROOT:
        folder.mkdir()
        os.chown(folder, 12345, 12345)
        try:
            with pytest.raises(DatabaseError, match="somebody else"):
                await EmbeddedPostgres(data, settings=FAST).start()
        finally:
            folder.rmdir()


async def test_other_major_version_is_explained(data: Path) -> None:
    """A cluster that an older Postgres made is not touched, and the error says what to do."""
    async with started(data):
        pass
    (data / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(DatabaseError, match="was made by Postgres 9 and this is Postgres") as error:
        await EmbeddedPostgres(data, settings=FAST).start()
    assert "pg_dump" in one_line(error)


async def test_missing_binaries_are_explained(data: Path, tmp_path: Path) -> None:
    """Where no Postgres runs, the error names the way out."""
    with pytest.raises(DatabaseError, match="LYCEUM_DATABASE_URL"):
        await EmbeddedPostgres(data, binaries=tmp_path).start()
