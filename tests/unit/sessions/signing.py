"""Keys of every kind that tokens may be signed with, made once, and tokens signed with them."""

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as make_rsa
from jwt.algorithms import get_default_algorithms

PAIRED = ("RS256", "ES256", "EdDSA")


@cache
def private_key(algorithm: str, name: str = "") -> Any:
    """The private key that this name has in these tests."""
    match algorithm:
        case "RS256":
            return make_rsa(65537, 2048)
        case "ES256":
            return make_ec(SECP256R1())
    return Ed25519PrivateKey.generate()


def jwk(algorithm: str, name: str = "", **members: Any) -> dict[str, Any]:
    """The public half of that key, as a member of a JWK set."""
    public = private_key(algorithm, name).public_key()
    made = dict(get_default_algorithms()[algorithm].to_jwk(public, as_dict=True))
    made.pop("key_ops", None)
    kid = {"kid": name} if name else {}
    return {**made, "alg": algorithm, "use": "sig", **kid, **members}


def jwk_set(*keys: dict[str, Any]) -> str:
    """A JWK set."""
    return json.dumps({"keys": keys})


def write_keys(path: Path, *keys: dict[str, Any]) -> None:
    """Put a JWK set in a file's place at once, as it should be done beside a running server."""
    fresh = path.with_suffix(".new")
    fresh.write_text(jwk_set(*keys))
    fresh.replace(path)


def claims(**others: Any) -> dict[str, Any]:
    """What a token needs at least, and more; None leaves one out."""
    made = {"sub": "u1", "exp": int(time.time()) + 600, **others}
    return {name: value for name, value in made.items() if value is not None}


def signed(algorithm: str, name: str = "", kid: str | None = None, **others: Any) -> str:
    """A token signed with the key of that name, which is its `kid` unless another is given."""
    named = name if kid is None else kid
    headers = {"kid": named} if named else None
    return jwt.encode(claims(**others), private_key(algorithm, name), algorithm, headers)
