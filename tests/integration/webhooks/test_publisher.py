"""From what happens in sessions to deliveries in the database."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import msgspec

from server import telemetry
from server.domain.identity import Identity
from server.ids import SessionName
from server.persistence import deliveries, webhooks
from server.persistence.database import Database
from server.persistence.webhooks import Hook, HookChanges
from server.protocol.messages import ChatMessage
from server.webhooks.publisher import Publisher
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.webhooks import make_hook

LESSON = SessionName("lesson")
SAID = ChatMessage(1, 1, "m1", "ann", "Ann", "hello", None, (), datetime.now(UTC))


class Somebody:
    """A participant, as far as events are concerned."""

    def __init__(self, user: str) -> None:
        self.id: UUID = uuid4()
        self.identity = Identity(user=user)


ANN, BOB = Somebody("ann"), Somebody("bob")


@asynccontextmanager
async def running(
    database: Database, changed_seconds: float = 60.0, written: Callable[[], None] = lambda: None
) -> AsyncIterator[Publisher]:
    """A publisher that knows the webhooks there are, and runs."""
    publisher = Publisher(database, changed_seconds, written)
    await publisher.refresh()
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def hook_for(database: Database, sessions: str = "*", *events: str) -> Hook:
    async with database.acquire() as connection:
        hook = await make_hook(connection, sessions=sessions)
        if events:
            changes = HookChanges(events=list(events))  # type: ignore[arg-type]
            hook = await webhooks.change(connection, hook.public_id, changes)
        return hook


async def owed(database: Database, hook: Hook) -> list[dict[str, Any]]:
    """What is owed to a webhook, oldest first."""
    async with database.acquire() as connection:
        found = await deliveries.deliveries(connection, hook.id, 2**62, None, 1000)
    return [json.loads(delivery.payload) for delivery in found[::-1]]


async def types(database: Database, hook: Hook) -> list[str]:
    return [event["type"] for event in await owed(database, hook)]


async def test_all_kinds_of_events(database: Database) -> None:
    """In the order in which they happened, with who did it; whoever delivers is told."""
    hook = await hook_for(database)
    told = asyncio.Event()
    async with running(database, written=told.set) as publisher:
        publisher.opened(LESSON, ANN)
        publisher.changed(LESSON, [ANN, BOB])
        publisher.chat(LESSON, SAID)
        publisher.closed(LESSON)
        await publisher.drain()
    found = await owed(database, hook)
    assert [event["type"] for event in found] == [
        "session.opened",
        "chat.message",
        "session.changed",
        "session.closed",
    ]
    assert {event["data"]["session"] for event in found} == {"lesson"}
    assert found[0]["data"]["participant"]["user"] == "ann"
    assert found[1]["data"]["message"]["body"] == "hello"
    assert [who["user"] for who in found[2]["data"]["participants"]] == ["ann", "bob"]
    assert told.is_set()


async def test_each_webhook_gets_what_it_asked_for(database: Database) -> None:
    """Of its sessions and of its kinds, one event under one id for all."""
    everything = await hook_for(database)
    lessons = await hook_for(database, "lesson*")
    chats = await hook_for(database, "*", "chat.message")
    other = await hook_for(database, "other")
    async with running(database) as publisher:
        publisher.opened(LESSON, ANN)
        publisher.chat(SessionName("lunch"), SAID)
        await publisher.drain()
    assert await types(database, everything) == ["session.opened", "chat.message"]
    assert await types(database, lessons) == ["session.opened"]
    assert await types(database, chats) == ["chat.message"]
    assert await types(database, other) == []
    async with database.acquire() as connection:
        ids = await connection.fetchval(
            "select count(distinct event_id) from webhook_deliveries"
            " where event_type = 'session.opened'"
        )
    assert ids == 1


async def test_what_was_said_is_one_event_however_often_it_is_told(database: Database) -> None:
    """Of each revision, as after a commit whose outcome was unknown."""
    hook = await hook_for(database)
    edited = msgspec.structs.replace(SAID, revision=2, edited_at=SAID.sent_at)
    async with running(database) as publisher:
        for message in (SAID, SAID, edited, SAID, edited):
            publisher.chat(LESSON, message)
        await publisher.drain()
    actions = [event["data"]["action"] for event in await owed(database, hook)]
    assert actions == ["new", "edited"]


async def test_without_webhooks_nothing_is_kept(database: Database) -> None:
    """Nor for sessions that no webhook is for."""
    async with running(database) as publisher:
        assert not publisher.active
        for _ in range(3):
            publisher.opened(LESSON, ANN)
            publisher.changed(LESSON, [ANN])
            publisher.chat(LESSON, SAID)
            publisher.closed(LESSON)
            await hook_for(database, "other")
            await publisher.refresh()
        assert publisher.active
        assert len(publisher._queue) == len(publisher._changing) == 0


async def test_changes_come_at_most_once_an_interval(database: Database) -> None:
    """Each tells of all since the one before, and the last one is not missed."""
    hook = await hook_for(database)
    interval = 0.3
    async with running(database, changed_seconds=interval) as publisher:

        async def told() -> list[dict[str, Any]]:
            publisher.changed(LESSON, [ANN])
            found = [event["data"] for event in await owed(database, hook)]
            return found if len(found) >= 3 else []

        started = datetime.now(UTC)
        await eventually(told)
        publisher.changed(LESSON, [BOB])
        last = datetime.now(UTC)

        async def told_of_the_last() -> list[dict[str, Any]]:
            found = [event["data"] for event in await owed(database, hook)]
            named = [who["user"] for who in found[-1]["participants"]]
            return found if named[-1] == "bob" else []

        found = await eventually(told_of_the_last)
    times = [
        (datetime.fromisoformat(event["since"]), datetime.fromisoformat(event["until"]))
        for event in found
    ]
    assert times[0][0] >= started
    assert times[-1][1] <= last
    for (since, until), (next_since, _) in pairwise(times):
        assert since < until <= next_since
        assert (next_since - since).total_seconds() > 0.9 * interval  # two clocks


async def test_sessions_have_intervals_of_their_own(database: Database) -> None:
    """One event each, whenever they began; only one that is edited for longer has more."""
    hook = await hook_for(database)
    async with running(database, changed_seconds=0.2) as publisher:
        for number in range(30):
            publisher.changed(SessionName(f"s{number}"), [ANN])
            publisher.changed(SessionName("s0"), [ANN])
            await asyncio.sleep(0.002)

        async def told() -> Counter[str]:
            return Counter(event["data"]["session"] for event in await owed(database, hook))

        async def all_told() -> bool:
            return len(await told()) == 30

        await eventually(all_told)
        await eventually(lambda: not publisher._changing)
        await publisher.drain()
        counts = await told()
        del counts["s0"]
        assert set(counts.values()) == {1}


async def test_a_webhook_that_another_server_made_is_found(database: Database) -> None:
    """Soon; also one that was paused or deleted is."""
    async with running(database) as publisher:
        hook = await hook_for(database)
        await eventually(lambda: publisher.active)
        async with database.acquire() as connection:
            await webhooks.delete(connection, hook.public_id)
        await eventually(lambda: not publisher.active)


async def test_nothing_is_lost_while_the_database_is_away(database_url: str) -> None:
    """Events wait, changes of one session become one; then all are written."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        hook = await hook_for(database)
        async with running(database, changed_seconds=0.05) as publisher:
            proxy.shut()
            publisher.chat(LESSON, SAID)
            await eventually(lambda: not len(publisher._queue))  # it is being tried
            publisher.changed(SessionName("other"), [ANN])
            await eventually(lambda: len(publisher._queue) == 1)
            for who in (ANN, BOB):
                publisher.changed(SessionName("other"), [who])
                await eventually(lambda: not publisher._changing)
            publisher.chat(
                LESSON, msgspec.structs.replace(SAID, revision=2, edited_at=SAID.sent_at)
            )
            assert len(publisher._queue) == 2
            await proxy.open()
            await publisher.drain()
        found = await owed(database, hook)
        kinds = [event["type"] for event in found]
        assert kinds == ["chat.message", "session.changed", "chat.message"]
        assert [who["user"] for who in found[1]["data"]["participants"]] == ["ann", "bob"]
        await database.close()


async def test_a_commit_whose_answer_is_lost_is_made_once(database_url: str) -> None:
    """The batch is sent again, and finds itself there."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        hook = await hook_for(database)
        async with running(database) as publisher:
            trap = proxy.lose_answer(b"session.opened")
            publisher.opened(LESSON, ANN)
            await trap.sprung()
            await publisher.drain()
        assert await types(database, hook) == ["session.opened"]
        await database.close()


async def test_an_event_that_is_not_accepted_costs_only_itself(database: Database) -> None:
    """Those written with it are there; it is counted."""
    hook = await hook_for(database)
    dropped = telemetry.webhook_events_dropped.labels("session.closed")
    before = dropped._value.get()
    async with database.acquire() as connection:
        await connection.execute(
            "alter table webhook_deliveries add constraint no_bad check (session <> 'bad')"
        )
    async with running(database) as publisher:
        for name in ("one", "bad", "two"):
            publisher.closed(SessionName(name))
        await publisher.drain()
    assert [event["data"]["session"] for event in await owed(database, hook)] == ["one", "two"]
    assert dropped._value.get() == before + 1


async def test_a_drain_does_not_wait_for_ever(database_url: str) -> None:
    """What can't be written is given up, with a word in the log."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        await hook_for(database)
        async with running(database) as publisher:
            proxy.shut()
            publisher.closed(LESSON)
            async with asyncio.timeout(30):
                await publisher.drain()
        await database.close()


async def test_names_are_remembered_within_bounds(database: Database) -> None:
    """A server that sees ever new sessions does not grow."""
    await hook_for(database, "none")
    async with running(database) as publisher:
        for number in range(25_000):
            publisher.changed(SessionName(f"s{number}"), [ANN])
        assert len(publisher._by_session) <= 10_000
