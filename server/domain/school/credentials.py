"""What becomes of a credential as it is sent to a chain and observed there."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Status = Literal["PENDING", "SENT", "CONFIRMED", "REVOKED", "FAILED"]


class Observation(Struct, frozen=True):
    """What a chain says of a credential at one moment.

    number: rises with what is seen; of two observations the one with the larger number is what is
    so, in whatever order they arrive. token: None if the transaction is not on the chain (any
    more), as when its block was reorganised away, and it has to be sent again. confirmed_at,
    revoked_at: by the chain's blocks; with a token, confirmed_at is known.
    """

    number: int
    transaction: str
    token: int | None = None
    confirmed_at: datetime | None = None
    revoked_at: datetime | None = None


class Token(Struct, frozen=True):
    """A credential's place on its chain. observed: the newest observation in it; 0: none."""

    status: Status = "PENDING"
    transaction: str | None = None
    token: int | None = None
    confirmed_at: datetime | None = None
    revoked_at: datetime | None = None
    observed: int = 0


def sent(before: Token, transaction: str, instead_of: str | None) -> Token:
    """After a transaction was sent, which may be told late or twice.

    instead_of: the one that was known when it was made; if another one is known by now, the word
    comes late and changes nothing.
    """
    if before.status in ("CONFIRMED", "REVOKED") or before.transaction != instead_of:
        return before
    return Token("SENT", transaction, observed=before.observed)


def observed(before: Token, seen: Observation) -> Token:
    """After something was observed; what is older than what is known changes nothing."""
    if seen.number <= before.observed:
        return before
    if seen.token is None:
        if before.status == "SENT" and before.transaction != seen.transaction:
            return replace(before, observed=seen.number)  # a newer one is under way
        return Token("FAILED", seen.transaction, observed=seen.number)
    return Token(
        "REVOKED" if seen.revoked_at else "CONFIRMED",
        seen.transaction,
        seen.token,
        seen.confirmed_at,
        seen.revoked_at,
        seen.number,
    )
