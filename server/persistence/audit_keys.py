"""The keys of the audit's seals, in PEM: a private one that signs, and public ones that verify.

One file may hold both: at most one private key, and the public keys of those that signed before.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from server.config import Config
from server.domain.audit import Keys
from server.errors import AuditError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
LARGEST = 2**16  # bytes
BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", re.DOTALL)
REMEDY = "`openssl genpkey -algorithm ed25519` makes a key, `openssl pkey -pubout` its public one"


class AuditKeys(NamedTuple):
    """What a key file holds."""

    signing: Ed25519PrivateKey | None
    verifying: Keys


def key_file(config: Config) -> Path | None:
    """Where the key is; that of an embedded database is beside it unless another one is set."""
    if config.audit_key_file is None and config.database_url is None:
        return config.data_dir / "audit-key.pem"
    return config.audit_key_file


def roots_file(config: Config) -> Path | None:
    """Where seals are exported to; likewise."""
    if config.audit_roots_file is None and config.database_url is None:
        return config.data_dir / "audit-roots.jsonl"
    return config.audit_roots_file


def own_keys(config: Config, make: bool = False) -> AuditKeys | None:
    """The keys that the configuration names; None if it names none.

    make: if the key beside an embedded database is missing, make one. Raises AuditError.
    """
    path = key_file(config)
    if config.audit_key_file is None and path is not None and not path.exists():
        if not make:
            return None
        make_key(path)
    return None if path is None else read_keys(path)


def read_keys(path: Path) -> AuditKeys:
    """The keys in a file; raises AuditError, which shows nothing of a key."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(LARGEST)
    except OSError as error:
        raise AuditError(f"the audit's key file {path} can't be read: {error.strerror}") from None
    signing = []
    verifying = []
    for block in BLOCK.finditer(text):
        key = _key(path, block[0])
        if isinstance(key, Ed25519PrivateKey):
            signing.append(key)
            verifying.append(key.public_key())
        else:
            verifying.append(key)
    if not verifying:
        raise AuditError(f"the audit's key file {path} has no key in PEM; {REMEDY}")
    if len(signing) > 1:
        raise AuditError(
            f"the audit's key file {path} has {len(signing)} private keys; one signs, of those"
            " before it only the public keys are needed"
        )
    if signing and mode & OTHERS:
        raise AuditError(
            f"the audit's key file {path} has mode {mode:04o}, so that others than its owner may"
            f" use it; `chmod 600 {path}`, and make a new key if somebody may have read it"
        )
    return AuditKeys(signing[0] if signing else None, Keys(verifying))


def make_key(path: Path) -> None:
    """Write a new private key to a file that only its owner can read; raises AuditError.

    The file is there whole or not at all, and one that is there already stays.
    """
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(beside)
        beside.unlink()
    except OSError as error:
        raise AuditError(f"the audit's key file {path} can't be made: {error.strerror}") from None


def _key(path: Path, block: bytes) -> Ed25519PrivateKey | Ed25519PublicKey:
    try:
        key = (
            load_pem_public_key(block) if b"PUBLIC" in block else load_pem_private_key(block, None)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise AuditError(
            f"the audit's key file {path} has something in PEM that is no key, or is encrypted;"
            f" {REMEDY}"
        ) from None
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise AuditError(f"the audit's key file {path} has a key that is not Ed25519; {REMEDY}")
    return key
