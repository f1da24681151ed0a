"""Sessions: created, listed, read, changed, deleted."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from litestar import Response, delete, get, patch, post
from litestar.params import Parameter
from msgspec import UNSET, Meta, Struct, UnsetType

from server.documents.reading import seed
from server.domain.details import Details, Permissions, Status, Type
from server.domain.roles import Role
from server.errors import BadRequest, Forbidden
from server.http.api.etags import IfMatch, etag, version_in
from server.http.api.paging import FIRST, Cursor, Limit, Page, decode_cursor, encode_cursor
from server.http.api.problems import problems
from server.http.api.services import Caller, Services
from server.ids import SessionName
from server.persistence import collaboration
from server.persistence.collaboration import Changes, NewSession, PermissionsChange
from server.sessions.registry import check_name

NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
Title = Annotated[str, Meta(max_length=255, pattern=NO_CONTROLS)]
Language = Annotated[str, Meta(max_length=64, pattern=NO_CONTROLS)]
Capacity = Annotated[int, Meta(ge=1, le=1_000_000)]
Code = Annotated[str, Meta(max_length=1_000_000, pattern="^[^\\u0000]*$")]
Moment = Annotated[datetime, Meta(tz=True)]
YEARS = range(2, 9999)  # of moments that have a place in all time zones


class SessionCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new session. starting_code: what its text holds from the start."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    title: Title = ""
    type: Type = "code"
    language: Language = ""
    starting_code: Code | None = None
    permissions: Permissions = Permissions()
    capacity: Capacity | None = None
    expires_at: Moment | None = None


class SessionChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change; what is left out stays. status: archive it, or open it again."""

    title: Title | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    status: Annotated[str, Meta(pattern="^(ACTIVE|ARCHIVED)$")] | UnsetType = UNSET
    permissions: PermissionsChange | UnsetType = UNSET
    capacity: Capacity | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET


class SessionView(Struct, frozen=True):
    """A session as the API shows it. role: the caller's. present: participants who are there."""

    name: str
    title: str
    type: Type
    language: str
    status: Status
    owner: str | None
    permissions: Permissions
    capacity: int | None
    role: str
    present: int
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


def view(services: Services, details: Details, role: Role | None) -> SessionView:
    """What one caller sees of a session."""
    session = services.registry.peek(details.name)
    return SessionView(
        name=details.name,
        title=details.title,
        type=details.type,
        language=details.language,
        status=details.status_at(datetime.now(UTC).timestamp()),
        owner=details.owner,
        permissions=details.permissions,
        capacity=details.capacity,
        role="none" if role is None else role.label,
        present=0 if session is None else len(session.participants),
        version=details.version,
        created_at=details.created_at,
        updated_at=details.updated_at,
        expires_at=details.expires_at,
    )


def _answer(
    services: Services, details: Details, role: Role | None, status: int = 200
) -> Response[SessionView]:
    headers = {"etag": etag(f"{_prefix(details)}{details.version}")}
    if status == 201:
        headers["location"] = f"/api/v1/sessions/{quote(details.name, safe='')}"
    return Response(view(services, details, role), status_code=status, headers=headers)


def _prefix(details: Details) -> str:
    """What tells a session's versions from those of another one that had its name before."""
    return f"{details.id:x}-"


def _check_moment(moment: datetime | UnsetType | None) -> None:
    if isinstance(moment, datetime) and moment.year not in YEARS:
        raise BadRequest(f"expires_at has to be between the years {YEARS[0]} and {YEARS[-1]}.")


@post(
    "/sessions",
    summary="Create a session",
    responses=problems(409),
    status_code=201,
)
async def create_session(
    services: Services, caller: Caller, data: SessionCreate
) -> Response[SessionView]:
    """Create a session; who does owns it.

    A token that names sessions has to say `teacher` for this one. The starting code is the
    document's first edit, there before anybody joins.
    """
    name = SessionName(data.name)
    check_name(name)
    identity = caller.identity(name)
    if not identity.may_create:
        raise Forbidden("Your token doesn't allow you to create this session.")
    _check_moment(data.expires_at)
    new = NewSession(
        name,
        data.title,
        data.type,
        data.language,
        data.starting_code,
        data.permissions,
        data.capacity,
        data.expires_at,
    )
    update = seed(data.starting_code) if data.starting_code else None
    async with services.database.acting_for(identity.user) as connection:
        details = await collaboration.create(connection, new, identity.user, update)
    await services.registry.refresh(name)
    return _answer(services, details, details.role_of(identity), status=201)


@get("/sessions", summary="List my sessions", responses=problems(), security=[{"token": []}])
async def list_sessions(
    services: Services,
    caller: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Annotated[
        Status | None, Parameter(description="Only those with this status.", required=False)
    ] = None,
) -> Page[SessionView]:
    """Sessions that the caller owns or has taken part in, the newest first."""
    bearer = services.access.bearer(caller.token)
    statuses: tuple[Status, ...] = (status,) if status else ("ACTIVE", "ARCHIVED", "EXPIRED")
    listed = "sessions", bearer.user, status
    before = decode_cursor(cursor, int, FIRST, listed)
    async with services.database.acquire() as connection:
        found = await collaboration.mine(connection, bearer.user, before, statuses, limit + 1)
    shown = found[:limit]
    items = []
    for details in shown:
        identity = bearer.identity(details.name)
        if identity is not None:
            items.append(view(services, details, details.role_of(identity)))
    more = len(found) > limit
    return Page(items, encode_cursor(shown[-1].id, listed) if more else None)


@get("/sessions/{name:str}", summary="Read a session", responses=problems())
async def read_session(
    services: Services, caller: Caller, session_name: SessionName
) -> Response[SessionView]:
    """A session, without its document."""
    details, _, role = await caller.details(session_name)
    return _answer(services, details, role)


@patch(
    "/sessions/{name:str}",
    summary="Change or archive a session",
    responses=problems(409, 412),
)
async def change_session(
    services: Services,
    caller: Caller,
    session_name: SessionName,
    data: SessionChange,
    if_match: IfMatch = None,
) -> Response[SessionView]:
    """Change a session; those who are in it see it at once. Takes a teacher."""
    before, identity, _ = await caller.details(session_name, Role.TEACHER)
    version = version_in(if_match, _prefix(before))
    _check_moment(data.expires_at)
    changes = Changes(
        title=data.title,
        type=data.type,
        language=data.language,
        status=data.status,  # type: ignore[arg-type]  # its pattern allows no other
        permissions=data.permissions,
        capacity=data.capacity,
        expires_at=data.expires_at,
    )
    async with services.database.acting_for(identity.user) as connection:
        details = await collaboration.change(connection, session_name, changes, version)
    await services.registry.refresh(session_name)
    return _answer(services, details, details.role_of(identity))


@delete("/sessions/{name:str}", summary="Delete a session", responses=problems(412))
async def delete_session(
    services: Services, caller: Caller, session_name: SessionName, if_match: IfMatch = None
) -> None:
    """Delete a session with its document and chat, for good. Takes a teacher.

    Those who are in it are told. Its name is refused until a session of that name is created.
    """
    details, identity, _ = await caller.details(session_name, Role.TEACHER)
    version = version_in(if_match, _prefix(details))
    async with services.database.acting_for(identity.user) as connection:
        await collaboration.delete(connection, session_name, version)
    await services.registry.refresh(session_name)


HANDLERS = [create_session, list_sessions, read_session, change_session, delete_session]
