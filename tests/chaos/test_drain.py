"""SIGTERM: all that was received is saved and acknowledged; clients go on with the next server."""

import asyncio
import signal

from server.persistence.types import Connection
from tests.chaos.typists import KINDS, Typists
from tests.chaos.victims import Victim
from tests.clients.driver import Driver
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

EVERYBODY = [(kind, "lesson") for kind in KINDS]
LOCK = "select from documents where name = 'lesson' for update"


async def is_draining(server: Victim) -> bool:
    """Whether /readyz answers 503 because the server drains."""
    status, body = await server.get("/readyz")
    return status == 503 and "draining" in body


async def until_exit(server: Victim, timeout: float = 30) -> int:
    """The exit code of a server that is about to end."""
    await eventually(lambda: server.returncode is not None, timeout, "the exit")
    assert server.returncode is not None
    return server.returncode


async def test_what_was_received_is_acknowledged(
    victim: Victim, driver: Driver, connection: Connection
) -> None:
    """Draining waits for the commit; the acknowledgements come before the sockets close."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY)
    await typists.until_acknowledged(10)
    async with connection.transaction():
        await connection.execute(LOCK)
        await typists.until_unacknowledged()
        await typists.stop()
        await driver.wait_converged(*typists.clients)  # the server has received it all
        victim.signal(signal.SIGTERM)
        await eventually(lambda: is_draining(victim), what="draining")
        assert victim.returncode is None
    await asyncio.gather(*(client.wait_closed(code=1012) for client in typists.clients))
    assert await until_exit(victim) == 0
    for client in typists.clients:
        lines = await client.lines()
        assert client.kind == "yws" or lines.acked == lines.sent
    await victim.start()
    documents = await typists.check(await victim.database_url())
    documents["lesson"].check_written_once()


async def test_restart_under_typing(victim: Victim, driver: Driver, database_url: str) -> None:
    """Clients that type on through a restart lose nothing."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY, burst=5)
    for _ in range(4):
        await asyncio.gather(*(client.wait_synced() for client in typists.clients))
        await typists.more_acknowledged(30)
        victim.signal(signal.SIGTERM)
        await asyncio.gather(*(client.wait_closed(code=1012) for client in typists.clients))
        assert await until_exit(victim) == 0
        await victim.start()
    await typists.more_acknowledged(30)
    await typists.check(database_url)


async def test_a_second_signal_ends_it_at_once(
    victim: Victim, driver: Driver, connection: Connection, database_url: str
) -> None:
    """Whoever does not want to wait for the drain sends SIGTERM again; clients keep their edits."""
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY)
    await typists.until_acknowledged(10)
    async with connection.transaction():
        await connection.execute(LOCK)
        await typists.until_unacknowledged()
        victim.signal(signal.SIGTERM)
        await eventually(lambda: is_draining(victim), what="draining")
        victim.signal(signal.SIGTERM)
        assert await until_exit(victim, 5) == 128 + signal.SIGTERM
    await victim.start()
    await typists.check(database_url)


async def test_the_database_is_away(
    victim: Victim, proxy: Proxy, driver: Driver, database_url: str
) -> None:
    """The drain gives up, says so, and fails; the clients still have what was not saved."""
    victim.constants = {"server.app.DRAIN_TIMEOUT": 2.0}
    await victim.start()
    typists = await Typists.start(driver, victim.ws, EVERYBODY)
    await typists.until_acknowledged(10)
    proxy.stall()
    acknowledged = await typists.acknowledged()
    await typists.until_seen_by_all(typists.clients[0], "who saves this?\n")
    victim.signal(signal.SIGTERM)
    assert await until_exit(victim) == 1
    assert victim.logs("not everything could be saved; clients keep what was not acknowledged")
    known = await typists.acknowledged()
    assert sum(map(len, known.values())) - sum(map(len, acknowledged.values())) <= 20
    proxy.cut()
    proxy.resume()
    victim.constants = {}
    await victim.start()
    await typists.check(database_url)
