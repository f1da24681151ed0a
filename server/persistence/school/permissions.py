"""Who may do what: one question, answered from `permissions`, for everything people do.

Row-level security holds rows of others; this holds deeds. Both are asked.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from server.domain.school.permissions import Scope, covers
from server.errors import Forbidden
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch
from server.persistence.types import Connection

# A grant that ran out gives nothing, also before users.role follows.
SCOPES = Query(
    "permissions.scopes",
    Kind.READ,
    """
    select action, scope
    from users
    join permissions on action = any($2::text[]) and permissions.role = case
        when exists (
            select
            from role_grants
            where user_id = users.id and role_grants.role = users.role and revoked_at is null
                and (expires_at is null or expires_at > now())
        ) then users.role
        else 'STUDENT'
    end
    where id = $1 and status = 'ACTIVE'
    """,
)


async def scopes(connection: Connection, who: UserId, actions: Sequence[str]) -> dict[str, Scope]:
    """How far somebody may do each of these actions; those that it may not do are not there."""
    rows = await fetch(connection, SCOPES, who, actions)
    return {row["action"]: row["scope"] for row in rows}


async def may(
    connection: Connection, who: UserId, action: str, owner: UserId | None = None
) -> bool:
    """Whether somebody may do something to what `owner` owns; suspended people may do nothing.

    owner: None for what is nobody's. As the person itself, as staff or as the server.
    """
    found = await scopes(connection, who, [action])
    return covers(found.get(action), who, owner)


async def require(
    connection: Connection, who: UserId, action: str, owner: UserId | None = None
) -> None:
    """Raise Forbidden unless `may` says that it may be done."""
    if not await may(connection, who, action, owner):
        raise Forbidden(f"You may not do this: it takes the permission {action}.")


ACT = Query(
    "permissions.act", Kind.READ, "select set_config('app.current_user_id', $1::text, true)"
)


@asynccontextmanager
async def acting(connection: Connection, who: UserId) -> AsyncIterator[None]:
    """A transaction of staff, or of the server, for somebody: the audit log names them."""
    async with connection.transaction():
        await execute(connection, ACT, str(who))
        yield
