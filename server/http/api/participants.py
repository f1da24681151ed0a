"""Participants of a session: who was there, what they may, and how they are sent away."""

from datetime import datetime
from uuid import UUID

from litestar import delete, get, put
from msgspec import Struct

from server.domain.details import Details, RoleName
from server.domain.roles import Role
from server.errors import Conflict, Forbidden, NotFound
from server.http.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from server.http.api.problems import problems
from server.http.api.services import Caller, Services, user_in
from server.ids import SessionName
from server.persistence import collaboration


class ParticipantView(Struct, frozen=True):
    """Somebody in a session.

    user: null for a guest. guest: what a guest who is present is removed by. role: what a teacher
    gave this user here, null if nothing; «none» for somebody removed.
    """

    user: str | None
    guest: UUID | None
    name: str
    role: str | None
    present: bool
    first_seen_at: datetime | None
    last_seen_at: datetime | None


class RoleGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """The role that a user is to have in this session; null: as everyone."""

    role: RoleName | None


@get("/sessions/{name:str}/participants", summary="List participants", responses=problems())
async def list_participants(
    services: Services,
    caller: Caller,
    session_name: SessionName,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ParticipantView]:
    """Users by user id; on the first page also the guests who are present, in front."""
    details, _, _ = await caller.details(session_name)
    session = services.registry.peek(session_name)
    here = [] if session is None else session.participants
    listed = "participants", details.id
    after = decode_cursor(cursor, str, "", listed)
    async with services.database.acquire() as connection:
        rows = await collaboration.participants(connection, details.id, after, limit + 1)
    present = {participant.identity.user for participant in here}
    items = [
        ParticipantView(None, participant.id, "", participant.role.label, True, None, None)
        for participant in here
        if participant.identity.user is None and cursor is None
    ]
    items += [
        ParticipantView(
            row.user,
            None,
            row.name,
            row.role,
            row.user in present,
            row.first_seen_at,
            row.last_seen_at,
        )
        for row in rows[:limit]
    ]
    more = len(rows) > limit
    return Page(items, encode_cursor(rows[limit - 1].user, listed) if more else None)


def _changeable(details: Details, user: str) -> str:
    """The user in the path; raises Conflict for the owner, who stays teacher whatever is set."""
    subject = user_in(user)
    if subject == details.owner:
        raise Conflict("The owner of a session is always its teacher.")
    return subject


@put(
    "/sessions/{name:str}/participants/{user:str}",
    summary="Give a user a role",
    responses=problems(409),
    status_code=204,
)
async def give_role(
    services: Services, caller: Caller, session_name: SessionName, user: str, data: RoleGiven
) -> None:
    """Give a user a role of its own in this session, at once. Takes a teacher."""
    details, _, _ = await caller.details(session_name, Role.TEACHER)
    subject = _changeable(details, user)
    async with services.database.acquire() as connection:
        await collaboration.set_role(connection, details.id, subject, data.role)
    await services.registry.refresh(session_name)


@delete(
    "/sessions/{name:str}/participants/{user:str}",
    summary="Remove a user",
    responses=problems(409),
)
async def remove_user(
    services: Services, caller: Caller, session_name: SessionName, user: str
) -> None:
    """Send a user away, until it is given a role again. Takes a teacher."""
    details, _, _ = await caller.details(session_name, Role.TEACHER)
    subject = _changeable(details, user)
    async with services.database.acquire() as connection:
        await collaboration.set_role(connection, details.id, subject, "none")
    await services.registry.refresh(session_name)


@delete(
    "/sessions/{name:str}/guests/{guest:uuid}", summary="Send a guest away", responses=problems()
)
async def remove_guest(
    services: Services, caller: Caller, session_name: SessionName, guest: UUID
) -> None:
    """Close a guest's place. Takes a teacher.

    A guest has no name to be kept out by: to let none in, set the session's permissions.guests.
    """
    await caller.details(session_name, Role.TEACHER)
    session = services.registry.peek(session_name)
    for participant in [] if session is None else session.participants:
        if participant.id == guest and participant.identity.user is None:
            participant.evict(Forbidden("You were sent out of this session."))
            return
    raise NotFound(f"There is no guest {guest} here.")


HANDLERS = [list_participants, give_role, remove_user, remove_guest]
