"""Tokens that count no more: one by its id, or all of a user that were issued until a moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection


class Revocation(NamedTuple):
    """Either a token's id (`jti`), or a user with the moment until which tokens are concerned."""

    id: int
    token_id: str | None
    user: str | None
    issued_before: datetime | None


REVOKE_ONE = """
insert into revocations (token_id) values ($1)
on conflict on constraint revocations_token_id_key do nothing
"""


async def revoke_token(connection: Connection, token_id: str) -> None:
    """Let one token count no more."""
    await connection.execute(REVOKE_ONE, token_id)


# A fresh id, so that servers which ask for what is new find it.
REVOKE_ALL = """
insert into revocations (user_id, issued_before) values ($1, now())
on conflict on constraint revocations_user_id_key do update
set id = default, issued_before = now(), created_at = now()
returning issued_before
"""


async def revoke_user(connection: Connection, user: str) -> datetime:
    """Let all tokens of a user count no more that were issued until now; returns that moment."""
    moment: datetime = await connection.fetchval(REVOKE_ALL, user)
    return moment


AFTER = Query(
    "revocations.after",
    Kind.READ,
    """
select id, token_id, user_id, issued_before
from revocations
where id > $1
order by id
""",
)


async def after(connection: Connection, id: int) -> Sequence[Revocation]:
    """What was revoked after the one with this id, in order; 0 for all."""
    return [Revocation(*row) for row in await queries.fetch(connection, AFTER, id)]
