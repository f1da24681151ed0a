"""A new database cluster, whole or not at all, and its password."""

import ctypes
import errno
import os
import secrets
import shutil
import signal
import tempfile
from pathlib import Path

import structlog

from server.errors import DatabaseError
from server.persistence.binaries import Binaries
from server.persistence.postmaster import Account, ended, libc, spawn

PASSWORD = "postgres-password"  # noqa: S105 - the name of a file
STAGING = "postgres-initdb-"

log = structlog.get_logger()


def password(data: Path, *, create: bool) -> str:
    """The superuser's password, kept in the data directory; made if it may be and is missing."""
    path = data / PASSWORD
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if not create:
            raise DatabaseError(
                f"{path} is missing: put it back, the database {data / 'postgres'} opens with it"
                " only"
            ) from None
    made = secrets.token_urlsafe(32)
    unfinished = path.with_name(f"{PASSWORD}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    return made


def clear_unfinished(data: Path) -> None:
    """Remove what an initdb that was killed left behind."""
    for path in data.glob(f"{STAGING}*"):
        shutil.rmtree(path, ignore_errors=True)


async def create(
    cluster: Path, binaries: Binaries, account: Account | None, secret: str, *, sync: bool
) -> None:
    """Make a cluster beside its place and move it there when it is complete and on the disk.

    Raises DatabaseError when initdb fails or the disk is full.
    """
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=cluster.parent))
    log.info("creating the database", path=str(cluster), postgres=binaries.major)
    folder = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        (staging / "password").write_text(secret)
        if account is not None:
            os.chown(staging, account.uid, account.gid)
            os.chown(staging / "password", account.uid, account.gid)
        # initdb's account may not be allowed to walk to the folder, but it holds it open
        seen = staging if account is None else Path(f"/proc/self/fd/{folder}")
        arguments = [binaries.folder / "initdb", *_options(binaries.major, seen)]
        if not sync:
            arguments.append("--no-sync")
        await _run(arguments, account, folder, staging)
        (staging / "new").rename(cluster)
        _sync_folder(cluster.parent)
    finally:
        os.close(folder)
        shutil.rmtree(staging, ignore_errors=True)


def _options(major: int, folder: Path) -> list[str | Path]:
    options: list[str | Path] = [
        f"--pgdata={folder / 'new'}",
        f"--pwfile={folder / 'password'}",
        "--username=lyceum",
        "--auth=scram-sha-256",  # for the socket too: other users of the machine are strangers
        "--data-checksums",
        "--encoding=UTF8",
        # Order by code point, and never by a C library that changes its mind with an update;
        # know letters beyond ASCII, which full-text search asks the C library about.
        "--locale=C",
        f"--lc-ctype={'C.UTF-8' if _locale_exists(b'C.UTF-8') else 'C'}",
        "--no-instructions",
    ]
    if major >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return options


def _locale_exists(name: bytes) -> bool:
    lc_ctype_mask = 1  # locale.h
    libc.newlocale.restype = ctypes.c_void_p
    return bool(libc.newlocale(lc_ctype_mask, name, None))


async def _run(
    arguments: list[str | Path], account: Account | None, folder: int, staging: Path
) -> None:
    with tempfile.TemporaryFile(dir=staging) as output:
        process = spawn(
            arguments,
            account,
            output=output.fileno(),
            keep=[folder],
            at_our_death=signal.SIGKILL,  # the next start throws away what it made
        )
        try:
            await ended(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the backend that it drives
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            raise _failure(output.read().decode(errors="replace"), staging.parent)


def _failure(output: str, data: Path) -> DatabaseError:
    if os.strerror(errno.ENOSPC) in output:
        return DatabaseError(f"{data}: the disk is full; free at least 100 MB to start")
    lines = [line.strip() for line in output.splitlines() if "error:" in line or "FATAL:" in line]
    reason = " ".join(lines or output.splitlines()[-3:])
    if "could not look up effective user ID" in output:
        reason += ": add this user to /etc/passwd, or set LYCEUM_DATABASE_URL"
    return DatabaseError(f"{data}: the database can't be created: {reason}")


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
