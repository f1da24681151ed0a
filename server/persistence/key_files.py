"""The file of encryption keys (LYCEUM_KEYS_FILE): read with its mode checked, made, added to.

Its text is what `domain.envelope.Keyring` describes. Only its owner may be able to read it.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.config import Config
from server.domain.envelope import Keyring, new_key, parse_keys
from server.errors import KeysError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
LARGEST = 2**20  # bytes; who names another file by mistake need not wait for all of it
BEGINNING = """\
# Encryption keys of Lyceum, one `id:base64` a line. Without them all personal data is lost:
# back this file up, and not where the database's backups are.
"""


def keyring(config: Config) -> Keyring:
    """The keys that the configuration names; raises KeysError, which shows nothing of a key."""
    if config.keys is not None:
        return config.keys
    if config.keys_file is None:
        raise KeysError(
            "personal data is encrypted, and no keys are given: set LYCEUM_KEYS_FILE to a file"
            " that `lyceum db new-key` makes"
        )
    return Keyring(read_keys(config.keys_file))


def read_keys(path: Path) -> dict[int, bytes]:
    """The key material in a file, by id; raises KeysError, which shows nothing of a key."""
    with _explained(path), path.open("rb") as file:
        status = os.fstat(file.fileno())
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise KeysError(f"the key file {path} is not a regular file")
        if mode & OTHERS:
            raise KeysError(
                f"the key file {path} has mode {mode:04o}, so that others than its owner may use"
                f" it; `chmod 600 {path}`, and make new keys if somebody may have read it"
            )
        text = file.read(LARGEST)
    try:
        return parse_keys(text.decode("ascii", "replace"))
    except ValueError as error:
        raise KeysError(f"the key file {path} can't be used: {error}") from None


def add_key(path: Path) -> int:
    """Add a new key to a file, which is made if missing; returns its id.

    Whoever reads the file meanwhile, or whatever ends this, finds it whole: as before or after.
    Raises KeysError.
    """
    with _explained(path), _alone_in(path.parent):
        there = read_keys(path) if path.exists() else {}
        id = max(there, default=0) + 1
        text = path.read_text() if there else BEGINNING
        text += "" if text.endswith("\n") else "\n"
        _replace(path, f"{text}{new_key(id)}\n".encode())
    return id


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # of somebody who was killed
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        if path.exists():  # root may add a key to a file that the server's account has to read
            before = path.stat()
            os.fchown(handle, before.st_uid, before.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one at a time change key files in a folder; what changed is on the disk at the end."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeysError(f"the key file {path} can't be used: {error.strerror}") from None
