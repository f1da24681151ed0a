"""SIGKILL with webhooks under way: what was written down is delivered, by whoever is there."""

from collections.abc import AsyncIterator, Callable
from itertools import count

import asyncpg
import pytest_asyncio

from server.domain.roles import Role
from tests.clients.driver import Driver
from tests.integration.webhooks.api import SECRET, Api
from tests.support.postgres import PostgresInstance
from tests.support.receiver import Receiver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

TEACHER = {"*": Role.TEACHER}
SETTINGS = {
    "auth_secret": SECRET,
    "webhooks_private": "allow",
    "webhook_changed_seconds": "0.2",
    "linger_seconds": "0.1",
}
MakeServer = Callable[..., LyceumServer]
LEASES_END = "update webhook_deliveries set next_attempt_at = now() where status = 'PENDING'"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that takes everything unless told otherwise."""
    async with Receiver() as receiver:
        yield receiver


async def test_a_kill_between_writing_and_delivering(
    make_server: MakeServer, postgres: PostgresInstance, receiver: Receiver
) -> None:
    """Deliveries that nobody had begun go out after the restart, once each; the others again."""
    url = await postgres.create_database()
    server = make_server(database_url=url, **SETTINGS)
    await server.start()
    teacher = Api(server, TEACHER)
    hook = await teacher.hook(receiver.url)
    receiver.answers.extend([None] * 8)  # all that are made at once, so that the rest waits
    path = f"/webhooks/{hook['id']}"
    ids = {(await teacher("POST", f"{path}/test")).body["id"] for _ in range(20)}
    await eventually(lambda: len(receiver.got) == 4)
    await server.kill()
    begun = set(receiver.ids)
    receiver.answers.clear()
    await server.start()

    async def delivered() -> set[str]:
        return {entry["id"] for entry in await teacher.deliveries(hook, "?status=DELIVERED")}

    async def the_rest_is_delivered() -> bool:
        return await delivered() >= ids - begun

    async def all_are_delivered() -> bool:
        return await delivered() == ids

    await eventually(the_rest_is_delivered, 30)
    connection = await asyncpg.connect(url)
    await connection.execute(LEASES_END)
    await connection.close()
    await eventually(all_are_delivered, 30)
    assert receiver.ids == {id: 2 if id in begun else 1 for id in ids}
    assert all(got.is_signed(hook["secret"]) for got in receiver.got)


async def test_two_servers_on_one_database(
    make_server: MakeServer, postgres: PostgresInstance, receiver: Receiver, driver: Driver
) -> None:
    """While both live each event is delivered once; a webhook made on one is known to the other."""
    url = await postgres.create_database()
    servers = [make_server(database_url=url, **SETTINGS) for _ in range(2)]
    for server in servers:
        await server.start()
    hook = await Api(servers[0], TEACHER).hook(receiver.url)
    path = f"/webhooks/{hook['id']}"
    apis = [Api(server, TEACHER) for server in servers]
    ids = [(await apis[n % 2]("POST", f"{path}/test")).body["id"] for n in range(60)]
    await eventually(lambda: len(receiver.got) >= 60)

    names = (f"there-{number}" for number in count())

    async def heard_from_the_other() -> bool:
        client = await driver.join("hp4", servers[1].ws, next(names), token=apis[1].token)
        await client.destroy()
        return bool(receiver.events("session.opened"))  # told once for each stay in memory

    await eventually(heard_from_the_other)

    async def settled() -> bool:
        deliveries = await apis[0].deliveries(hook, "?status=PENDING")
        return not deliveries

    await eventually(settled)
    assert set(ids) <= set(receiver.ids)
    assert set(receiver.ids.values()) == {1}
    rates = [await server.get("/metrics") for server in servers]
    assert all('outcome="delivered"' in text for _, text in rates)  # they shared the work


async def test_a_drain_writes_down_what_happened(
    make_server: MakeServer, receiver: Receiver, driver: Driver
) -> None:
    """A change within its interval at SIGTERM is told of after the restart, if not before."""
    server = make_server(**{**SETTINGS, "webhook_changed_seconds": "3600"})
    await server.start()
    teacher = Api(server, TEACHER)
    await teacher.hook(receiver.url)
    client = await driver.join("hp4", server.ws, "drained", token=teacher.token)
    await client.insert("hello")
    await eventually(lambda: receiver.events("session.opened"))
    assert await server.stop() == 0
    await client.destroy()
    await server.start()
    (changed,) = await eventually(lambda: receiver.events("session.changed"))
    assert [who["user"] for who in changed["participants"]] == ["ann"]
    assert set(receiver.ids.values()) == {1}
