"""Webhooks over REST: made, looked at, changed, tried, deleted. docs/webhooks.md explains them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import Parameter
from msgspec import UNSET, Meta, Struct, UnsetType

from server.domain.webhooks import EVENT_TYPES, EventType
from server.http.api.etags import IfMatch, etag, version_in
from server.http.api.paging import FIRST, Cursor, Limit, Page, decode_cursor, encode_cursor
from server.http.api.problems import problems
from server.http.api.services import Caller, Services
from server.persistence.deliveries import Delivery, DeliveryStatus
from server.persistence.webhooks import Hook, HookChanges, HookStatus

Url = Annotated[
    str,
    Meta(min_length=1, max_length=2048, description="https:// or http://, a public address."),
]
Sessions = Annotated[
    str, Meta(min_length=1, max_length=256, description="A session's name, or `prefix*`.")
]
Events = Annotated[list[EventType], Meta(min_length=1, max_length=20)]


class WebhookCreate(Struct, frozen=True, forbid_unknown_fields=True):
    """A new webhook. events: which it is told of, all by default."""

    url: Url
    sessions: Sessions
    events: Events = msgspec.field(default_factory=lambda: list(EVENT_TYPES))


class WebhookChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change; what is left out stays. status: pause it, or let it go on."""

    url: Url | UnsetType = UNSET
    sessions: Sessions | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    status: HookStatus | UnsetType = UNSET


class WebhookView(Struct, frozen=True):
    """A webhook. reason: why the server paused it. failures: attempts since the last success."""

    id: UUID
    url: str
    sessions: str
    events: list[EventType]
    status: HookStatus
    reason: str
    failures: int
    owner: str
    version: int
    created_at: datetime
    updated_at: datetime
    last_delivered_at: datetime | None


class WebhookCreated(Struct, frozen=True):
    """A new webhook with the secret that its signatures are made with; it is shown only now."""

    webhook: WebhookView
    secret: str


class DeliveryView(Struct, frozen=True):
    """A delivery. id: the event's, in the header webhook-id. payload: what is sent."""

    id: UUID
    event: str
    session: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str
    created_at: datetime
    delivered_at: datetime | None
    payload: dict[str, object]


def _view(hook: Hook) -> WebhookView:
    return WebhookView(
        id=hook.public_id,
        url=hook.url,
        sessions=hook.sessions,
        events=hook.events,
        status=hook.status,
        reason=hook.reason,
        failures=hook.failures,
        owner=hook.owner,
        version=hook.version,
        created_at=hook.created_at,
        updated_at=hook.updated_at,
        last_delivered_at=hook.last_delivered_at,
    )


def _delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.event_id,
        event=delivery.event_type,
        session=delivery.session,
        status=delivery.status,
        attempts=delivery.attempts,
        next_attempt_at=delivery.next_attempt_at,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        created_at=delivery.created_at,
        delivered_at=delivery.delivered_at,
        payload=msgspec.json.decode(delivery.payload, type=dict[str, object]),
    )


def _answer(hook: Hook) -> Response[WebhookView]:
    headers = {"etag": etag(hook.version)}
    return Response(_view(hook), headers=headers)


@post("/webhooks", summary="Create a webhook", responses=problems(409), status_code=201)
async def create_webhook(
    services: Services, caller: Caller, data: WebhookCreate
) -> Response[WebhookCreated]:
    """Takes a token that says `teacher` for all sessions of the webhook.

    The secret in the answer is not shown again.
    """
    hook, secret = await services.webhooks.create(
        caller.bearer, data.url, data.sessions, data.events
    )
    headers = {"etag": etag(hook.version), "location": f"/api/v1/webhooks/{hook.public_id}"}
    return Response(WebhookCreated(_view(hook), secret), headers=headers, status_code=201)


@get("/webhooks", summary="List webhooks", responses=problems())
async def list_webhooks(
    services: Services, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Page[WebhookView]:
    """Those whose sessions the caller's token says `teacher` for, the newest first."""
    before = decode_cursor(cursor, int, FIRST, "webhooks")
    found = await services.webhooks.hooks(caller.bearer, before, limit + 1)
    more = len(found) > limit
    next = encode_cursor(found[limit - 1].id, "webhooks") if more else None
    return Page([_view(hook) for hook in found[:limit]], next)


@get("/webhooks/{hook:uuid}", summary="Read a webhook", responses=problems())
async def read_webhook(services: Services, caller: Caller, hook: UUID) -> Response[WebhookView]:
    """A webhook, without its secret."""
    return _answer(await services.webhooks.read(caller.bearer, hook))


@patch("/webhooks/{hook:uuid}", summary="Change a webhook", responses=problems(412))
async def change_webhook(
    services: Services,
    caller: Caller,
    hook: UUID,
    data: WebhookChange,
    if_match: IfMatch = None,
) -> Response[WebhookView]:
    """Change, pause or resume a webhook; what it is owed waits while it is paused."""
    changes = HookChanges(data.url, data.sessions, data.events, data.status)
    return _answer(
        await services.webhooks.change(caller.bearer, hook, changes, version_in(if_match))
    )


@delete("/webhooks/{hook:uuid}", summary="Delete a webhook", responses=problems())
async def delete_webhook(services: Services, caller: Caller, hook: UUID) -> None:
    """Delete a webhook with all that it is owed."""
    await services.webhooks.delete(caller.bearer, hook)


@get("/webhooks/{hook:uuid}/deliveries", summary="List deliveries", responses=problems())
async def list_deliveries(
    services: Services,
    caller: Caller,
    hook: UUID,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Annotated[
        DeliveryStatus | None, Parameter(description="Only those with this status.", required=False)
    ] = None,
) -> Page[DeliveryView]:
    """What was sent to a webhook in the last 30 days and what is to be sent, the newest first."""
    listed = "deliveries", hook, status
    before = decode_cursor(cursor, int, FIRST, listed)
    found = await services.webhooks.deliveries(caller.bearer, hook, status, before, limit + 1)
    more = len(found) > limit
    next = encode_cursor(found[limit - 1].id, listed) if more else None
    return Page([_delivery(delivery) for delivery in found[:limit]], next)


@post(
    "/webhooks/{hook:uuid}/deliveries/{delivery:uuid}/redeliver",
    summary="Deliver again",
    responses=problems(409),
    status_code=202,
)
async def redeliver(services: Services, caller: Caller, hook: UUID, delivery: UUID) -> DeliveryView:
    """Send an event once more, under its id, with all its retries."""
    return _delivery(await services.webhooks.redeliver(caller.bearer, hook, delivery))


@post(
    "/webhooks/{hook:uuid}/test",
    summary="Send a test",
    responses=problems(409),
    status_code=202,
)
async def send_test(services: Services, caller: Caller, hook: UUID) -> DeliveryView:
    """Send a `webhook.test` event; look for it among the deliveries."""
    return _delivery(await services.webhooks.test(caller.bearer, hook))


HANDLERS = [
    create_webhook,
    list_webhooks,
    read_webhook,
    change_webhook,
    delete_webhook,
    list_deliveries,
    redeliver,
    send_test,
]
