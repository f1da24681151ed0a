"""Which tokens count no more. Pure."""


class Revocations:
    """Tokens revoked by their id, and users with the Unix time until which theirs are revoked."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._users: dict[str, float] = {}

    def revoke_token(self, token_id: str) -> bool:
        """Add a token; False if it was known."""
        known = token_id in self._tokens
        self._tokens.add(token_id)
        return not known

    def revoke_user(self, user: str, until: float) -> bool:
        """Add a user's tokens issued until a Unix time; False if that was known."""
        known = self._users.get(user, -1.0) >= until
        if not known:
            self._users[user] = until
        return not known

    def cover(self, user: str | None, token_id: str | None, issued_at: float | None) -> bool:
        """Whether a token is revoked; one that does not say when it was issued counts as old."""
        if token_id is not None and token_id in self._tokens:
            return True
        until = None if user is None else self._users.get(user)
        return until is not None and (issued_at is None or issued_at <= until)
