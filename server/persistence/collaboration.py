"""Collaboration sessions: who owns them, who may do what, how long they last."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from server.domain.details import Details, Permissions, RoleOrNone, Status, Type
from server.errors import Conflict, Gone, NotFound
from server.ids import DocumentId, SessionName
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection

DETAILS = Query(
    "sessions.details",
    Kind.READ,
    """
select id, name, title, type, language, status, owner, permissions, capacity, version,
    created_at, updated_at, expires_at,
    coalesce(
        (
            select jsonb_object_agg(user_id, role)
            from session_participants
            where session_id = collaboration_sessions.id and role is not null
        ),
        '{}'
    ) as roles
from collaboration_sessions
where name = $1
""",
)


async def read(connection: Connection, name: SessionName) -> Details:
    """The session of that name; raises NotFound, or Gone if it was deleted."""
    row = await queries.fetchrow(connection, DETAILS, name)
    if row is None:
        raise await _missing(connection, name)
    return details_in(row)


async def _missing(connection: Connection, name: SessionName) -> NotFound:
    if await connection.fetchval(IS_DELETED, name):
        return Gone()
    return NotFound(f"There is no session {name!r}.")


IS_DELETED = "select exists (select from deleted_sessions where name = $1)"

ADOPT = """
insert into collaboration_sessions (id, name)
select id, name from documents where name = $1
on conflict on constraint collaboration_sessions_pkey do nothing
"""

CREATE_DOCUMENT = """
insert into documents (name, last_seq) values ($1, $2)
on conflict on constraint documents_name_key do nothing
returning id
"""


async def open_for_join(connection: Connection, name: SessionName, create: bool) -> Details:
    """The session of that name; with `create` made if there is none, without an owner.

    Documents that a server of an older version made get their session here. Raises NotFound,
    Gone.
    """
    try:
        return await read(connection, name)
    except Gone:
        raise
    except NotFound:
        if create:
            await connection.execute(CREATE_DOCUMENT, name, 0)
        await connection.execute(ADOPT, name)
        return await read(connection, name)


class NewSession(Struct, frozen=True):
    """What a session is created with."""

    name: SessionName
    title: str = ""
    type: Type = "code"
    language: str = ""
    starting_code: str | None = None
    permissions: Permissions = Permissions()
    capacity: int | None = None
    expires_at: datetime | None = None


RAISE_FROM_THE_DEAD = "delete from deleted_sessions where name = $1"

CREATE = """
insert into collaboration_sessions
    (id, name, title, type, language, owner, permissions, capacity, starting_code, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

SEED = "insert into document_updates (document_id, seq, payload) values ($1, 1, $2)"


async def create(
    connection: Connection, new: NewSession, owner: str | None, seed: bytes | None
) -> Details:
    """Make a session with its document, whose first journal row is `seed`, a Yjs update.

    All of it is one transaction, so it is seeded once whoever joins meanwhile. Raises Conflict if
    there is one of that name.
    """
    async with connection.transaction():
        await connection.execute(RAISE_FROM_THE_DEAD, new.name)
        document_id = await connection.fetchval(CREATE_DOCUMENT, new.name, 1 if seed else 0)
        if document_id is None:
            raise Conflict(f"There is a session {new.name!r} already.")
        await connection.execute(
            CREATE,
            document_id,
            new.name,
            new.title,
            new.type,
            new.language,
            owner,
            _json(new.permissions),
            new.capacity,
            new.starting_code,
            new.expires_at,
        )
        if seed:
            await connection.execute(SEED, document_id, seed)
        return await read(connection, new.name)


class PermissionsChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What of the permissions is to change; what is unset stays."""

    everyone: RoleOrNone | UnsetType = UNSET
    guests: RoleOrNone | UnsetType = UNSET


class Changes(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a session is to change; what is unset stays."""

    title: str | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    language: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    permissions: PermissionsChange | UnsetType = UNSET
    capacity: int | UnsetType | None = UNSET
    expires_at: datetime | UnsetType | None = UNSET


LOCK = "select version from collaboration_sessions where name = $1 for no key update"

CHANGE = """
update collaboration_sessions
set title = $2, type = $3, language = $4, status = $5, permissions = $6, capacity = $7,
    expires_at = $8, version = version + 1, updated_at = clock_timestamp()
where name = $1
"""


class VersionMismatch(Conflict):
    """It was changed meanwhile; read it again."""

    http_status = 412


async def change(
    connection: Connection, name: SessionName, changes: Changes, version: int | None = None
) -> Details:
    """Change a session. version: the one that the changes are meant for, None for any.

    Raises NotFound, Gone, VersionMismatch, and Conflict if it is to be active after its end. A
    session that had expired is active again if its new `expires_at` is to come.
    """
    async with connection.transaction():
        found = await connection.fetchval(LOCK, name)
        before = await read(connection, name)
        if version is not None and version != found:
            raise VersionMismatch
        after = _changed(before, changes)
        if changes.status == "ACTIVE" and after.status_at(time.time()) == "EXPIRED":
            raise Conflict("This session has expired; to open it, change its expires_at.")
        await connection.execute(
            CHANGE,
            name,
            after.title,
            after.type,
            after.language,
            _status(before, after, changes),
            _json(after.permissions),
            after.capacity,
            after.expires_at,
        )
        return await read(connection, name)


def _changed(before: Details, changes: Changes) -> Details:
    fields = _set(changes)
    if isinstance(changes.permissions, PermissionsChange):
        fields["permissions"] = replace(before.permissions, **_set(changes.permissions))
    return replace(before, **fields)


def _set(changes: Struct) -> dict[str, Any]:
    """The fields that are set."""
    values = ((field, getattr(changes, field)) for field in changes.__struct_fields__)
    return {field: value for field, value in values if value is not UNSET}


def _status(before: Details, after: Details, changes: Changes) -> Status:
    """An expired session whose end was put off or lifted goes on."""
    moved = changes.expires_at is not UNSET and after.expires_at != before.expires_at
    return "ACTIVE" if moved and after.status == "EXPIRED" else after.status


DELETE = "delete from documents where name = $1 returning id"

BURY = """
insert into deleted_sessions (name) values ($1)
on conflict on constraint deleted_sessions_pkey do update set deleted_at = now()
"""


async def delete(connection: Connection, name: SessionName, version: int | None = None) -> None:
    """Delete a session with all that was written in it; raises NotFound, Gone, VersionMismatch.

    Its name is refused from then on, until a session of that name is created over REST: clients
    that come back must not bring it to life again.
    """
    async with connection.transaction():
        if version is not None and await connection.fetchval(LOCK, name) not in (version, None):
            raise VersionMismatch
        if await connection.fetchval(DELETE, name) is None:
            raise await _missing(connection, name)
        await connection.execute(BURY, name)


SET_ROLE = Query(
    "sessions.set_role",
    Kind.WRITE,
    """
insert into session_participants (session_id, user_id, role) values ($1, $2, $3)
on conflict on constraint session_participants_pkey do update set role = excluded.role
""",
)

TOUCH = """
update collaboration_sessions
set version = version + 1, updated_at = clock_timestamp()
where id = $1
"""


async def set_role(
    connection: Connection, session: DocumentId, user: str, role: RoleOrNone | None
) -> None:
    """Give a user a role of its own in a session; «none» removes it, None makes it as everyone."""
    async with connection.transaction():
        await connection.execute(TOUCH, session)  # first, so that two of these can't deadlock
        await queries.execute(connection, SET_ROLE, session, user, role)


EXPIRE_DUE = Query(
    "sessions.expire",
    Kind.WRITE,
    """
update collaboration_sessions
set status = 'EXPIRED', version = version + 1, updated_at = clock_timestamp()
where status = 'ACTIVE' and expires_at <= now()
""",
)

# Rows become visible in another order than their times say: look back a little every time.
RECENT = Query(
    "sessions.recent",
    Kind.READ,
    """
select name, version
from collaboration_sessions
where updated_at > now() - interval '30 seconds' and version > 1
union all
select name, null
from deleted_sessions
where deleted_at > now() - interval '30 seconds'
""",
)


class Recent(NamedTuple):
    """A session that changed lately; version: None if it was deleted."""

    name: SessionName
    version: int | None


async def expire_due(connection: Connection) -> None:
    """Mark the sessions whose time is over."""
    await queries.execute(connection, EXPIRE_DUE)


async def recent(connection: Connection) -> list[Recent]:
    """What changed in the last half minute, whoever changed it."""
    return [Recent(*row) for row in await queries.fetch(connection, RECENT)]


class ParticipantRow(NamedTuple):
    """A user who was in a session, or was given a role there."""

    user: str
    name: str
    role: RoleOrNone | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None


PARTICIPANTS = Query(
    "sessions.participants",
    Kind.READ,
    """
select user_id, name, role, first_seen_at, last_seen_at
from session_participants
where session_id = $1 and user_id > $2
order by user_id
limit $3
""",
)


async def participants(
    connection: Connection, session: DocumentId, after: str, limit: int
) -> list[ParticipantRow]:
    """Users of a session by user id, those behind `after`."""
    return [
        ParticipantRow(*row)
        for row in await queries.fetch(connection, PARTICIPANTS, session, after, limit)
    ]


MINE = Query(
    "sessions.mine",
    Kind.READ,
    """
select id, name, title, type, language, status, owner, permissions, capacity, version,
    created_at, updated_at, expires_at,
    coalesce(
        (
            select jsonb_build_object(user_id, role)
            from session_participants
            where session_id = collaboration_sessions.id and user_id = $1 and role is not null
        ),
        '{}'
    ) as roles
from collaboration_sessions
where (
        owner = $1
        or id in (
            select session_id
            from session_participants
            where user_id = $1 and role is distinct from 'none'
        )
    )
    and id < $2
    and status = any($3::text[])
order by id desc
limit $4
""",
)


async def mine(
    connection: Connection, user: str, before: int, statuses: Sequence[Status], limit: int
) -> list[Details]:
    """Sessions that a user owns or takes part in, newest first, with ids below `before`.

    Their `roles` are only the user's own.
    """
    rows = await queries.fetch(connection, MINE, user, before, list(statuses), limit)
    return [details_in(row) for row in rows]


def _json(permissions: Permissions) -> str:
    return msgspec.json.encode(permissions).decode()


def details_in(row: Any) -> Details:
    """The session of a row with what DETAILS reads, and maybe more."""
    fields = {name: row[name] for name in Details.__struct_fields__}
    fields["permissions"] = msgspec.json.decode(fields["permissions"], type=Permissions)
    fields["roles"] = msgspec.json.decode(fields["roles"], type=dict[str, RoleOrNone])
    return Details(**fields)
