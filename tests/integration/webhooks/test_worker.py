"""Deliveries are made: signed, retried, given up, shared by many servers, at least once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from aiohttp import web

from server import telemetry
from server.persistence import deliveries, webhooks
from server.persistence.database import Database
from server.persistence.deliveries import Claimed, Delivery
from server.persistence.webhooks import Hook
from server.webhooks import worker as worker_module
from server.webhooks.attempts import Answer
from server.webhooks.guard import Guard, make_lookup
from server.webhooks.schedule import PAUSES, SPREAD
from server.webhooks.sender import Sender
from server.webhooks.worker import Worker, judged
from tests.support.proxy import Proxy
from tests.support.receiver import Receiver
from tests.support.waiting import eventually
from tests.support.webhooks import make_deliveries, make_hook

DUE = "update webhook_deliveries set next_attempt_at = now() where status = 'PENDING'"


@asynccontextmanager
async def working(
    database: Database, private: bool = True, timeout: float = 10.0
) -> AsyncIterator[Worker]:
    """A worker that runs; in the end it is cancelled as if its server were killed."""
    sender = Sender(Guard(private, make_lookup()), timeout)
    worker = Worker(database, sender)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sender.close()


async def hook_to(database: Database, receiver: Receiver) -> Hook:
    async with database.acquire() as connection:
        return await make_hook(connection, receiver.url)


async def owe(database: Database, hook: Hook, count: int = 1) -> list[str]:
    """Ids of new deliveries."""
    async with database.acquire() as connection:
        return [str(new.event_id) for new in await make_deliveries(connection, hook, count)]


async def all_of(database: Database, hook: Hook, status: str | None = None) -> list[Delivery]:
    async with database.acquire() as connection:
        found = await deliveries.deliveries(connection, hook.id, 2**62, None, 1000)
    return [entry for entry in found if status in (None, entry.status)]


async def settled(database: Database, hook: Hook, attempts: int) -> Delivery:
    """The only delivery, once it is noted how the last of so many attempts went."""

    async def noted() -> Delivery | None:
        async with database.acquire() as connection:
            failures = (await webhooks.read(connection, hook.public_id)).failures
        (entry,) = await all_of(database, hook)  # read last: not older than the failures
        noted = entry.status != "PENDING" or failures == attempts
        return entry if noted and entry.attempts == attempts else None

    return await eventually(noted)


async def clock(database: Database) -> datetime:
    """What time it is for the database."""
    async with database.acquire() as connection:
        now: datetime = await connection.fetchval("select clock_timestamp()")
    return now


async def is_scheduled(
    database: Database, entry: Delivery, pause: float, attempted_after: datetime
) -> bool:
    """Whether a delivery is due about `pause` seconds after an attempt that ended by now."""
    assert entry.next_attempt_at is not None
    earliest = attempted_after + timedelta(seconds=(1 - SPREAD) * pause)
    latest = await clock(database) + timedelta(seconds=(1 + SPREAD) * pause)
    return earliest <= entry.next_attempt_at <= latest


async def execute(database: Database, statement: str) -> None:
    async with database.acquire() as connection:
        await connection.execute(statement)


async def test_a_delivery(database: Database, receiver: Receiver) -> None:
    """It is signed with the webhook's secret at the time of the attempt, and then over."""
    hook = await hook_to(database, receiver)
    delivered = telemetry.webhook_deliveries.labels("delivered")
    before, begun = delivered._value.get(), int(time.time())
    async with working(database) as worker:
        (id,) = await owe(database, hook)
        worker.wake()
        done = await settled(database, hook, 1)
        await eventually(lambda: delivered._value.get() == before + 1)
    assert (done.status, done.last_status) == ("DELIVERED", 200)
    (got,) = receiver.got
    assert (got.id, got.event) == (id, {"number": 0})
    async with database.acquire() as connection:
        secret = await connection.fetchval("select secret from webhooks")
    assert got.is_signed(secret)
    assert not got.is_signed("whsec_AAAA")
    assert begun <= int(got.headers["webhook-timestamp"]) <= time.time()


async def test_what_is_owed_is_found_without_a_word(database: Database, receiver: Receiver) -> None:
    """As another server wrote it, or an attempt became due."""
    hook = await hook_to(database, receiver)
    async with working(database):
        ids = await owe(database, hook, 30)
        await eventually(lambda: len(receiver.got) == 30)
        await eventually(lambda: all_of(database, hook, "DELIVERED"))
    assert receiver.ids == dict.fromkeys(ids, 1)


async def test_an_attempt_that_failed_is_made_again(database: Database, receiver: Receiver) -> None:
    """After about 5 s, under the same id, with a signature of its own time."""
    hook = await hook_to(database, receiver)
    (id,) = await owe(database, hook)
    receiver.answers.append(web.Response(status=500, text="not now"))
    begun = await clock(database)
    async with working(database) as worker:
        waiting = await settled(database, hook, 1)
        assert (waiting.status, waiting.last_status) == ("PENDING", 500)
        assert waiting.last_error == "The receiver answered 500: not now"
        assert await is_scheduled(database, waiting, 5, begun)
        await execute(database, DUE)
        worker.wake()
        done = await settled(database, hook, 2)
    assert (done.status, done.last_error) == ("DELIVERED", "")
    assert receiver.ids == {id: 2}


@pytest.mark.parametrize("answer", [302, 404, 503])
async def test_in_the_end_it_is_given_up(
    database: Database, receiver: Receiver, answer: int
) -> None:
    """After eight attempts whose pauses grow; the webhook is paused, as nothing reached it."""
    hook = await hook_to(database, receiver)
    await owe(database, hook)
    receiver.answers.extend([answer] * 20)
    begun = await clock(database)
    async with working(database) as worker:
        for attempts, pause in enumerate(PAUSES, 1):
            entry = await settled(database, hook, attempts)
            assert entry.status == "PENDING"
            assert await is_scheduled(database, entry, pause, begun)
            begun = await clock(database)
            await execute(database, DUE)
            worker.wake()
        failed = await settled(database, hook, 8)
    assert (failed.status, failed.last_status) == ("FAILED", answer)
    async with database.acquire() as connection:
        after = await webhooks.read(connection, hook.public_id)
    assert (after.status, after.reason, after.failures) == ("PAUSED", deliveries.DEAD, 8)
    assert len(receiver.got) == 8


async def test_a_receiver_that_is_gone(database: Database, receiver: Receiver) -> None:
    """410 pauses the webhook at once."""
    hook = await hook_to(database, receiver)
    await owe(database, hook)
    receiver.answers.append(410)
    async with working(database):
        failed = await settled(database, hook, 1)
    assert (failed.status, failed.last_status) == ("FAILED", 410)
    async with database.acquire() as connection:
        after = await webhooks.read(connection, hook.public_id)
    assert (after.status, after.reason) == ("PAUSED", deliveries.GONE)


async def test_a_slow_receiver_keeps_nobody_waiting(database: Database) -> None:
    """While some hang, others get theirs."""
    async with Receiver() as slow, Receiver() as fast:
        slow.answers.extend([None] * 100)
        hanging, fine = await hook_to(database, slow), await hook_to(database, fast)
        await owe(database, hanging, 50)
        async with working(database) as worker:
            await eventually(lambda: len(slow.got) == worker_module.AT_ONCE_TO_ONE)
            await owe(database, fine, 50)
            worker.wake()
            await eventually(lambda: len(fast.got) == 50)
            assert len(slow.got) == worker_module.AT_ONCE_TO_ONE


async def test_many_servers_deliver_each_event_once(database: Database, receiver: Receiver) -> None:
    """As long as they live and the database does."""
    hook = await hook_to(database, receiver)
    ids = await owe(database, hook, 300)
    async with working(database), working(database), working(database):
        await eventually(lambda: len(receiver.got) >= 300, 30)
        done = await eventually(lambda: all_of(database, hook, "DELIVERED"))
        await eventually(lambda: all_delivered(database, hook, 300))
    assert done
    assert receiver.ids == dict.fromkeys(ids, 1)


async def all_delivered(database: Database, hook: Hook, count: int) -> bool:
    return len(await all_of(database, hook, "DELIVERED")) == count


async def test_a_server_that_dies_midway(database: Database, receiver: Receiver) -> None:
    """Another one delivers once the lease is over, under the same id."""
    hook = await hook_to(database, receiver)
    (id,) = await owe(database, hook)
    receiver.answers.append(None)
    async with working(database):
        await eventually(lambda: len(receiver.got) == 1)
    await execute(database, DUE)  # time passes
    async with working(database):
        done = await settled(database, hook, 2)
    assert done.status == "DELIVERED"
    assert receiver.ids == {id: 2}


async def test_an_outcome_that_can_not_be_noted(database_url: str, receiver: Receiver) -> None:
    """The database went away meanwhile: it is delivered again."""
    async with Proxy.before_database(database_url) as proxy:
        database = await Database.open(proxy.url)
        hook = await hook_to(database, receiver)
        (id,) = await owe(database, hook)
        receiver.answers.append(None)
        async with working(database) as worker:
            await eventually(lambda: len(receiver.got) == 1)
            proxy.shut()
            receiver.release()
            await eventually(lambda: not worker._flying)
            await proxy.open()
            await execute(database, DUE)  # time passes
            done = await settled(database, hook, 2)
        assert done.status == "DELIVERED"
        assert receiver.ids == {id: 2}
        await database.close()


async def test_private_addresses_are_refused_at_each_attempt(
    database: Database, receiver: Receiver
) -> None:
    """Also of webhooks made while they were allowed."""
    hook = await hook_to(database, receiver)
    await owe(database, hook)
    async with working(database, private=False):
        waiting = await settled(database, hook, 1)
    assert waiting.status == "PENDING"
    assert "LYCEUM_WEBHOOKS_PRIVATE=allow" in waiting.last_error
    assert receiver.got == []


async def test_draining_waits_for_what_is_under_way(database: Database, receiver: Receiver) -> None:
    """And starts nothing more."""
    hook = await hook_to(database, receiver)
    receiver.answers.extend([None] * 4)
    async with working(database) as worker:
        await owe(database, hook, 4)
        await eventually(lambda: len(receiver.got) == 4)
        draining = asyncio.create_task(worker.drain())
        await owe(database, hook, 4)
        worker.wake()
        receiver.release()
        await draining
        assert len(receiver.got) == 4
        assert await all_delivered(database, hook, 4)


async def test_old_deliveries_are_pruned(database: Database, receiver: Receiver) -> None:
    """By whichever server, soon after its start."""
    hook = await hook_to(database, receiver)
    await owe(database, hook, 3)
    await execute(
        database,
        "update webhook_deliveries set created_at = now() - interval '31 days',"
        " next_attempt_at = 'infinity'",
    )
    async with working(database):
        await eventually(lambda: all_delivered_and_gone(database, hook))


async def all_delivered_and_gone(database: Database, hook: Hook) -> bool:
    return not await all_of(database, hook)


CLAIMED = Claimed(1, 1, uuid4(), 1, "{}", "https://a.example/", "whsec_c2VjcmV0")


def test_no_secret_is_kept_with_an_error() -> None:
    """A receiver may send back what it knows."""
    result = judged(Answer(500, f"The receiver answered 500: {CLAIMED.secret}!"), CLAIMED, 0.5)
    assert result.error == "The receiver answered 500: …!"
