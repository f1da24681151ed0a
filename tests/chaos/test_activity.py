"""Activity adds up to what happened: in a crowd, while Postgres stands still, and over kills."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

from server.domain.roles import Role
from server.persistence import documents
from server.persistence.types import Connection
from server.protocol.yjs import SyncType
from server.sessions.access import make_token
from tests.chaos.victims import Victim
from tests.integration.clients.raw import RawClient, raw_client
from tests.support.api import SECRET, Api
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

CROWD, AT_ONCE, ROOMS = 200, 40, 8
VISITORS = 30  # while Postgres stands still
SUMS = """
select user_id,
    count(*) filter (where kind = 'join') as joins,
    count(*) filter (where kind = 'leave') as leaves,
    count(*) filter (where kind = 'chat') as messages,
    count(*) filter (where kind = 'run') as runs,
    coalesce(sum(updates), 0) as updates,
    coalesce(sum(inserted), 0) as inserted,
    coalesce(sum(deleted), 0) as deleted
from session_activity
group by user_id
"""

Did = dict[str, Counter[str]]


class Typist:
    """A raw client that edits, and knows what it did."""

    def __init__(self, client: RawClient, did: Counter[str]) -> None:
        self._client = client
        self._did = did
        self._made: list[bytes] = []
        self._doc: Doc[Any] = Doc()
        self._text = self._doc.get("content", type=Text)
        self._doc.observe(self._note)

    def _note(self, event: TransactionEvent) -> None:
        self._made.append(event.update)

    async def _send(self) -> None:
        made, self._made = self._made, []
        for update in made:
            self._did["updates"] += 1
            await self._client.send_sync(SyncType.UPDATE, update)

    async def insert(self, text: str) -> None:
        """At the front."""
        self._text.insert(0, text)
        self._did["inserted"] += len(text)
        await self._send()

    async def delete(self, count: int) -> None:
        """So much of what it wrote, from the front."""
        count = min(count, len(self._text))
        if count:
            del self._text[:count]
            self._did["deleted"] += count
            await self._send()

    async def command(self, kind: str, **fields: object) -> None:
        """Send a stateless message."""
        payload = json.dumps({"type": kind, **fields})
        await self._client.socket.send(self._client.dialect.stateless(payload))


def token(user: str) -> str:
    return make_token(SECRET, user, None, {"*": Role.EDITOR}, 600.0)


@asynccontextmanager
async def reader(
    server: Victim, session: str, user: str, hocuspocus: bool = False
) -> AsyncIterator[RawClient]:
    """A raw client of a user that also reads whatever comes, so that it can close at once."""
    async with raw_client(server, session, hocuspocus, token(user)) as client:

        async def read() -> None:
            async for _ in client.socket:
                pass

        reading = asyncio.create_task(read())
        yield client
    await reading


async def visit(server: Victim, number: int, did: Did) -> None:
    """Somebody comes, does this and that, and goes without a word."""
    rng = random.Random(number)
    user = f"u{number % 150}"  # some come twice
    mine = did.setdefault(user, Counter())
    hocuspocus = number % 2 == 0
    room = f"room {number % ROOMS}"
    async with reader(server, room, user, hocuspocus) as client:
        mine["joins"] += 1
        typist = Typist(client, mine)
        for step in range(rng.randint(0, 6)):
            await typist.insert("x" * rng.randint(1, 9))
            if rng.random() < 0.5:
                await typist.delete(rng.randint(1, 9))
            if hocuspocus and step < 2:
                name = f"{number}-{step}"
                await typist.command("chat.send", client_message_id=name, body="hello")
                await typist.command("run.report", outcome="passed")
                mine["messages"] += 1
                mine["runs"] += 1
    mine["leaves"] += 1


async def sums(connection: Connection) -> Did:
    """What the rows add up to, by user; what is 0 left out."""
    found = await connection.fetch(SUMS)
    return {
        row["user_id"]: Counter(
            {name: int(row[name]) for name in list(row.keys())[1:] if row[name]}
        )
        for row in found
    }


async def test_a_crowd_comes_and_goes(victim: Victim, connection: Connection) -> None:
    """The rows of every user add up to exactly what it did, also of who stays until the end."""
    victim.settings |= {"LYCEUM_AUTH_SECRET": SECRET, "LYCEUM_ACTIVITY_SECONDS": "0.2"}
    await victim.start()
    did: Did = {}
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            await visit(victim, number, did)

    await asyncio.gather(*(one(number) for number in range(CROWD)))
    expected = {user: +counted for user, counted in did.items()}

    async def equal() -> bool:
        return await sums(connection) == expected

    await eventually(equal, 30)
    assert await connection.fetchval("select max(last_batch) from journal_writers") > 1
    async with raw_client(victim, "room 1", token=token("last")) as client:
        expected["last"] = Counter(joins=1, leaves=1)
        await Typist(client, expected["last"]).insert("goodbye")
        await client.present()
        assert await victim.stop() == 0
    assert await sums(connection) == expected
    edits = await connection.fetchval("select count(*) from session_activity where kind = 'edit'")
    assert (
        edits <= 2 * CROWD
    )  # a visit may fall into two intervals or so, its keystrokes don't count
    seen = await connection.fetchval("select count(distinct user_id) from session_participants")
    assert seen == len(expected)


async def test_postgres_stands_still(victim: Victim, proxy: Proxy, connection: Connection) -> None:
    """Activity stays within its bound and the rest is counted as shed; all edits are saved."""
    victim.settings |= {
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_ACTIVITY_SECONDS": "0.1",
        "LYCEUM_LIMIT_ACTIVITY_EVENTS": "20",
    }
    await victim.start()
    did: Did = {"u": Counter()}
    async with reader(victim, "still", "u") as client:
        did["u"]["joins"] += 1
        typist = Typist(client, did["u"])
        await typist.insert("before")

        async def first() -> bool:
            return (await sums(connection)).get("u", Counter())["inserted"] == 6

        await eventually(first)
        proxy.stall()
        for number in range(VISITORS):
            mine = did.setdefault(f"u{number}", Counter())
            async with reader(victim, "still", f"u{number}") as other:
                mine["joins"] += 1
                await Typist(other, mine).insert(f"({number})")
            mine["leaves"] += 1
            assert await victim.metric("lyceum_activity_waiting") <= 20
        await typist.insert("after")
        await eventually(lambda: victim.logs("activity shed"))
        proxy.resume()
    did["u"]["leaves"] += 1

    async def saved() -> bool:
        stored = await documents.load(connection, "still")  # type: ignore[arg-type]
        doc: Doc[Any] = Doc()
        for part in stored.parts:
            doc.apply_update(part)
        text = str(doc.get("content", type=Text))
        wanted = ["before", "after", *(f"({number})" for number in range(VISITORS))]
        return sum(map(len, wanted)) == len(text) and all(part in text for part in wanted)

    await eventually(saved, 30)
    _, metrics = await victim.get("/metrics")
    assert await victim.stop() == 0
    total = sum((counted for counted in did.values()), Counter[str]())
    kept = sum((await sums(connection)).values(), Counter[str]())
    shed = Counter[str]()
    for line in metrics.splitlines():
        if line.startswith("lyceum_activity_shed_total{"):
            kind, _, value = line.partition('kind="')[2].partition('"} ')
            shed[kind] += int(float(value))
    assert shed["join"] > 0
    assert kept["joins"] + shed["join"] == total["joins"]
    assert kept["leaves"] + shed["leave"] == total["leaves"]
    assert kept["updates"] + shed["edit"] == total["updates"]


async def test_a_server_killed_again_and_again(victim: Victim, connection: Connection) -> None:
    """What was saved stays, what was not is gone, and nothing comes a second time."""
    victim.settings |= {"LYCEUM_AUTH_SECRET": SECRET, "LYCEUM_ACTIVITY_SECONDS": "0.2"}
    acknowledged = missing = 0
    rng = random.Random(5)

    async def edit(api: Api) -> None:
        nonlocal acknowledged
        update = {"patches": [{"at": 0, "insert": "x"}]}
        answer = await api("PATCH", "/sessions/killed/document/text", update)
        assert answer.status == 200, answer
        acknowledged += 1

    for _ in range(2):
        await victim.start()
        ann = Api(victim, {"*": Role.TEACHER})
        if not acknowledged:
            assert (await ann("POST", "/sessions", {"name": "killed"})).status == 201
        for _ in range(5):
            await edit(ann)
        known = acknowledged - missing
        await eventually(lambda known=known: has_inserted(connection, known))  # type: ignore[misc]
        for _ in range(rng.randint(1, 6)):
            await edit(ann)
        await victim.kill()
        stored = await inserted(connection)
        assert known <= stored <= acknowledged - missing
        missing = acknowledged - stored
    await victim.start()
    await edit(Api(victim, {"*": Role.EDITOR}))
    wanted = acknowledged - missing
    await eventually(lambda: has_inserted(connection, wanted))
    assert await victim.stop() == 0
    assert await inserted(connection) == wanted


async def inserted(connection: Connection) -> int:
    """Characters that rows say were inserted."""
    found: int = await connection.fetchval(
        "select coalesce(sum(inserted), 0) from session_activity"
    )
    return found


async def has_inserted(connection: Connection, count: int) -> bool:
    """Whether that many."""
    return await inserted(connection) == count
