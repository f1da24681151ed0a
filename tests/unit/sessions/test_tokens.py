"""Tokens: which are good, and why each of the others is not."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config
from server.domain.roles import Role
from server.errors import TokenEarly, TokenExpired, Unauthorized
from server.sessions.keys import KeyFile
from server.sessions.tokens import LATEST, LEEWAY, MAX_TOKEN, SOON, Tokens, make_token
from tests.unit.sessions.signing import PAIRED, claims, jwk, private_key, signed, write_keys

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0
MOST = 123  # bytes of a reason in a WebSocket's close frame


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    """One key of each algorithm."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, *(jwk(algorithm, algorithm) for algorithm in PAIRED))
    return KeyFile(path)


def at(now: float, **how: Any) -> Tokens:
    """Tokens with HS256 at a Unix time."""
    return Tokens(SECRET, clock=lambda: now, **how)


def hs256(secret: str = SECRET, algorithm: str = "HS256", **others: Any) -> str:
    """A token signed with a secret."""
    return jwt.encode(claims(**others), secret, algorithm)


def refusal(tokens: Tokens, token: str) -> Unauthorized:
    """Why a token is no good, in a sentence that fits into a close frame and does not hold it."""
    with pytest.raises(Unauthorized) as refused:
        tokens.verify(token)
    reason = str(refused.value)
    assert len(reason.encode()) <= MOST
    assert reason.endswith((".", "?."))
    assert token not in reason
    return refused.value


def test_our_own_tokens_are_good() -> None:
    """What `lyceum token` prints says who, as what, since when, until when, and its own id."""
    tokens = Tokens(SECRET)
    token = make_token(SECRET, "u1", "Ann", {"les*": Role.TEACHER}, ttl=60)
    read = tokens.verify(token)
    assert (read.sub, read.name, read.sessions) == ("u1", "Ann", {"les*": "teacher"})
    assert read.iat is not None
    assert read.exp - read.iat == 60
    other = tokens.verify(make_token(SECRET, "u1", None, None, ttl=60))
    assert (other.name, other.sessions) == (None, None)
    assert read.jti
    assert read.jti != other.jti


@pytest.mark.parametrize("algorithm", PAIRED)
@pytest.mark.parametrize("kid", [None, ""], ids=["kid", "no kid"])
def test_each_kind_of_signature_is_good(keys: KeyFile, algorithm: str, kid: str | None) -> None:
    """With the key's name, or without if there is no choice; also beside a secret."""
    token = signed(algorithm, algorithm, kid)
    for secret in (None, SECRET):
        assert Tokens(secret, keys).verify(token).sub == "u1"
    reason = str(refusal(Tokens(SECRET), token))
    assert "not signed with HS256" in reason


@pytest.mark.parametrize("algorithm", PAIRED)
def test_a_signature_of_another_key_is_not(keys: KeyFile, algorithm: str) -> None:
    """Neither under the name of a known key nor under its own."""
    tokens = Tokens(None, keys)
    assert "signature" in str(refusal(tokens, signed(algorithm, "mine", algorithm)))
    assert "not known here" in str(refusal(tokens, signed(algorithm, "mine")))


def test_a_public_key_is_never_a_secret(keys: KeyFile) -> None:
    """HS256 with what everybody knows of a pair is refused, with a secret set or without."""
    public = private_key("RS256", "RS256").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = json.dumps(jwk("RS256", "RS256")).encode()
    for known in (pem, der, text):
        forged = hmac_token(known, {"alg": "HS256", "kid": "RS256"})
        assert "is not signed with RS256" in str(refusal(Tokens(None, keys), forged))
        assert "signature" in str(refusal(Tokens(SECRET, keys), forged))


def hmac_token(key: bytes, header: dict[str, Any]) -> str:
    """A token with HMAC-SHA-256 under any key, which careful libraries refuse to make."""
    parts = (header, claims())
    signing = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    digest = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return b".".join((signing, encoded(digest.sign(signing, key)))).decode()


def encoded(data: bytes) -> bytes:
    """Base64 as JWTs have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "HS512", "RS512", "", 7])
def test_no_other_algorithm_is_good(keys: KeyFile, algorithm: str | int) -> None:
    """`none` least of all, however it is spelled; the reason names those that are."""
    forged = hmac_token(SECRET.encode(), {"alg": algorithm})
    bare = forged.rpartition(".")[0] + "."
    for token in (forged, bare):
        reason = str(refusal(Tokens(SECRET, keys), token))
        assert reason.startswith("The token is not valid: it is no")


def test_the_key_decides_about_the_algorithm(keys: KeyFile) -> None:
    """A header that names the key of one algorithm and another algorithm finds no key."""
    token = signed("ES256", "ES256", kid="RS256")
    assert "not known here" in str(refusal(Tokens(None, keys), token))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_tampered_token_is_not_good(part: int) -> None:
    """Whichever part was changed."""
    parts = hs256().split(".")
    other = hs256(secret="f" * 32, sub="u2").split(".")
    parts[part] = other[part] if part else encoded(b'{"alg":"HS256","typ":"JWT","x":1}').decode()
    assert "signature" in str(refusal(Tokens(SECRET), ".".join(parts)))


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "é" * 10, "..", "a.b.c.d", "\ud800", encoded(b"[" * 5000).decode() + ".e30.x"],
    ids=["word", "dots", "not ASCII", "empty", "four", "surrogate", "deep"],
)
def test_rubbish_is_no_token(token: str) -> None:
    """It is refused like any other, and raises nothing else."""
    assert "it is no JWT" in str(refusal(Tokens(SECRET), token))


@given(token=st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")))
def test_no_text_is_a_token(token: str) -> None:
    """Whatever it is."""
    with pytest.raises(Unauthorized):
        Tokens(SECRET).verify(token)


def test_a_huge_token_is_not_even_looked_at() -> None:
    """Beyond a bound nothing is decoded; at the bound it is."""
    assert "too long" in str(refusal(Tokens(SECRET), "x" * (MAX_TOKEN + 1)))
    assert "no JWT" in str(refusal(Tokens(SECRET), "x" * MAX_TOKEN))
    padded = hs256(padding="x" * 6_000)
    assert len(padded) <= MAX_TOKEN
    assert Tokens(SECRET).verify(padded).sub == "u1"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"exp": None}, "does not say its exp"),
        ({"sub": None}, "does not say its sub"),
        ({"sub": 7}, "can't be read"),
        ({"sub": ""}, "not the form"),
        ({"sub": "x" * 256}, "not the form"),
        ({"sub": "a\0b"}, "control characters"),
        ({"sub": "a\ud800b"}, "control characters"),
        ({"name": 7}, "not the form"),
        ({"name": "x" * 256}, "not the form"),
        ({"name": "a\nb"}, "control characters"),
        ({"jti": 7}, "can't be read"),
        ({"jti": "x" * 256}, "not the form"),
        ({"jti": "\0"}, "control characters"),
        ({"exp": "tomorrow"}, "not the form"),
        ({"exp": float("inf")}, "not the form"),
        ({"exp": float("nan")}, "not the form"),
        ({"exp": 10**400}, "not the form"),
        ({"exp": LATEST + 1}, "not the form"),
        ({"exp": -1}, "not the form"),
        ({"iat": "now"}, "not the form"),
        ({"nbf": {}}, "not the form"),
        ({"sessions": ["lesson"]}, "not the form"),
        ({"sessions": {"lesson": 3}}, "not the form"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_a_token_says_has_a_form(wrong: dict[str, Any], why: str) -> None:
    """Well signed, and still not good: its parts end up in the database and on others' screens."""
    assert why in str(refusal(Tokens(SECRET), hs256(**wrong)))


@pytest.mark.parametrize(("exp", "good"), [(NOW + 0.5, True), (NOW, False), (NOW - 1, False)])
def test_a_token_is_good_until_it_expires(exp: float, good: bool) -> None:
    """And not a second longer."""
    if good:
        assert at(NOW).verify(hs256(exp=exp)).exp == exp
    else:
        assert isinstance(refusal(at(NOW), hs256(exp=exp)), TokenExpired)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_an_early_token_is_good_soon_or_not_at_all(claim: str) -> None:
    """Clocks differ a little; up to a minute early may wait; beyond that a clock is wrong."""

    def early(by: float) -> str:
        return hs256(exp=NOW + 1000, **{claim: NOW + by})

    for by in (-100, 0, LEEWAY):
        assert at(NOW).verify(early(by)).sub == "u1"
    for by in (LEEWAY + 0.5, SOON):
        with pytest.raises(TokenEarly):
            at(NOW).verify(early(by))
    assert "starts at 2027-01-15 08:01:01 UTC" in str(refusal(at(NOW), early(SOON + 1)))
    assert "is a clock wrong?" in str(refusal(at(NOW), early(SOON + 1)))


def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    """And do not matter where they are not."""
    token = hs256(exp=NOW + 10, iss="https://a.example", aud=["lyceum", "other"])
    assert at(NOW).verify(token).sub == "u1"
    assert at(NOW, issuer="https://a.example", audience="lyceum").verify(token).sub == "u1"
    assert "another issuer" in str(refusal(at(NOW, issuer="https://b.example"), token))
    assert "another audience" in str(refusal(at(NOW, audience="third"), token))
    bare = hs256(exp=NOW + 10)
    assert "does not say its iss" in str(refusal(at(NOW, issuer="https://a.example"), bare))
    assert "does not say its aud" in str(refusal(at(NOW, audience="lyceum"), bare))


def test_keys_that_change_are_seen(tmp_path: Path) -> None:
    """Once refreshed: the new key's tokens are good, the old one's no more."""
    path = tmp_path / "keys.json"
    write_keys(path, jwk("ES256", "old"))
    tokens = Tokens.of(Config(jwks_file=path))
    assert tokens is not None
    old, new = signed("ES256", "old"), signed("ES256", "new")
    assert tokens.verify(old).sub == "u1"
    refusal(tokens, new)
    write_keys(path, jwk("ES256", "new"))
    tokens.refresh()
    assert tokens.verify(new).sub == "u1"
    refusal(tokens, old)


def test_without_keys_there_are_no_tokens() -> None:
    """Only guests."""
    assert Tokens.of(Config()) is None
    assert Tokens.of(Config(auth_secret=SECRET)) is not None
