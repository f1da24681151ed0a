"""Rich text over REST is what y-prosemirror's editors make and see, and every form can be read."""

import asyncio
import random
from typing import Any

import pytest

from server.domain.roles import Role
from tests.clients.client import Client
from tests.clients.driver import Driver
from tests.integration.clients.accounts import token
from tests.integration.clients.kinds import KINDS, one_of_each
from tests.integration.clients.test_types import edit_everything
from tests.support.api import Api
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

Json = dict[str, Any]

SCHEMAS = ("prosemirror", "tiptap")
NAMES: dict[str, dict[str, str]] = {
    "prosemirror": {},
    "tiptap": {
        "bullet_list": "bulletList",
        "ordered_list": "orderedList",
        "list_item": "listItem",
        "code_block": "codeBlock",
        "hard_break": "hardBreak",
        "horizontal_rule": "horizontalRule",
        "strong": "bold",
        "em": "italic",
    },
}
MARKDOWN = """\
# Lesson _one_

Read **this** [page](https://example.com), then run `make test`.\\
That is ~~not~~ all.

> Quoted

- a
- b

```py
print("x")
```

***
"""


class Writer:
    """Makes documents of one schema, the same for the same seed."""

    def __init__(self, schema: str, seed: int) -> None:
        self._names = NAMES[schema]
        self._dice = random.Random(f"{schema} {seed}")

    def document(self) -> Json:
        """A document."""
        return {"type": "doc", "content": self._blocks(2)}

    def _blocks(self, depth: int) -> list[Json]:
        return [self._block(depth) for _ in range(self._dice.randrange(1, 4))]

    def _block(self, depth: int) -> Json:
        kinds = ["paragraph", "paragraph", "heading", "code_block", "horizontal_rule"]
        if depth:
            kinds += ["blockquote", "bullet_list"]
        kind = self._dice.choice(kinds)
        block: Json = {"type": self._names.get(kind, kind)}
        if kind == "blockquote":
            block["content"] = self._blocks(depth - 1)
        elif kind == "bullet_list":
            first = {"type": "paragraph", "content": self._inline()}
            item = self._names.get("list_item", "list_item")
            block["content"] = [{"type": item, "content": [first, *self._blocks(depth - 1)]}]
        elif kind == "code_block":
            block["attrs"] = {"language": self._dice.choice([None, "sol"])}
            block["content"] = [{"type": "text", "text": self._words()}]
        elif kind != "horizontal_rule":
            block["content"] = self._inline()
        if kind == "heading":
            block["attrs"] = {"level": self._dice.randrange(1, 4)}
        return block

    def _inline(self) -> list[Json]:
        found: list[Json] = []
        for _ in range(self._dice.randrange(1, 4)):
            found.append({"type": "text", "text": self._words(), "marks": self._marks()})
            if self._dice.random() < 0.2:
                found.append({"type": self._names.get("hard_break", "hard_break")})
        return found

    def _marks(self) -> list[Json]:
        names = self._dice.sample(["strong", "em", "strike", "link", "comment"], 2)
        marks: list[Json] = []
        for name in names[: self._dice.randrange(3)]:
            if name == "link":
                marks.append({"type": name, "attrs": {"href": self._dice.choice("uv")}})
            elif name == "comment":
                marks += [{"type": name, "attrs": {"id": id}} for id in (1, 2)]
            else:
                marks.append({"type": self._names.get(name, name)})
        return marks

    def _words(self) -> str:
        return "".join(
            self._dice.choices(["a", "bc ", "é", "😀", "*"], k=self._dice.randrange(1, 6))
        )


async def read(api: Api, session: str, form: str, field: str | None = None) -> Any:
    """A document in a form."""
    query = f"?format={form}" + (f"&field={field}" if field else "")
    answer = await api("GET", f"/sessions/{session}/document{query}")
    assert answer.status == 200, answer
    return answer.body if isinstance(answer.body, dict | list | None) else answer.body.decode()


async def put(api: Api, session: str, form: str, body: Any, query: str = "", **headers: str) -> Any:
    """Replace a document; gives the answer."""
    return await api("PUT", f"/sessions/{session}/document/{form}{query}", body, **headers)


def multiset(node: Json) -> Any:
    """A node whose marks have no order: formats that begin at one place have none."""
    if not isinstance(node, dict):
        return node
    made = {**node, "content": [multiset(inner) for inner in node.get("content", [])]}
    if "marks" in node:
        made["marks"] = sorted(node["marks"], key=repr)
    return made


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_exports_are_what_y_prosemirror_gives(
    server: LyceumServer, driver: Driver, schema: str
) -> None:
    """Of documents that its binding wrote and changed: marks, attributes, nesting, breaks."""
    session = f"exported-{schema}"
    api = Api(server, None)
    client = await driver.join("hp4", server.ws, session)
    for seed in range(8):
        await client.prosemirror_write(schema, Writer(schema, seed).document(), type="rich")
        await client.wait_settled()
        expected = (await client.prosemirror(schema, "rich"))["raw"]
        found = await read(api, session, "prosemirror")
        assert found == expected
        assert await read(api, session, "json") == {"rich": expected["content"]}


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_imports_are_seen_as_they_were_put(
    server: LyceumServer, driver: Driver, schema: str
) -> None:
    """By an editor that is there, after each of several; and it can go on from there."""
    session = f"imported-{schema}"
    api = Api(server, None)
    client = await driver.join("hp4", server.ws, session)
    for seed in range(8):
        wanted = Writer(schema, 100 + seed).document()
        normal = await driver.call("prosemirror_normal", schema=schema, json=wanted)
        answer = await put(api, session, "prosemirror", wanted, "?field=rich")
        assert answer.status == 200, answer

        async def seen(normal: Json = normal) -> bool:
            return bool((await client.prosemirror(schema, "rich"))["seen"] == normal)

        await eventually(seen, what=f"the editor shows {normal}")
        again = await put(api, session, "prosemirror", wanted, "?field=rich")
        assert again.body == answer.body, "nothing was left to change"
    await client.prosemirror_write(schema, Writer(schema, 1).document(), type="rich")
    await client.wait_settled()
    expected = (await client.prosemirror(schema, "rich"))["raw"]
    assert multiset(await read(api, session, "prosemirror")) == multiset(expected)


async def paragraphs_of(client: Client) -> list[str]:
    """The texts of an editor's blocks."""
    seen = (await client.prosemirror("tiptap", "default"))["seen"]
    return ["".join(part["text"] for part in block.get("content", [])) for block in seen["content"]]


def prose(*texts: str) -> Json:
    """A document of paragraphs."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]} for text in texts]
    return {"type": "doc", "content": content}


async def test_what_others_write_meanwhile_stays(server: LyceumServer, driver: Driver) -> None:
    """Somebody who is offline while the document is replaced loses nothing in what stays."""
    api = Api(server, None)
    client = await driver.join("hp4", server.ws, "kept")
    assert (await put(api, "kept", "prosemirror", prose("one", "two", "three"))).status == 200
    await eventually(lambda: paragraphs_of(client), what="the document arrives")
    await client.disconnect()
    await client.prosemirror_write("tiptap", prose("one!", "two", "three?"), type="default")
    answer = await put(api, "kept", "prosemirror", prose("one", "2", "new", "three"))
    assert answer.status == 200
    await client.connect()

    async def merged() -> bool:
        return await paragraphs_of(client) == ["one!", "2", "new", "three?"]

    await eventually(merged, what="both edits are there")


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_markdown_there_and_back(server: LyceumServer, driver: Driver, schema: str) -> None:
    """Into rich text under the names of either schema, seen by its editor, and out again."""
    session = f"markdown-{schema}"
    api = Api(server, None)
    client = await driver.join("hp4", server.ws, session)
    query = f"?field=rich&names={schema}"
    answer = await put(api, session, "markdown", {"markdown": MARKDOWN}, query)
    assert answer.status == 200, answer
    await eventually(lambda: read(api, session, "prosemirror"), what="saved")

    async def seen() -> Any:
        return len((await client.prosemirror(schema, "rich"))["seen"].get("content", [])) == 6

    await eventually(seen, what="all blocks, valid in the editor's schema")
    assert await read(api, session, "markdown") == MARKDOWN
    assert (await read(api, session, "text")).startswith("Lesson one\nRead this page, then run")


async def test_json_of_everything(server: LyceumServer, driver: Driver) -> None:
    """All root types by their kinds, as the clients' own toJSON has them."""
    api = Api(server, None)
    clients = await one_of_each(driver, server.ws, "all-json")
    await asyncio.gather(*(edit_everything(client) for client in clients))
    await driver.wait_converged(*clients)
    found = await read(api, "all-json", "json")
    assert found["content"] == await clients[0].text() == await read(api, "all-json", "text")
    assert found["map"] == await clients[0].json("map")
    assert found["array"] == await clients[0].json("array")
    rich = "".join(part["insert"] for part in await clients[0].json("delta", "rich"))
    assert found["rich"] == rich == await read(api, "all-json", "text", "rich")
    assert sorted(node["attrs"]["class"] for node in found["xml"]) == sorted(KINDS)
    guids = sorted(entry["$document"] for entry in found["subdocs"].values())
    assert guids == await clients[0].json("subdocs")
    assert await read(api, "all-json", "json", "map") == found["map"]
    assert await read(api, "all-json", "markdown", "content") == found["content"]
    assert await read(api, "all-json", "json", "nothing") is None


async def test_refusals(guarded: LyceumServer) -> None:
    """Roles, versions, kinds and shapes: nothing is changed, and it is said why."""
    api, viewer = Api(guarded, None), Api(guarded, None)
    api.token, viewer.token = (token("refusals", role) for role in (Role.TEACHER, Role.VIEWER))
    await api.make("refusals", starting_code="code", type="prose")
    path = "/sessions/refusals/document"
    for form, body in (("prosemirror", prose("x")), ("markdown", {"markdown": "x"})):
        assert (await put(viewer, "refusals", form, body)).status == 403
        stale = await put(api, "refusals", form, body, if_match='"stale"')
        assert stale.status == 412
    conflict = await put(api, "refusals", "prosemirror", prose("x"), "?field=content")
    assert conflict.problem == (409, "Conflict")
    assert "it is a Text" in conflict.body["detail"]
    wrong = await put(
        api, "refusals", "prosemirror", {"type": "doc", "content": [{"type": "text"}]}
    )
    assert wrong.problem[0] == 400
    assert "content[0]" in wrong.body["detail"]
    assert (await put(api, "refusals", "prosemirror", {"type": "page"})).status == 400
    deep: Json = {"type": "p"}
    for _ in range(120):
        deep = {"type": "p", "content": [deep]}
    nested = await put(api, "refusals", "prosemirror", {"type": "doc", "content": [deep]})
    assert nested.status == 400
    assert (await api("GET", f"{path}?format=prosemirror&field=content")).status == 409
    assert (await api("GET", f"{path}?format=docx")).status == 400
    assert await read(viewer, "refusals", "json") == {"content": "code"}


async def test_a_version_that_is_still_the_same_passes(guarded: LyceumServer) -> None:
    """The ETag of what was read, and the one that an edit gives."""
    api = Api(guarded, None)
    api.token = token("versions", Role.TEACHER)
    await api.make("versions")
    before = await api("GET", "/sessions/versions/document?format=prosemirror")
    tag = before.headers["etag"]
    assert before.body == {"type": "doc", "content": []}
    first = await put(api, "versions", "prosemirror", prose("a"), if_match=tag)
    assert first.status == 200
    after = await put(api, "versions", "markdown", {"markdown": "b"}, if_match=first.body["etag"])
    assert after.status == 200
    assert (await put(api, "versions", "prosemirror", prose("c"), if_match=tag)).status == 412
    assert await read(api, "versions", "markdown") == "b\n"
