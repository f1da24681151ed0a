"""The data directory of the embedded database: who uses it, and where its socket is."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.errors import DatabaseError
from server.persistence.postmaster import Account

LOCK = "lock"
# running_url looks at the lock by holding it for an instant: that must not refuse a server.
LOCK_SECONDS = 0.5


@contextmanager
def explained(data: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line with the remedy."""
    try:
        yield
    except OSError as error:
        remedy = "choose a folder that this user may write with LYCEUM_DATA_DIR"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space"
        where = error.filename if isinstance(error.filename, str) else data
        raise DatabaseError(
            f"the data directory {data} can't be used: {where}: {error.strerror}; {remedy}, or set"
            " LYCEUM_DATABASE_URL"
        ) from error


def locked(data: Path) -> int:
    """Make us the only user of a data directory until the descriptor is closed or we die.

    A plain descriptor: it does not survive exec, so that Postgres can't hold the lock after us.
    """
    lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)  # flock can't wait with a bound; nothing else runs yet
                continue
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise DatabaseError(
                f"another lyceum server (pid {holder}) uses {data}: stop it, or set"
                " LYCEUM_DATA_DIR to another folder"
            ) from None
        except OSError:
            os.close(lock)
            raise
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def in_use(data: Path) -> bool:
    """Whether a server holds the lock."""
    try:
        lock = os.open(data / LOCK, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def socket_dir(data: Path) -> Path:
    """The folder of the socket: in /tmp, as a socket's path may have 107 bytes only."""
    real = os.path.realpath(data)
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    return Path(f"/tmp/lyceum-{os.stat(data / 'postgres').st_uid}-{digest}")  # noqa: S108


def make_private(folder: Path, account: Account | None) -> None:
    """Make a folder in /tmp that is the account's alone, or refuse one that somebody else made."""
    owner = os.geteuid() if account is None else account.uid
    refused = f"{folder} was made by somebody else; remove it"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (NotADirectoryError, PermissionError) as error:
        raise DatabaseError(refused) from error
    try:
        made = os.fstat(descriptor)
        if made.st_uid not in (owner, os.geteuid()):
            raise DatabaseError(refused)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        if stat.S_IMODE(made.st_mode) != 0o700:
            os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
