"""The queue of deliveries: taken once, again if its taker dies, retried, settled, kept a while."""

import asyncio
from itertools import chain
from uuid import uuid4

import asyncpg
import pytest

from server.persistence import deliveries, webhooks
from server.persistence.database import Database
from server.persistence.deliveries import Claimed, Delivery, NoDelivery, Result
from server.persistence.types import Connection
from server.persistence.webhooks import Hook, HookChanges
from tests.support.waiting import eventually
from tests.support.webhooks import claim, make_deliveries, make_hook

OK = Result(True, 200)
AGAIN = Result(False, 500, "no", pause=100.0)
NO_MORE = Result(False, 500, "no")


async def only(connection: Connection, hook: Hook) -> Delivery:
    """The one delivery to a webhook."""
    (found,) = await deliveries.deliveries(connection, hook.id, 2**62, None, 10)
    return found


async def take(connection: Connection) -> Claimed:
    """Take the one delivery that is due."""
    (claimed,) = await claim(connection)
    return claimed


async def test_what_is_due_is_taken_with_all_it_needs(connection: Connection) -> None:
    """Oldest first; an attempt is counted when it begins."""
    hook = await make_hook(connection)
    batch = await make_deliveries(connection, hook, 3)
    claimed = sorted(await claim(connection))
    assert [entry.event_id for entry in claimed] == [new.event_id for new in batch]
    assert claimed[0].payload == '{"number": 0}'
    assert {(entry.url, entry.attempts) for entry in claimed} == {(hook.url, 1)}
    assert claimed[0].secret.startswith("whsec_")
    assert await claim(connection) == []


async def test_a_batch_that_is_written_twice_is_there_once(connection: Connection) -> None:
    """As happens when its COMMIT was not heard."""
    hook = await make_hook(connection)
    batch = await make_deliveries(connection, hook, 3)
    await deliveries.enqueue(connection, batch)
    assert len(await claim(connection)) == 3


async def test_many_takers_share_the_queue(database: Database) -> None:
    """Each delivery is taken by one, whoever asks at the same moment."""
    async with database.acquire() as connection:
        for _ in range(5):
            await make_deliveries(connection, await make_hook(connection), 40)

    async def taker() -> list[int]:
        taken: list[int] = []
        async with database.acquire() as connection:
            while found := await claim(connection, per_hook=2, limit=7):
                taken += [entry.id for entry in found]
        return taken

    taken = list(chain.from_iterable(await asyncio.gather(*(taker() for _ in range(8)))))
    async with database.acquire() as connection:
        taken += [entry.id for entry in await claim(connection, limit=1000)]
    assert len(taken) == len(set(taken)) == 200


async def test_what_a_dead_server_took_is_due_again(connection: Connection) -> None:
    """Once its lease is over; that was an attempt."""
    await make_deliveries(connection, await make_hook(connection), 1)
    (first,) = await claim(connection, lease=0.3)
    assert await claim(connection) == []
    (second,) = await eventually(lambda: claim(connection))
    assert (second.id, second.attempts) == (first.id, 2)


async def test_a_slow_webhook_keeps_nobody_from_theirs(connection: Connection) -> None:
    """Of each some are taken, of one that fails one, of one that is busy none."""
    slow, failing, busy, fine = [await make_hook(connection) for _ in range(4)]
    for hook in (slow, failing, busy):
        await make_deliveries(connection, hook, 20)
    await make_deliveries(connection, fine, 1)
    await connection.execute("update webhooks set failures = 1 where id = $1", failing.id)
    taken = [entry.webhook_id for entry in await claim(connection, (busy.id,), per_hook=3)]
    counts = [taken.count(hook.id) for hook in (slow, failing, busy, fine)]
    assert counts == [3, 1, 0, 1]


async def test_no_more_is_taken_than_there_is_room_for(connection: Connection) -> None:
    """What is left over is due for others."""
    await make_deliveries(connection, await make_hook(connection), 5)
    assert len(await claim(connection, limit=2)) == 2
    assert len(await claim(connection)) == 3


async def test_a_delivery_that_went_well(connection: Connection) -> None:
    """It is over; the webhook's failures are forgotten."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 1)
    await connection.execute("update webhooks set failures = 3")
    assert not await deliveries.settle(connection, await take(connection), OK)
    done = await only(connection, hook)
    assert (done.status, done.attempts, done.last_status) == ("DELIVERED", 1, 200)
    assert (done.next_attempt_at, done.last_error) == (None, "")
    assert done.delivered_at is not None
    after = await webhooks.read(connection, hook.public_id)
    assert after.failures == 0
    assert after.last_delivered_at is not None


async def test_a_delivery_that_is_tried_again(connection: Connection) -> None:
    """After the pause, with the reason to be seen meanwhile."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 1)
    assert not await deliveries.settle(connection, await take(connection), AGAIN)
    waiting = await only(connection, hook)
    assert (waiting.status, waiting.last_status, waiting.last_error) == ("PENDING", 500, "no")
    due_in = await connection.fetchval(
        "select extract(epoch from next_attempt_at - now())::float from webhook_deliveries"
    )
    assert 95 < due_in <= 100
    assert (await webhooks.read(connection, hook.public_id)).failures == 1


async def test_a_webhook_that_nothing_reaches_is_paused(connection: Connection) -> None:
    """Once a delivery has failed for good; what else it is owed waits."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 2)
    (one, _) = sorted(await claim(connection))
    assert await deliveries.settle(connection, one, NO_MORE)
    paused = await webhooks.read(connection, hook.public_id)
    assert (paused.status, paused.reason) == ("PAUSED", deliveries.DEAD)
    found = await deliveries.deliveries(connection, hook.id, 2**62, None, 10)
    assert [entry.status for entry in found] == ["PENDING", "FAILED"]
    assert [entry.next_attempt_at for entry in found] == [None, None]
    again = await webhooks.change(connection, hook.public_id, HookChanges(status="ACTIVE"))
    assert (again.reason, again.failures) == ("", 0)


async def test_a_webhook_that_takes_others_goes_on(connection: Connection) -> None:
    """One delivery failed for good, but others succeeded since it was made."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 2)
    one, other = sorted(await claim(connection))
    await deliveries.settle(connection, other, OK)
    assert not await deliveries.settle(connection, one, NO_MORE)
    assert (await webhooks.read(connection, hook.public_id)).status == "ACTIVE"
    failed = await deliveries.deliveries(connection, hook.id, 2**62, "FAILED", 10)
    assert [entry.event_id for entry in failed] == [one.event_id]


async def test_a_receiver_that_is_gone_pauses_its_webhook(connection: Connection) -> None:
    """At once, whatever succeeded before."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 2)
    one, other = sorted(await claim(connection))
    await deliveries.settle(connection, other, OK)
    assert await deliveries.settle(connection, one, Result(False, 410, "gone", gone=True))
    paused = await webhooks.read(connection, hook.public_id)
    assert (paused.status, paused.reason) == ("PAUSED", deliveries.GONE)


async def test_an_abandoned_attempt_settles_nothing(connection: Connection) -> None:
    """Its delivery was taken by another meanwhile, or is gone."""
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 1)
    (first,) = await claim(connection, lease=0.0)
    (second,) = await claim(connection)
    assert not await deliveries.settle(connection, first, NO_MORE)
    assert (await only(connection, hook)).status == "PENDING"
    await deliveries.settle(connection, second, OK)
    assert (await only(connection, hook)).status == "DELIVERED"
    assert not await deliveries.settle(connection, second, NO_MORE)
    assert (await only(connection, hook)).status == "DELIVERED"


async def test_they_are_listed_newest_first(connection: Connection) -> None:
    """A page at a time, or only those of one status; of other webhooks none."""
    hook = await make_hook(connection)
    await make_deliveries(connection, await make_hook(connection), 2)
    batch = await make_deliveries(connection, hook, 5)
    page = await deliveries.deliveries(connection, hook.id, 2**62, None, 3)
    rest = await deliveries.deliveries(connection, hook.id, page[-1].id, "PENDING", 3)
    ids = [entry.event_id for entry in [*page, *rest]]
    assert ids == [new.event_id for new in batch[::-1]]
    assert await deliveries.deliveries(connection, hook.id, 2**62, "FAILED", 3) == []


async def test_an_event_is_delivered_again_on_demand(connection: Connection) -> None:
    """Under its id, with all its retries."""
    hook = await make_hook(connection)
    (new,) = await make_deliveries(connection, hook, 1)
    await deliveries.settle(connection, await take(connection), OK)
    again = await deliveries.redeliver(connection, hook.id, new.event_id)
    assert (again.status, again.attempts, again.delivered_at) == ("PENDING", 0, None)
    claimed = await take(connection)
    assert (claimed.event_id, claimed.attempts) == (new.event_id, 1)
    with pytest.raises(NoDelivery):
        await deliveries.redeliver(connection, hook.id, uuid4())


async def test_old_deliveries_are_pruned(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at once; whatever their status. Newer ones stay."""
    monkeypatch.setattr(deliveries, "PRUNED_AT_ONCE", 2)
    hook = await make_hook(connection)
    await make_deliveries(connection, hook, 5)
    await connection.execute(
        "update webhook_deliveries set created_at = now() - interval '30 days 1 second'"
        " where (payload->>'number')::int < 3"
    )
    assert [await deliveries.prune(connection) for _ in range(3)] == [2, 1, 0]
    left = await deliveries.deliveries(connection, hook.id, 2**62, None, 10)
    assert [entry.payload for entry in left] == ['{"number": 4}', '{"number": 3}']


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("status = 'LOST', next_attempt_at = null", "webhook_deliveries_status_check"),
        ("next_attempt_at = null", "webhook_deliveries_pending_iff_next_attempt"),
        ("status = 'FAILED'", "webhook_deliveries_pending_iff_next_attempt"),
        ("delivered_at = now()", "webhook_deliveries_delivered_iff_time"),
        ("attempts = -1", "webhook_deliveries_attempts_check"),
    ],
)
async def test_the_database_refuses_what_makes_no_sense(
    connection: Connection, change: str, constraint: str
) -> None:
    """Whoever writes SQL by hand is stopped by a constraint that says why in its name."""
    await make_deliveries(connection, await make_hook(connection), 1)
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await connection.execute(f"update webhook_deliveries set {change}")
