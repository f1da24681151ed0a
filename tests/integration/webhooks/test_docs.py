"""docs/webhooks.md against what is really sent: its examples, and its ways to check signatures."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from server.webhooks.schedule import PAUSES
from tests.clients.driver import Driver
from tests.integration.webhooks.api import Api
from tests.support.receiver import Got, Receiver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

DOCS = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
RUN = """
const cases = JSON.parse(await new Response(process.stdin).text())
const check = ([secret, headers, body]) => isFromLyceum(secret, headers, Buffer.from(body))
console.log(JSON.stringify(cases.map(check)))
"""
SECONDS = {"s": 1, "min": 60, "h": 3600}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


def shape(value: Any) -> Any:
    """A value's fields, without what is in them; of a list those of the first."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else ""


async def test_the_examples(
    server: LyceumServer, teacher: Api, receiver: Receiver, driver: Driver
) -> None:
    """Each kind of event has exactly the fields that are shown, and so has a delivery."""
    *shown, listed = (json.loads(block) for block in blocks("json"))
    hook = await teacher.hook(receiver.url, "shown")
    ann = await driver.join("hp4", server.ws, "shown", token=teacher.token)
    await ann.insert("a")
    said = {"body": "Look, @bob", "mentions": ["bob"]}
    assert (await teacher("POST", "/sessions/shown/chat", said)).status == 201
    await teacher("POST", f"/webhooks/{hook['id']}/test")
    await ann.destroy()
    await eventually(lambda: len({got.event["type"] for got in receiver.got}) == len(shown))
    sent = {got.event["type"]: got.event for got in receiver.got}
    for example in shown:
        assert shape(example) == shape(sent[example["type"]])
    tested = await teacher.deliveries(hook)
    entry = next(item for item in tested if item["event"] == "webhook.test")
    assert shape(listed["items"][0]) == shape(entry)


def cases(got: Got, secret: str) -> list[tuple[str, dict[str, str], str]]:
    """A request as it came, and what must not pass for one: another key, body, time, or none."""
    headers = {name.lower(): value for name, value in got.headers.items()}
    body = got.body.decode()
    later = str(int(headers["webhook-timestamp"]) + 1)
    return [
        (secret, headers, body),
        (secret, headers | {"webhook-signature": "v1,AAAA " + headers["webhook-signature"]}, body),
        ("whsec_c2VjcmV0", headers, body),
        (secret, headers, body + " "),
        (secret, headers | {"webhook-id": "1"}, body),
        (secret, headers | {"webhook-timestamp": later}, body),
        (secret, headers | {"webhook-signature": "v1,"}, body),
        (secret, headers | {"webhook-signature": "v1,ä"}, body),
    ]


EXPECTED = [True, True, False, False, False, False, False, False]


async def test_the_ways_to_check_a_signature(teacher: Api, receiver: Receiver) -> None:
    """Both say yes to what is ours and no to everything else."""
    hook = await teacher.hook(receiver.url, "checked")
    await teacher("POST", f"/webhooks/{hook['id']}/test")
    await eventually(lambda: receiver.got)
    tried = cases(receiver.got[0], hook["secret"])

    (source,) = blocks("python")
    names: dict[str, Any] = {}
    exec(source, names)
    check = names["is_from_lyceum"]
    assert [check(secret, headers, body.encode()) for secret, headers, body in tried] == EXPECTED
    names["time"] = type("Later", (), {"time": staticmethod(lambda: 2e9)})
    assert not check(tried[0][0], tried[0][1], tried[0][2].encode())

    (source,) = blocks("js")
    node = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-e", source + RUN, stdin=-1, stdout=-1
    )
    output, _ = await node.communicate(json.dumps(tried).encode())
    assert json.loads(output) == EXPECTED


def test_the_table_of_pauses() -> None:
    """It says what the schedule says."""
    (row,) = re.findall(r"\| after the one before \| at once \|(.*)\|", DOCS)
    pauses = [cell.split() for cell in row.split("|")]
    assert tuple(int(number) * SECONDS[unit] for number, unit in pauses) == PAUSES
