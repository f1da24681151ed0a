"""Webhooks as those who may manage them see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from server.domain.webhooks import EventType
from server.errors import Conflict, NotFound
from server.persistence.collaboration import VersionMismatch
from server.persistence.types import Connection

HookStatus = Literal["ACTIVE", "PAUSED"]

MAX_HOOKS = 100  # of one owner


class NoHook(NotFound):
    """There is no such webhook."""


class Hook(Struct, frozen=True):
    """A webhook, without its secret; the table's comments explain the fields."""

    id: int
    public_id: UUID
    owner: str
    url: str
    sessions: str
    events: list[EventType]
    status: HookStatus
    reason: str
    failures: int
    version: int
    created_at: datetime
    updated_at: datetime
    last_delivered_at: datetime | None


class NewHook(Struct, frozen=True):
    """What a webhook is created with."""

    owner: str
    url: str
    secret: str
    sessions: str
    events: Sequence[EventType]


class HookChanges(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a webhook is to change; what is unset stays."""

    url: str | UnsetType = UNSET
    sessions: str | UnsetType = UNSET
    events: list[EventType] | UnsetType = UNSET
    status: HookStatus | UnsetType = UNSET


READ = """
select id, public_id, owner, url, sessions, events, status, reason, failures, version,
    created_at, updated_at, last_delivered_at
from webhooks
where public_id = $1
"""


async def read(connection: Connection, public_id: UUID) -> Hook:
    """One webhook; raises NoHook."""
    row = await connection.fetchrow(READ, public_id)
    if row is None:
        raise NoHook
    return _hook(row)


HOOKS = """
select id, public_id, owner, url, sessions, events, status, reason, failures, version,
    created_at, updated_at, last_delivered_at
from webhooks
where id < $1
order by id desc
limit $2
"""


async def hooks(connection: Connection, before: int, limit: int) -> list[Hook]:
    """Webhooks of everybody, newest first, with ids below `before`."""
    return [_hook(row) for row in await connection.fetch(HOOKS, before, limit)]


CREATE = """
insert into webhooks (owner, url, secret, sessions, events)
select $1, $2, $3, $4, $5
where (select count(*) from webhooks where owner = $1) < $6
returning public_id
"""


async def create(connection: Connection, new: NewHook) -> Hook:
    """Make a webhook; raises Conflict if its owner has too many."""
    public_id = await connection.fetchval(
        CREATE, new.owner, new.url, new.secret, new.sessions, list(new.events), MAX_HOOKS
    )
    if public_id is None:
        raise Conflict(f"You have {MAX_HOOKS} webhooks, and more are not allowed; delete one.")
    return await read(connection, public_id)


LOCK = "select version from webhooks where public_id = $1 for no key update"

CHANGE = """
update webhooks
set url = $2, sessions = $3, events = $4, status = $5,
    reason = case when status = $5 then reason else '' end,
    failures = case when status = $5 then failures else 0 end,
    version = version + 1, updated_at = clock_timestamp()
where public_id = $1
"""

PARK = """
update webhook_deliveries
set next_attempt_at = 'infinity'
where webhook_id = $1 and status = 'PENDING'
"""

UNPARK = """
update webhook_deliveries
set next_attempt_at = now()
where webhook_id = $1 and status = 'PENDING'
"""


async def change(
    connection: Connection, public_id: UUID, changes: HookChanges, version: int | None = None
) -> Hook:
    """Change a webhook; what it is still owed waits while it is paused.

    version: the one that the changes are meant for, None for any. Raises NoHook, VersionMismatch.
    """
    async with connection.transaction():
        found = await connection.fetchval(LOCK, public_id)
        before = await read(connection, public_id)
        if version not in (None, found):
            raise VersionMismatch
        new = {
            name: value
            for name in HookChanges.__struct_fields__
            if (value := getattr(changes, name)) is not UNSET
        }
        after = msgspec.structs.replace(before, **new)
        await connection.execute(
            CHANGE, public_id, after.url, after.sessions, after.events, after.status
        )
        if after.status != before.status:
            await connection.execute(PARK if after.status == "PAUSED" else UNPARK, before.id)
        return await read(connection, public_id)


DELETE = "delete from webhooks where public_id = $1 returning id"


async def delete(connection: Connection, public_id: UUID) -> None:
    """Delete a webhook with all that is owed to it; raises NoHook."""
    if await connection.fetchval(DELETE, public_id) is None:
        raise NoHook


class Subscription(Struct, frozen=True):
    """What of an active webhook decides about which events go to it. id: the database's key."""

    id: int
    sessions: str
    events: frozenset[str]


SUBSCRIPTIONS = "select id, sessions, events from webhooks where status = 'ACTIVE' order by id"


async def subscriptions(connection: Connection) -> list[Subscription]:
    """Those of all active webhooks."""
    rows = await connection.fetch(SUBSCRIPTIONS)
    return [Subscription(id, sessions, frozenset(events)) for id, sessions, events in rows]


def _hook(row: Any) -> Hook:
    return Hook(**dict(row))
