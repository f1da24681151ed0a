"""Chat when processes die: what was acknowledged is stored, each message once, lists are equal."""

import asyncio
import random

import asyncpg
import pytest

from tests.chaos.typists import open_client
from tests.chaos.victims import Victim
from tests.clients.driver import Driver
from tests.integration.clients.chatting import Chatter, all_equal
from tests.integration.clients.kinds import HOCUSPOCUS
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

STORED = "select seq, client_message_id, body from chat_messages order by seq"
MESSAGES = 6


async def saying(chatter: Chatter, number: int, said: dict[str, str]) -> None:
    """Say so much, one message behind the other, however often the server dies."""
    for count in range(MESSAGES):
        name = f"{number}-{count}"
        said[name] = f"message {name}"
        await chatter.say(name, said[name])
        await chatter.settle()


async def check(database_url: str, chatters: list[Chatter], said: dict[str, str]) -> None:
    """Everybody shows what the table has: all that was said, once."""
    for chatter in chatters:
        await chatter.catch_up()
        assert chatter.refused == []
    shown = await all_equal(*chatters)
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(STORED)
    await connection.close()
    assert [row["seq"] for row in rows] == list(range(1, len(said) + 1))
    assert {row["client_message_id"]: row["body"] for row in rows} == said
    assert [message["client_message_id"] for message in shown] == [
        row["client_message_id"] for row in rows
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_a_server_killed_between_send_and_acknowledgement(
    victim: Victim, driver: Driver, database_url: str, seed: int
) -> None:
    """People send again what they know no better of, under the same names."""
    rng = random.Random(seed)
    victim.settings["LYCEUM_LIMIT_CHAT_MESSAGES_PER_SECOND"] = "0"
    await victim.start()
    chatters = [Chatter(await open_client(driver, kind, victim.ws, "chat")) for kind in HOCUSPOCUS]
    said: dict[str, str] = {}
    talking = asyncio.gather(
        *(saying(chatter, number, said) for number, chatter in enumerate(chatters))
    )
    for _ in range(2):
        target = len(said) + rng.randint(1, 4)
        await eventually(lambda target=target: len(said) >= target or talking.done())
        await victim.kill()
        await victim.start()
    await talking
    await check(database_url, chatters, said)


async def test_a_commit_whose_answer_is_lost(
    victim: Victim, driver: Driver, database_url: str, proxy: Proxy
) -> None:
    """The server does not know whether it was saved, sends it again, and it is there once."""
    victim.settings["LYCEUM_ACTIVITY_SECONDS"] = "3600"
    await victim.start()
    ann, bob = [Chatter(await open_client(driver, "hp4", victim.ws, "chat")) for _ in range(2)]
    await ann.say("0", "before")
    await ann.settle()
    trap = proxy.lose_answer(b"COMMIT;")  # nothing else runs in a transaction now
    await ann.say("1", "in doubt")
    await trap.sprung()
    await bob.say("2", "behind it")
    await ann.settle()
    await bob.settle()
    said = {"0": "before", "1": "in doubt", "2": "behind it"}
    await check(database_url, [ann, bob], said)
    for chatter in (ann, bob):
        assert sorted(chatter.broadcasts) == [(1, 1), (2, 2), (3, 3)]
