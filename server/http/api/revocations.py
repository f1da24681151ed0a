"""Revocations over REST: platforms without a shell on the server end tokens by it."""

from datetime import datetime
from typing import Annotated

from litestar import post
from msgspec import Meta, Struct

from server.errors import BadRequest, Forbidden
from server.http.api.problems import problems
from server.http.api.services import Caller, Services
from server.persistence import revocations

NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=NO_CONTROLS)]


class Revocation(Struct, frozen=True, forbid_unknown_fields=True):
    """Either user: all tokens of a user that were issued until now; or token: one, by its `jti`."""

    user: Id | None = None
    token: Id | None = None


class Revoked(Struct, frozen=True):
    """What counts no more. issued_until: the moment up to which a user's tokens are concerned."""

    user: str | None
    token: str | None
    issued_until: datetime | None


@post(
    "/revocations",
    summary="Revoke tokens",
    responses=problems(),
    status_code=200,
    security=[{"token": []}],
)
async def revoke(services: Services, caller: Caller, data: Revocation) -> Revoked:
    """Live sockets notice within a second, on every server. It can't be undone; a user's later
    tokens are good. Takes a token that says `teacher` for all sessions (`*`), or one's own user or
    token: to log out everywhere.
    """
    bearer = caller.bearer
    if (data.user is None) == (data.token is None):
        raise BadRequest("Say either user or token.")
    own = bearer.user if data.token is None else bearer.token_id
    if (data.user or data.token) != own and not bearer.teaches("*"):
        raise Forbidden("Your token may revoke only itself and its user's.")
    issued_until = None
    async with services.database.acting_for(bearer.user) as connection:
        if data.token is not None:
            await revocations.revoke_token(connection, data.token)
        elif data.user is not None:
            issued_until = await revocations.revoke_user(connection, data.user)
    await services.revoked.poll()
    return Revoked(data.user, data.token, issued_until)


HANDLERS = [revoke]
