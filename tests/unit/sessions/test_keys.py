"""Public keys in a file: which are taken, which are refused and how, and that changes are seen."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from server.errors import ConfigError
from server.sessions.keys import MAX_FILE, BadKeys, KeyFile, Keys
from tests.unit.sessions.signing import PAIRED, jwk, jwk_set, private_key, write_keys


def weak_rsa() -> dict[str, Any]:
    """A public key that is too short."""
    public = generate_private_key(65537, 1024).public_key()
    return {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "weak"}


def private() -> dict[str, Any]:
    """A key that nobody should have put into this file."""
    return {**RSAAlgorithm.to_jwk(private_key("RS256"), as_dict=True), "kid": "mine"}


SECRET = {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"}


@pytest.mark.parametrize("algorithm", PAIRED)
@pytest.mark.parametrize("said", [True, False], ids=["alg", "no alg"])
def test_each_kind_of_key_is_read(algorithm: str, said: bool) -> None:
    """With its algorithm named or not, as providers do; it is bound to that one."""
    key = jwk(algorithm, "k1")
    if not said:
        del key["alg"]
    keys = Keys.parse(jwk_set(key))
    found = keys.find(algorithm, "k1")
    assert found is not None
    assert (found.name, found.algorithm) == ("k1", algorithm)
    for other in {"HS256", "none", *PAIRED} - {algorithm}:
        assert keys.find(other, "k1") is None


def test_kid_chooses_among_several() -> None:
    """Without one, the only key of an algorithm is meant, and none where there are two."""
    keys = Keys.parse(jwk_set(jwk("RS256", "a"), jwk("RS256", "b"), jwk("ES256", "a")))
    assert len(keys) == 3
    found = keys.find("RS256", "b")
    assert found is not None
    assert found.name == "b"
    assert keys.find("RS256", "c") is None
    assert keys.find("RS256", None) is None
    assert keys.find("ES256", None) is not None


@pytest.mark.parametrize(
    "other",
    [
        jwk("RS256", "other", use="enc"),
        jwk("RS256", "other", key_ops=["encrypt"]),
        jwk("RS256", "other", alg="RS512"),
        jwk("RS256", "other", alg="RSA-OAEP"),
        jwk("ES256", "other", crv="P-999"),
        jwk("ES256", "other", x=3),
        {"kty": "lattice", "kid": "other"},
        {"kid": "other"},
    ],
    ids=["use", "key_ops", "RS512", "RSA-OAEP", "curve", "number", "kty", "no kty"],
)
def test_keys_for_other_things_are_left_out(other: dict[str, Any]) -> None:
    """Providers publish them in the same set; alone they make no set that could be used."""
    keys = Keys.parse(jwk_set(other, jwk("EdDSA", "k1")))
    assert [key.name for key in keys] == ["k1"]
    with pytest.raises(BadKeys, match="no key for RS256, ES256, EdDSA"):
        Keys.parse(jwk_set(other))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JWK set"),
        ("{}", "no JWK set"),
        ("[]", "no JWK set"),
        ("[" * 100_000, "no JWK set"),
        ('{"keys": {}}', "no list"),
        ('{"keys": ["k1"]}', "no list"),
        ('{"keys": []}', "no key for"),
        (jwk_set(jwk("ES256", "k1"), SECRET), "key 'hmac' is symmetric; remove it"),
        (jwk_set(jwk("ES256"), {**SECRET, "kid": ""}), "key number 2 is symmetric"),
        (jwk_set(private()), "key 'mine' is private; keep only the public part"),
        (jwk_set(weak_rsa()), "key 'weak' is too short; RSA keys have 2048 bits"),
        (jwk_set(jwk("ES256", "k1", kid=7)), "the kid of key number 1 is no text"),
        (jwk_set(jwk("ES256", "k1"), jwk("ES256", "k1")), "several keys have kid 'k1'"),
    ],
    ids=[
        "empty",
        "no keys",
        "list",
        "deep",
        "keys an object",
        "key a text",
        "none",
        "secret",
        "secret without kid",
        "private",
        "weak",
        "kid a number",
        "kid twice",
    ],
)
def test_a_set_that_is_no_good_is_refused(text: str, why: str, tmp_path: Path) -> None:
    """The error names the setting, the file, the key and the remedy."""
    with pytest.raises(BadKeys, match=why):
        Keys.parse(text)
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why) as refused:
        KeyFile(path)
    assert f"LYCEUM_AUTH_JWKS_FILE={path}: " in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, a folder, or larger than any set of keys."""
    with pytest.raises(ConfigError, match="the file can't be read: No such file"):
        KeyFile(tmp_path / "missing")
    with pytest.raises(ConfigError, match="the file can't be read: Is a directory"):
        KeyFile(tmp_path)
    large = tmp_path / "large"
    large.write_text(json.dumps({"keys": [], "padding": "x" * MAX_FILE}))
    with pytest.raises(ConfigError, match="more than"):
        KeyFile(large)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """And only then; what can't be used leaves the keys that were there."""
    path = tmp_path / "keys.json"
    write_keys(path, jwk("ES256", "old"))
    file = KeyFile(path)
    first = file.keys
    file.refresh()
    assert file.keys is first
    write_keys(path, SECRET)
    file.refresh()
    assert file.keys is first
    path.unlink()
    file.refresh()
    assert file.keys is first
    write_keys(path, jwk("ES256", "new"))
    file.refresh()
    assert [key.name for key in file.keys] == ["new"]
