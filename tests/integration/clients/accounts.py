"""Tokens for the `guarded` server."""

from server.domain.roles import Role
from server.sessions.tokens import make_token

SECRET = "a key that only these tests know, 32 bytes and more"


def token(session: str, role: Role, ttl: float = 600.0, secret: str = SECRET) -> str:
    """A token for one session."""
    return make_token(secret, f"user-{role.name.lower()}", None, {session: role}, ttl)
