"""Tokens: what a JWT says, once its signature, its times and its shape are found good.

HS256 is checked with LYCEUM_AUTH_SECRET alone; RS256, ES256 and EdDSA with the keys of
LYCEUM_AUTH_JWKS_FILE alone, each with its own algorithm. So no public key is ever used as a secret.
"""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from unicodedata import category
from uuid import uuid4

import jwt
from msgspec import Meta, MsgspecError, Struct, ValidationError, convert
from msgspec.json import decode as json_decode

from server.config import Config
from server.domain.roles import Role
from server.errors import TokenEarly, TokenExpired, Unauthorized
from server.sessions.keys import ALGORITHMS, KeyFile, Keys

HS256 = "HS256"
MAX_TOKEN = 8 * 2**10  # characters
LEEWAY = 5.0  # seconds that other clocks may be ahead of ours
SOON = 60.0  # seconds; who is earlier than that need not wait for it
FORBIDDEN = ("Cc", "Cs")  # control characters and lone surrogates
LATEST = 253_402_300_799  # the end of the year 9999

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Time = Annotated[float, Meta(ge=0, le=LATEST)]


class Claims(Struct, frozen=True):
    """What a token says.

    sessions: roles by session name or `prefix*`; None if it names none. exp, nbf, iat: Unix time.
    """

    sub: Text
    exp: Time
    name: Annotated[str, Meta(max_length=255)] | None = None
    sessions: dict[str, str] | None = None
    nbf: Time | None = None
    iat: Time | None = None
    jti: Annotated[str, Meta(max_length=255)] | None = None


class Tokens:
    """Verifies tokens.

    secret: for HS256. keys: for the other algorithms. issuer, audience: what `iss` and `aud` must
    name, unless None. clock: Unix time.
    """

    def __init__(
        self,
        secret: str | None,
        keys: KeyFile | None = None,
        issuer: str | None = None,
        audience: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    @classmethod
    def of(cls, config: Config) -> "Tokens | None":
        """As configured; None if no tokens are accepted. Raises ConfigError."""
        if config.auth_secret is None and config.jwks_file is None:
            return None
        keys = None if config.jwks_file is None else KeyFile(config.jwks_file)
        return cls(config.auth_secret, keys, config.auth_issuer, config.auth_audience)

    def refresh(self) -> None:
        """Take in keys that have changed; asked once a second."""
        if self._keys is not None:
            self._keys.refresh()

    def verify(self, token: str) -> Claims:
        """What a token says.

        Raises Unauthorized, TokenExpired, or TokenEarly if waiting helps, with a reason that its
        user can act on.
        """
        if len(token) > MAX_TOKEN:
            raise Unauthorized(f"The token is too long: at most {MAX_TOKEN} characters are read.")
        algorithm, key = self._key(_header(token))
        claims = _claims(self._decode(token, algorithm, key))
        self._check_times(claims)
        return claims

    def _key(self, header: dict[str, Any]) -> tuple[str, str | jwt.PyJWK]:
        """The one algorithm that counts, and its key."""
        algorithm = header.get("alg")
        if algorithm == HS256 and self._secret is not None:
            return HS256, self._secret
        keys = Keys([]) if self._keys is None else self._keys.keys
        if not isinstance(algorithm, str) or algorithm not in {key.algorithm for key in keys}:
            accepted = [HS256] if self._secret is not None else []
            accepted += [name for name in ALGORITHMS if any(key.algorithm == name for key in keys)]
            raise _invalid(f"it is not signed with {' or '.join(accepted)}")
        found = keys.find(algorithm, header.get("kid"))
        if found is None:
            raise _invalid("the key that signed it (kid) is not known here")
        return found.algorithm, found.key

    def _decode(self, token: str, algorithm: str, key: str | jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "sub"],
                    "verify_iss": self._issuer is not None,
                    "verify_aud": self._audience is not None,
                    "verify_exp": False,  # times are checked below, by our clock
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.MissingRequiredClaimError as error:
            raise _invalid(f"it does not say its {error.claim}") from None
        except jwt.InvalidIssuerError:
            raise _invalid("another issuer made it") from None
        except jwt.InvalidAudienceError:
            raise _invalid("it is for another audience") from None
        except jwt.InvalidSignatureError:
            raise _invalid("its signature does not fit") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _invalid("it can't be read") from None

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        if claims.exp <= now:
            raise TokenExpired
        starts = max(claims.nbf or 0.0, claims.iat or 0.0)
        if starts <= now + LEEWAY:
            return
        if starts <= now + SOON:
            raise TokenEarly
        at = datetime.fromtimestamp(starts, UTC)
        raise _invalid(f"it starts at {at:%Y-%m-%d %H:%M:%S} UTC; is a clock wrong?")


def _header(token: str) -> dict[str, Any]:
    """What a token says of its key; the library, which checks it all, would do so twice."""
    encoded = token.partition(".")[0]
    try:
        decoded = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return json_decode(decoded, type=dict[str, Any])
    except (ValueError, MsgspecError):
        raise _invalid("it is no JWT") from None


def _claims(claims: dict[str, Any]) -> Claims:
    try:
        read = convert(claims, Claims)
    except (ValidationError, OverflowError):
        raise _invalid("what it says has not the form that is needed") from None
    texts = (read.sub, read.name or "", read.jti or "")
    if any(category(char) in FORBIDDEN for text in texts for char in text):
        raise _invalid("it has control characters")
    return read


def _invalid(why: str) -> Unauthorized:
    return Unauthorized(f"The token is not valid: {why}.")


def make_token(
    secret: str, user: str, name: str | None, sessions: dict[str, Role] | None, ttl: float
) -> str:
    """A signed token that lasts `ttl` seconds."""
    now = time.time()
    claims: dict[str, object] = {
        "sub": user,
        "iat": int(now),
        "exp": int(now + ttl),
        "jti": str(uuid4()),
    }
    if name is not None:
        claims["name"] = name
    if sessions is not None:
        claims["sessions"] = {session: role.label for session, role in sessions.items()}
    return jwt.encode(claims, secret, algorithm=HS256)
