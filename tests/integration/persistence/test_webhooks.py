"""Webhooks in the database: made, changed by version, paused with what they are owed."""

from uuid import uuid4

import asyncpg
import pytest

from server.errors import Conflict
from server.persistence import deliveries, webhooks
from server.persistence.collaboration import VersionMismatch
from server.persistence.types import Connection
from server.persistence.webhooks import HookChanges, NoHook, Subscription
from tests.support.webhooks import URL, claim, make_deliveries, make_hook, new_hook


async def test_a_webhook_is_read_as_it_was_created(connection: Connection) -> None:
    """All but its secret; it is active and has not failed."""
    made = await webhooks.create(connection, new_hook(sessions="lesson*"))
    assert made == await webhooks.read(connection, made.public_id)
    assert (made.owner, made.url, made.sessions) == ("ann", URL, "lesson*")
    assert made.events == ["session.opened", "session.changed", "session.closed", "chat.message"]
    assert (made.status, made.reason, made.failures, made.version) == ("ACTIVE", "", 0, 1)
    assert made.last_delivered_at is None
    assert "whsec_" not in str(made)


async def test_an_owner_has_a_bounded_number(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused; others may still have theirs."""
    monkeypatch.setattr(webhooks, "MAX_HOOKS", 2)
    for _ in range(2):
        await make_hook(connection)
    with pytest.raises(Conflict, match="delete one"):
        await make_hook(connection)
    await webhooks.create(connection, new_hook(owner="bob"))


async def test_they_are_listed_newest_first(connection: Connection) -> None:
    """A page at a time."""
    made = [await make_hook(connection) for _ in range(5)]
    page = await webhooks.hooks(connection, 2**62, 3)
    rest = await webhooks.hooks(connection, page[-1].id, 3)
    assert [*page, *rest] == made[::-1]


async def test_changes_raise_the_version_and_leave_the_rest(connection: Connection) -> None:
    """What is not mentioned stays; a change meant for another version is refused."""
    made = await make_hook(connection)
    changes = HookChanges(url="https://b.example/", events=["chat.message"])
    changed = await webhooks.change(connection, made.public_id, changes, made.version)
    assert (changed.url, changed.events, changed.version) == (changes.url, ["chat.message"], 2)
    assert (changed.sessions, changed.status) == (made.sessions, "ACTIVE")
    with pytest.raises(VersionMismatch):
        await webhooks.change(connection, made.public_id, changes, made.version)
    assert (await webhooks.change(connection, made.public_id, HookChanges())).version == 3


async def test_what_is_owed_waits_while_a_webhook_is_paused(connection: Connection) -> None:
    """Nothing new is owed to it; it gets the rest once it is active again."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 2)
    paused = await webhooks.change(connection, hook.public_id, HookChanges(status="PAUSED"))
    assert await claim(connection) == []
    assert await webhooks.subscriptions(connection) == []
    await make_deliveries(connection, hook, 1)
    waiting = await deliveries.deliveries(connection, hook.id, 2**62, None, 10)
    assert [delivery.next_attempt_at for delivery in waiting] == [None, None]
    again = await webhooks.change(connection, hook.public_id, HookChanges(status="ACTIVE"))
    assert (paused.status, again.status) == ("PAUSED", "ACTIVE")
    assert len(await claim(connection)) == 2


async def test_a_webhook_goes_with_what_it_is_owed(connection: Connection) -> None:
    """What is made for it later goes nowhere, and it can't be found any more."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 2)
    await webhooks.delete(connection, hook.public_id)
    await make_deliveries(connection, hook, 2)
    assert await connection.fetchval("select count(*) from webhook_deliveries") == 0
    with pytest.raises(NoHook):
        await webhooks.delete(connection, hook.public_id)
    with pytest.raises(NoHook):
        await webhooks.read(connection, hook.public_id)
    with pytest.raises(NoHook):
        await webhooks.change(connection, uuid4(), HookChanges(status="PAUSED"))


async def test_subscriptions(connection: Connection) -> None:
    """What decides about which event goes where."""
    one = await make_hook(connection, sessions="a*")
    other = await make_hook(connection, sessions="b")
    await webhooks.change(connection, other.public_id, HookChanges(events=["chat.message"]))
    assert await webhooks.subscriptions(connection) == [
        Subscription(one.id, "a*", frozenset(one.events)),
        Subscription(other.id, "b", frozenset({"chat.message"})),
    ]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("url = ''", "webhooks_url_check"),
        ("secret = 'hunter2'", "webhooks_secret_check"),
        ("sessions = ''", "webhooks_sessions_check"),
        ("events = '{}'", "webhooks_events_check"),
        ("events = '{session.unknown}'", "webhooks_events_check"),
        ("status = 'GONE'", "webhooks_status_check"),
        ("failures = -1", "webhooks_failures_check"),
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    connection: Connection, change: str, constraint: str
) -> None:
    """Whoever writes SQL by hand is stopped by a constraint that says why in its name."""
    await make_hook(connection)
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await connection.execute(f"update webhooks set {change}")
