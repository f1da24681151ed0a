"""Participants of a session: who was there, what they may, and how they are sent away."""

from datetime import UTC, datetime
from uuid import UUID

from litestar import delete, get, put
from msgspec import Struct

from server.domain.details import Details, RoleName, RoleOrNone
from server.domain.roles import Role
from server.errors import Conflict, Forbidden, NotFound
from server.http.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from server.http.api.problems import problems
from server.http.api.services import Caller, Services, user_in
from server.ids import SessionName
from server.persistence import collaboration
from server.sessions.participant import Participant
from server.sessions.visitor import Visitor


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
    """Users by user id; on the first page also the guests who are present, in front.

    Whoever is present was seen last right now.
    """
    details, _, _ = await caller.details(session_name)
    listed = "participants", details.id
    after = decode_cursor(cursor, str, "", listed)
    async with services.database.acquire() as connection:
        rows = await collaboration.participants(connection, details.id, after, limit + 1)
    session = services.registry.peek(session_name)
    here = [] if session is None else session.participants
    now = datetime.now(UTC)
    views = {
        row.user: ParticipantView(
            row.user, None, row.name, row.role, False, row.first_seen_at, row.last_seen_at
        )
        for row in rows
    }
    last = rows[-1].user if len(rows) > limit else None
    for participant in here:
        user = participant.identity.user
        if user is not None and user > after and (last is None or user <= last):
            views[user] = _present(user, participant, views.get(user), now)
    users = sorted(views)
    guests = [
        ParticipantView(None, guest.id, "", guest.role.label, True, _since(guest), now)
        for guest in here
        if guest.identity.user is None and cursor is None
    ]
    more = len(users) > limit
    shown = [views[user] for user in users[:limit]]
    return Page(guests + shown, encode_cursor(users[limit - 1], listed) if more else None)


def _present(
    user: str, participant: Participant, view: ParticipantView | None, now: datetime
) -> ParticipantView:
    """A user who is here; what the database knows may be some seconds old."""
    name, since = participant.identity.name or "", _since(participant)
    if view is None:
        return ParticipantView(user, None, name, None, True, since, now)
    first = since if view.first_seen_at is None else min(since, view.first_seen_at)
    return ParticipantView(user, None, name or view.name, view.role, True, first, now)


def _since(participant: Participant) -> datetime:
    return datetime.fromtimestamp(participant.joined_at, UTC)


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
    await _set_role(services, caller, session_name, user, data.role)


@delete(
    "/sessions/{name:str}/participants/{user:str}",
    summary="Remove a user",
    responses=problems(409),
)
async def remove_user(
    services: Services, caller: Caller, session_name: SessionName, user: str
) -> None:
    """Send a user away, until it is given a role again. Takes a teacher."""
    await _set_role(services, caller, session_name, user, "none")


async def _set_role(
    services: Services, caller: Caller, name: SessionName, user: str, role: RoleOrNone | None
) -> None:
    details, identity, _ = await caller.details(name, Role.TEACHER)
    subject = _changeable(details, user)
    async with services.database.acting_for(identity.user) as connection:
        await collaboration.set_role(connection, details.id, subject, role)
    services.events.role_given(details, subject, role, Visitor(identity))
    await services.registry.refresh(name)


def _changeable(details: Details, user: str) -> str:
    """The user in the path; raises Conflict for the owner, who stays teacher whatever is set."""
    subject = user_in(user)
    if subject == details.owner:
        raise Conflict("The owner of a session is always its teacher.")
    return subject


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
