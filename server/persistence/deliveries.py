"""Events on their way to webhooks: a queue that many servers share.

Whoever takes a delivery moves its `next_attempt_at` ahead by a lease and commits; nobody else
takes it meanwhile. A server that dies in between leaves it due again when the lease is over: every
delivery is made at least once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.errors import NotFound
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection
from server.persistence.webhooks import PARK

DeliveryStatus = Literal["PENDING", "DELIVERED", "FAILED"]

PRUNED_AT_ONCE = 1_000


class NoDelivery(NotFound):
    """There is no such delivery."""


class NewDelivery(NamedTuple):
    """An event for one webhook. payload: JSON."""

    webhook_id: int
    event_id: UUID
    event_type: str
    session: str
    payload: str


ENQUEUE = Query(
    "webhooks.enqueue",
    Kind.WRITE,
    """
insert into webhook_deliveries (webhook_id, event_id, event_type, session, payload)
select webhooks.id, new.event_id, new.event_type, new.session, new.payload::jsonb
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[])
    with ordinality as new (webhook_id, event_id, event_type, session, payload, number)
join webhooks on webhooks.id = new.webhook_id and webhooks.status = 'ACTIVE'
order by new.number
on conflict on constraint webhook_deliveries_webhook_id_event_id_key do nothing
""",
)


async def enqueue(connection: Connection, batch: Sequence[NewDelivery]) -> None:
    """Write a batch; written again, it changes nothing. Webhooks that are gone get nothing."""
    columns = [list(column) for column in zip(*batch, strict=True)]
    await queries.execute(connection, ENQUEUE, *columns)


# The recursion finds the webhooks that something waits for, one index look-up each. So a webhook
# with a hundred thousand overdue deliveries does not keep others from theirs.
CLAIM = Query(
    "webhooks.claim",
    Kind.WRITE,
    """
with recursive waiting as (
    select min(webhook_id) as webhook_id
    from webhook_deliveries
    where status = 'PENDING'
    union all
    select (
        select min(webhook_id)
        from webhook_deliveries
        where status = 'PENDING' and webhook_id > waiting.webhook_id
    )
    from waiting
    where webhook_id is not null
),
due as (
    select delivery.id, webhooks.url, webhooks.secret
    from waiting
    join webhooks on webhooks.id = waiting.webhook_id
    cross join lateral (
        select id, next_attempt_at
        from webhook_deliveries
        where webhook_id = webhooks.id and status = 'PENDING' and next_attempt_at <= now()
        order by next_attempt_at
        limit case when webhooks.failures > 0 then 1 else $2::int end
        for no key update skip locked
    ) as delivery
    where webhooks.status = 'ACTIVE' and webhooks.id <> all ($1::bigint[])
    order by delivery.next_attempt_at
    limit $3
)
update webhook_deliveries
set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $4)
from due
where webhook_deliveries.id = due.id
returning webhook_deliveries.id, webhook_id, event_id, attempts, payload::text, url, secret
""",
)


class Claimed(NamedTuple):
    """A delivery that is ours to make now. attempts: this one included."""

    id: int
    webhook_id: int
    event_id: UUID
    attempts: int
    payload: str
    url: str
    secret: str


async def claim(
    connection: Connection, busy: Sequence[int], per_hook: int, limit: int, lease: float
) -> list[Claimed]:
    """Take deliveries that are due, for `lease` seconds.

    busy: webhooks to leave alone. per_hook: at most so many for one; only one at a time for those
    whose last attempt failed.
    """
    rows = await queries.fetch(connection, CLAIM, list(busy), per_hook, limit, lease)
    return [Claimed(*row) for row in rows]


class Result(NamedTuple):
    """How an attempt went.

    status: of the HTTP answer, None if there was none. pause: seconds until the next attempt,
    None for no other. gone: the receiver wants nothing more.
    """

    delivered: bool
    status: int | None = None
    error: str = ""
    pause: float | None = None
    gone: bool = False


SETTLE = """
update webhook_deliveries
set status = $3, last_status = $4, last_error = $5,
    next_attempt_at = case when $3 = 'PENDING' then now() + make_interval(secs => $6) end,
    delivered_at = case when $3 = 'DELIVERED' then now() end
where id = $1 and attempts = $2 and status = 'PENDING'
returning created_at
"""

SUCCEEDED = """
update webhooks
set failures = 0, last_delivered_at = now()
where id = $1
    and (
        failures > 0
        or last_delivered_at is null
        or last_delivered_at < now() - interval '1 minute'
    )
"""

FAILED = "update webhooks set failures = failures + 1 where id = $1"

PAUSE = """
update webhooks
set status = 'PAUSED', reason = $2, updated_at = clock_timestamp()
where id = $1
    and status = 'ACTIVE'
    and ($3::timestamptz is null or coalesce(last_delivered_at, '-infinity') < $3)
returning id
"""
GONE = "The receiver answered 410 Gone."
DEAD = "Nothing could be delivered for longer than the retries of one delivery last."


async def settle(connection: Connection, claimed: Claimed, result: Result) -> bool:
    """Write down how an attempt went; returns whether the webhook was paused for it.

    It is paused once the receiver says it is gone, and when a delivery has failed for good and
    none succeeded since that one was made.
    """
    if result.delivered:
        status = "DELIVERED"
    else:
        status = "PENDING" if result.pause is not None else "FAILED"
    async with connection.transaction():
        created_at = await connection.fetchval(
            SETTLE,
            claimed.id,
            claimed.attempts,
            status,
            result.status,
            result.error,
            result.pause or 0.0,
        )
        if created_at is None:
            return False  # pruned, or somebody asked for it to be made again meanwhile
        await connection.execute(SUCCEEDED if result.delivered else FAILED, claimed.webhook_id)
        if status != "FAILED":
            return False
        reason, since = (GONE, None) if result.gone else (DEAD, created_at)
        paused = await connection.fetchval(PAUSE, claimed.webhook_id, reason, since)
        if paused is not None:
            await connection.execute(PARK, claimed.webhook_id)
        return paused is not None


class Delivery(Struct, frozen=True):
    """A delivery as it may be looked at; the table's comments explain the fields."""

    id: int
    event_id: UUID
    event_type: str
    session: str
    payload: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str
    created_at: datetime
    delivered_at: datetime | None


DELIVERIES = """
select id, event_id, event_type, session, payload::text, status, attempts,
    nullif(next_attempt_at, 'infinity') as next_attempt_at, last_status, last_error,
    created_at, delivered_at
from webhook_deliveries
where webhook_id = $1 and id < $2 and ($3::text is null or status = $3)
order by id desc
limit $4
"""


async def deliveries(
    connection: Connection, webhook_id: int, before: int, status: DeliveryStatus | None, limit: int
) -> list[Delivery]:
    """Deliveries to a webhook, newest first, with ids below `before`."""
    rows = await connection.fetch(DELIVERIES, webhook_id, before, status, limit)
    return [Delivery(**dict(row)) for row in rows]


READ = """
select id, event_id, event_type, session, payload::text, status, attempts,
    nullif(next_attempt_at, 'infinity') as next_attempt_at, last_status, last_error,
    created_at, delivered_at
from webhook_deliveries
where webhook_id = $1 and event_id = $2
"""


async def read(connection: Connection, webhook_id: int, event_id: UUID) -> Delivery:
    """One delivery; raises NoDelivery."""
    row = await connection.fetchrow(READ, webhook_id, event_id)
    if row is None:
        raise NoDelivery
    return Delivery(**dict(row))


REDELIVER = """
update webhook_deliveries
set status = 'PENDING', attempts = 0, next_attempt_at = now(), delivered_at = null,
    last_status = null, last_error = ''
where webhook_id = $1 and event_id = $2
"""


async def redeliver(connection: Connection, webhook_id: int, event_id: UUID) -> Delivery:
    """Have an event delivered again, under the same id, with all its retries; raises NoDelivery."""
    await connection.execute(REDELIVER, webhook_id, event_id)
    return await read(connection, webhook_id, event_id)


PRUNE = Query(
    "webhooks.prune",
    Kind.WRITE,
    """
delete from webhook_deliveries
where id in (
    select id
    from webhook_deliveries
    where created_at < now() - interval '30 days'
    order by created_at
    limit $1
    for update skip locked
)
""",
)


async def prune(connection: Connection) -> int:
    """Delete some of what is older than 30 days; returns how many."""
    done = await queries.execute(connection, PRUNE, PRUNED_AT_ONCE)
    return int(done.removeprefix("DELETE "))
