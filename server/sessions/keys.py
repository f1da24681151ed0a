"""The public keys that tokens may be signed with: a JWK set in a file, read again when it changes.

A key is bound to one algorithm here; what a token's header says never chooses how a key is used.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from server.errors import ConfigError

log = structlog.get_logger()

ALGORITHMS = ("RS256", "ES256", "EdDSA")
MAX_FILE = 2**20  # bytes
LEAST_RSA = 2048  # bits
PRIVATE = ("d", "p", "q", "k")  # members that no public key has


class BadKeys(ValueError):
    """The file holds no set of public keys; the message names the key and the remedy."""


class Key(NamedTuple):
    """A public key; `name` is its `kid`, empty if it has none."""

    name: str
    algorithm: str
    key: jwt.PyJWK


class Keys:
    """A set of public keys."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, algorithm: str, name: str | None) -> Key | None:
        """The key for a token's header; one without `kid` means the only one of its algorithm."""
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        if name is not None:
            fitting = [key for key in fitting if key.name == name]
        return fitting[0] if len(fitting) == 1 else None

    @classmethod
    def parse(cls, text: str | bytes) -> "Keys":
        """A JWK set (RFC 7517); keys for other uses are left out. Raises BadKeys."""
        try:
            members = json.loads(text)["keys"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise BadKeys('it is no JWK set: {"keys": [...]} is expected') from None
        if not isinstance(members, list) or not all(isinstance(jwk, dict) for jwk in members):
            raise BadKeys("its keys are no list of JSON objects")
        read = [_read(jwk, _called(jwk, number)) for number, jwk in enumerate(members, 1)]
        keys = [key for key in read if key is not None]
        if not keys:
            raise BadKeys(f"it has no key for {', '.join(ALGORITHMS)}; add one")
        names = [(key.algorithm, key.name) for key in keys]
        for key in keys:
            if names.count((key.algorithm, key.name)) > 1:
                raise BadKeys(f"several keys have kid {key.name!r}; give each its own")
        return cls(keys)


def _called(jwk: dict[str, Any], number: int) -> str:
    kid = jwk.get("kid")
    return f"key {kid!r}" if isinstance(kid, str) and kid else f"key number {number}"


def _read(jwk: dict[str, Any], called: str) -> Key | None:
    """A key; None if it is for something else than the signatures that we know."""
    if jwk.get("kty") == "oct":
        raise BadKeys(f"{called} is symmetric; remove it: secrets go into LYCEUM_AUTH_SECRET")
    if any(member in jwk for member in PRIVATE):
        raise BadKeys(f"{called} is private; keep only the public part here")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    kid = jwk.get("kid", "")
    if not isinstance(kid, str):
        raise BadKeys(f"the kid of {called} is no text")
    try:
        key = jwt.PyJWK(jwk)
    except (jwt.PyJWTError, ValueError, LookupError, TypeError, AttributeError):
        log.warning("a key was left out; it can't be used", key=called, kind=str(jwk.get("kty")))
        return None
    if key.algorithm_name not in ALGORITHMS:
        log.warning("a key was left out", key=called, algorithm=key.algorithm_name)
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA:
        raise BadKeys(f"{called} is too short; RSA keys have {LEAST_RSA} bits or more")
    return Key(kid, key.algorithm_name, key)


class KeyFile:
    """A file with a JWK set; `keys` are those of its newest version that could be used.

    Raises ConfigError, naming file, key and remedy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = self._look()
        try:
            self.keys = self._read()
        except (OSError, BadKeys) as error:
            raise ConfigError(f"LYCEUM_AUTH_JWKS_FILE={path}: {_why(error)}") from None

    def refresh(self) -> None:
        """Read the file again if it has changed; keys that can't be used leave the old ones."""
        version = self._look()
        if version == self._version:
            return
        self._version = version
        try:
            self.keys = self._read()
        except (OSError, BadKeys) as error:
            log.error("new keys can't be used; the old ones stay", why=_why(error))
        else:
            log.info("keys read", keys=len(self.keys))

    def _look(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> Keys:
        with self._path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
        if len(text) > MAX_FILE:
            raise BadKeys(f"it has more than {MAX_FILE} bytes")
        return Keys.parse(text)


def _why(error: OSError | BadKeys) -> str:
    reason = error.strerror or "" if isinstance(error, OSError) else str(error)
    return f"the file can't be read: {reason}" if isinstance(error, OSError) else reason
