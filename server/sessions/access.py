"""Who may come in, and as what: a token's word, or what guests are allowed."""

import time

import jwt
from msgspec import Struct, ValidationError, convert

from server.config import Config, Guests
from server.domain.identity import Bearer, Identity
from server.domain.roles import Role
from server.errors import Forbidden, Unauthorized
from server.ids import SessionName

ALGORITHM = "HS256"
MAX_TOKEN = 8 * 2**10  # characters


class Claims(Struct, frozen=True):
    """What a token says: sessions maps a name, or `prefix*`, to a role; None means all, editor."""

    sub: str
    exp: float
    name: str | None = None
    sessions: dict[str, str] | None = None


class Access:
    """Decides about joins.

    secret: the HS256 key that tokens are signed with; without one there are only guests.
    """

    def __init__(self, secret: str | None, guests: Guests) -> None:
        self._secret = secret
        self._guests = guests

    @classmethod
    def of(cls, config: Config) -> "Access":
        """As configured."""
        return cls(config.auth_secret, config.guests)

    def identify(self, token: str, session: SessionName) -> Identity:
        """Who the bearer of a token (a guest, if it is empty) is for a session.

        Raises Unauthorized or Forbidden, with a reason that its user can act on.
        """
        if not token or self._secret is None:
            return self._guest(bool(token))
        identity = self.bearer(token).identity(session)
        if identity is None:
            raise Forbidden("The token is not for this session.")
        return identity

    def bearer(self, token: str) -> Bearer:
        """Who shows this token; raises Unauthorized, also if there is none."""
        if not token or self._secret is None:
            raise Unauthorized("A valid token is needed; guests can't do this.")
        claims = self._claims(token)
        grants: dict[str, Role] | None = None
        if claims.sessions is not None:
            try:
                grants = {name: Role.named(role) for name, role in claims.sessions.items()}
            except ValueError as error:
                raise Unauthorized(f"The token is not valid: {error}.") from None
        return Bearer(claims.sub, claims.name, grants, claims.exp)

    def _guest(self, has_token: bool) -> Identity:
        if self._guests == "off":
            reason = "no tokens are accepted here" if has_token else "a token is needed"
            raise Unauthorized(f"Guests are not let in; {reason}.")
        return Identity(Role.named(self._guests))

    def _claims(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN:
            raise Unauthorized("The token is too long.")
        assert self._secret is not None
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub"]}
            )
            return convert(claims, Claims)
        except (jwt.InvalidTokenError, ValidationError) as error:
            raise Unauthorized(f"The token is not valid: {error}.") from None


def make_token(
    secret: str, user: str, name: str | None, sessions: dict[str, Role] | None, ttl: float
) -> str:
    """A signed token that lasts `ttl` seconds."""
    claims: dict[str, object] = {"sub": user, "exp": int(time.time() + ttl)}
    if name is not None:
        claims["name"] = name
    if sessions is not None:
        claims["sessions"] = {session: role.name.lower() for session, role in sessions.items()}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)
