"""Who may come in, and as what: a token's word, or what guests are allowed."""

from collections.abc import Callable

from server.allowed import Guests
from server.config import Config
from server.domain.identity import Bearer, Identity
from server.domain.roles import Role
from server.errors import Forbidden, TokenRevoked, Unauthorized
from server.ids import SessionName
from server.sessions.tokens import Tokens
from server.sessions.tokens import make_token as make_token

Revoked = Callable[[Bearer | Identity], bool]


class Access:
    """Decides about joins.

    tokens: verifies them; None if there are only guests. revoked: whether a good one counts no
    more.
    """

    def __init__(
        self, tokens: Tokens | None, guests: Guests, revoked: Revoked = lambda _: False
    ) -> None:
        self._tokens = tokens
        self._guests = guests
        self._revoked = revoked

    @classmethod
    def of(cls, config: Config) -> "Access":
        """As configured, with nothing revoked; raises ConfigError."""
        return cls(Tokens.of(config), config.guests)

    def refresh(self) -> None:
        """Take in keys that have changed; asked once a second."""
        if self._tokens is not None:
            self._tokens.refresh()

    def identify(self, token: str, session: SessionName) -> Identity:
        """Who the bearer of a token (a guest, if it is empty) is for a session.

        Raises Unauthorized, Forbidden or TokenEarly, with a reason that its user can act on.
        """
        if not token or self._tokens is None:
            return self._guest(bool(token))
        identity = self.bearer(token).identity(session)
        if identity is None:
            raise Forbidden("The token is not for this session.")
        return identity

    def bearer(self, token: str) -> Bearer:
        """Who shows this token; raises Unauthorized, also if there is none, and TokenEarly."""
        if not token or self._tokens is None:
            raise Unauthorized("A valid token is needed; guests can't do this.")
        claims = self._tokens.verify(token)
        grants = None if claims.sessions is None else _grants(claims.sessions)
        bearer = Bearer(claims.sub, claims.name, grants, claims.exp, claims.iat, claims.jti)
        if self._revoked(bearer):
            raise TokenRevoked
        return bearer

    def confirm(self, identity: Identity) -> None:
        """Raise TokenRevoked if a token that was good has been revoked since."""
        if self._revoked(identity):
            raise TokenRevoked

    def _guest(self, has_token: bool) -> Identity:
        if self._guests == "off":
            reason = "no tokens are accepted here" if has_token else "a token is needed"
            raise Unauthorized(f"Guests are not let in; {reason}.")
        return Identity(Role.named(self._guests))


def _grants(sessions: dict[str, str]) -> dict[str, Role]:
    try:
        return {name: Role.named(role) for name, role in sessions.items()}
    except ValueError:
        allowed = ", ".join(role.label for role in Role)
        raise Unauthorized(
            f"The token is not valid: it names a role that does not exist; there are {allowed}."
        ) from None
