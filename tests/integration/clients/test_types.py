"""Every shared type of Yjs, edited by all kinds of clients at once."""

import asyncio

from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.clients.kinds import KINDS, fresh_digests, one_of_each
from tests.support.server import LyceumServer


async def edit_everything(client: Client) -> None:
    """Some of every type, none of it in anybody's way."""
    mine = client.kind
    await client.insert(f"{mine} schrieb 👋 例 ", 0)
    await client.insert("fett", 0, type="rich", attributes={"bold": True, "font": mine})
    await client.format(1, 2, {"bold": None, "link": {"href": "https://例.example/"}}, type="rich")
    await client.map_set(mine, {"nested": [1, 2.5, None, True, "ü", {"deep": [[]]}]})
    await client.map_set("shared", mine)
    await client.map_set(f"{mine} gone", 1)
    await client.map_delete(f"{mine} gone")
    await client.array_push(mine, -1, 2**40, "🎓", None)
    await client.array_push(f"{mine} gone")
    await client.xml_insert("paragraph", f"Grüße von {mine}", attributes={"class": mine}, index=0)
    await client.subdoc_insert(mine, f"subdocument-{mine}")
    await client.batch(
        {"edit": "insert", "text": "one update ", "index": 0},
        {"edit": "map_set", "key": f"{mine} batch", "value": 1},
        {"edit": "array_push", "values": [[mine]]},
    )


async def test_all_types_converge(server: LyceumServer, driver: Driver) -> None:
    """Text, formatting, Map, Array, XmlFragment and subdocuments end equal, also for newcomers."""
    clients = await one_of_each(driver, server.ws, "all types")
    await asyncio.gather(*(edit_everything(client) for client in clients))
    digest = await driver.wait_converged(*clients)
    assert await fresh_digests(driver, server.ws, "all types") == {digest}

    newcomers = await one_of_each(driver, server.ws, "all types")
    for client in [*clients, *newcomers]:
        text, mapping, array = (
            await client.text(),
            await client.json("map"),
            await client.json("array"),
        )
        assert all(f"{kind} schrieb 👋 例 " in text for kind in KINDS)
        assert mapping["shared"] in KINDS
        assert all(
            mapping[kind] == {"nested": [1, 2.5, None, True, "ü", {"deep": [[]]}]} for kind in KINDS
        )
        assert len(mapping) == 1 + 2 * len(KINDS)
        assert all(kind in array and [kind] in array for kind in KINDS)
        assert array.count("🎓") == array.count(2**40) == len(KINDS)
        xml = await client.json("xml")
        assert all(
            f'<paragraph class="{kind}">Grüße von {kind}</paragraph>' in xml for kind in KINDS
        )
        assert await client.json("subdocs") == sorted(f"subdocument-{kind}" for kind in KINDS)
        fonts = {
            part["attributes"]["font"]
            for part in await client.json("delta", "rich")
            if "attributes" in part
        }
        assert fonts == set(KINDS)
        assert not await client.has_pending()


async def test_formatting_is_kept(server: LyceumServer, driver: Driver) -> None:
    """Attributes set, changed and taken back by different kinds are the same for a newcomer."""
    yws, hp2, hp3, hp4 = await one_of_each(driver, server.ws, "formatting")
    await yws.insert("print(«Grüße»)")
    await hp2.wait_text(length=14)
    await hp2.format(0, 14, {"bold": True})
    await driver.wait_converged(yws, hp2, hp3, hp4)
    await hp3.format(6, 7, {"color": "red", "bold": None})
    await driver.wait_converged(yws, hp2, hp3, hp4)
    await hp4.delete(0, 2)
    await driver.wait_converged(yws, hp2, hp3, hp4)
    expected = [
        {"insert": "int(", "attributes": {"bold": True}},
        {"insert": "«Grüße»", "attributes": {"color": "red"}},
        {"insert": ")", "attributes": {"bold": True}},
    ]
    for client in await one_of_each(driver, server.ws, "formatting"):
        assert await client.json("delta") == expected
