"""Who somebody is, as a token says, or its absence. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from server.domain.roles import Role, granted
from server.domain.webhooks import teaches


class Identity(NamedTuple):
    """Who asks for a place in a session.

    grant: the token's role for this session, None if the token names no sessions; a guest's is
    the most that guests may be. user: the token's subject, None for a guest. expires_at,
    issued_at: Unix time, None for never and unknown. token_id: the token's `jti`.
    """

    grant: Role | None = None
    user: str | None = None
    name: str | None = None
    expires_at: float | None = None
    issued_at: float | None = None
    token_id: str | None = None

    @property
    def may_create(self) -> bool:
        """Whether it may create this session over REST.

        A token for some sessions only must say teacher: else a student could create the session
        that a teacher is about to, and own it.
        """
        if self.user is None:
            return self.grant is not None and self.grant.may_write
        return self.grant is None or self.grant is Role.TEACHER


class Bearer(NamedTuple):
    """Whoever shows a token, wherever it is shown; the fields are those of `Identity`.

    grants: roles by session name or `prefix*`; None if the token names no sessions.
    """

    user: str
    name: str | None
    grants: Mapping[str, Role] | None
    expires_at: float | None
    issued_at: float | None = None
    token_id: str | None = None

    def teaches(self, pattern: str) -> bool:
        """Whether the token says teacher for all sessions of a pattern: a name, or `prefix*`."""
        return self.grants is not None and teaches(self.grants, pattern)

    def identity(self, session: str) -> Identity | None:
        """Who that is for one session; None if the token is not for it."""
        grant = None if self.grants is None else granted(self.grants, session)
        if grant is None and self.grants is not None:
            return None
        return Identity(grant, self.user, self.name, self.expires_at, self.issued_at, self.token_id)
