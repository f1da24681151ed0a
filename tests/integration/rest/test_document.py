"""The document over REST: an edit is everybody's at once, and nobody's is lost for it."""

import asyncio
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from tests.clients.driver import Driver
from tests.support.api import Answer, Api
from tests.support.server import LyceumServer

OCTETS = "application/octet-stream"


def typed(text: str, field: str = "content") -> bytes:
    """An update that writes a text."""
    doc: Doc[Any] = Doc()
    doc[field] = Text(text)
    return doc.get_update()


def held(update: bytes, field: str = "content") -> str:
    """The text that an update makes."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    return str(doc.get(field, type=Text))


async def apply(api: Api, name: str, update: bytes) -> Answer:
    """Apply an update."""
    path = f"/sessions/{name}/document/updates"
    return await api.send("POST", path, update, content_type=OCTETS)


async def test_live_editors_see_it(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """Text put, patched, or brought as an update, with clients of both dialects typing along."""
    await teacher.make("live", starting_code="one\ntwo\nthree\n")
    clients = [await driver.join(kind, server.ws, "live", token=teacher.token) for kind in KINDS]
    path = "/sessions/live/document/text"
    await clients[0].insert("zero\n", 0)
    await clients[0].wait_settled()
    put = await teacher("PUT", path, {"text": "zero\none\n2\nthree\n"})
    assert put.status == 200
    for client in clients:
        await client.wait_text(equals="zero\none\n2\nthree\n")
    patches = [{"at": 9, "delete": 1, "insert": "👍"}, {"at": 0, "insert": "> "}]
    assert (await teacher("PATCH", path, {"patches": patches})).status == 200
    await clients[1].insert("!", 2)
    for client in clients:
        await client.wait_text(equals="> !zero\none\n👍\nthree\n")
    assert (await apply(teacher, "live", typed("notes", "notes"))).status == 200
    for client in clients:
        await client.wait_text(equals="notes", type="notes")
    await driver.wait_converged(*clients)
    assert (await teacher("GET", "/sessions/live/document?field=notes")).body == b"notes"


KINDS = ("hp4", "yws")


async def test_it_changes_only_what_differs(
    server: LyceumServer, teacher: Api, driver: Driver
) -> None:
    """What somebody types at the same time stays, in its place."""
    await teacher.make("kept", starting_code="alpha\nbeta\ngamma\n")
    client = await driver.join("hp4", server.ws, "kept", token=teacher.token)
    await client.disconnect()
    await client.insert("BETA ", 6)
    put = await teacher("PUT", "/sessions/kept/document/text", {"text": "alpha\nbeta\ndelta\n"})
    assert put.status == 200
    await client.connect()
    await client.wait_text(equals="alpha\nBETA beta\ndelta\n")


async def test_forms(teacher: Api) -> None:
    """Text, update, what somebody lacks, and a state vector: all of one document."""
    await teacher.make("forms", starting_code="Grüße 👩‍🏫")
    path = "/sessions/forms/document"
    text = await teacher("GET", path)
    assert (text.status, text.body.decode()) == (200, "Grüße 👩‍🏫")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    update = await teacher("GET", f"{path}?format=update")
    assert (held(update.body), update.headers["Content-Type"]) == ("Grüße 👩‍🏫", OCTETS)
    vector = (await teacher("GET", f"{path}?format=state-vector")).body
    doc: Doc[Any] = Doc()
    doc.apply_update(update.body)
    assert vector == doc.get_state()
    known = urlsafe_b64encode(vector).decode().rstrip("=")
    assert (await teacher("PUT", f"{path}/text", {"text": "Grüße"})).status == 200
    lacks = await teacher("GET", f"{path}?format=update&state_vector={known}")
    assert len(lacks.body) < len(update.body)
    doc.apply_update(lacks.body)
    assert str(doc.get("content", type=Text)) == "Grüße"
    assert (await teacher("GET", f"{path}?field=nothing")).body == b""


async def test_of_two_writers_one_is_told(teacher: Api) -> None:
    """Of several who read the same and write with If-Match, one gets through."""
    await teacher.make("raced")
    path = "/sessions/raced/document"
    etag = (await teacher("GET", path)).headers["ETag"]
    assert (await teacher("GET", f"{path}?format=update")).headers["ETag"] == etag
    answers = await asyncio.gather(
        *(teacher("PUT", f"{path}/text", {"text": f"by {who}"}, if_match=etag) for who in range(5))
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 4
    won = next(number for number, answer in enumerate(answers) if answer.status == 200)
    assert answers[won - 1].problem == (412, "Version mismatch")
    read = await teacher("GET", path)
    assert (read.body, read.headers["ETag"]) == (f"by {won}".encode(), answers[won].body["etag"])
    body = {"patches": [{"at": 0, "insert": "not "}]}
    again = await teacher("PATCH", f"{path}/text", body, if_match=read.headers["ETag"])
    assert again.status == 200
    stale = await teacher("PATCH", f"{path}/text", body, if_match=read.headers["ETag"])
    assert stale.status == 412


@pytest.mark.parametrize(
    ("patches", "why"),
    [
        ([{"at": 4, "insert": "x"}], "has 3"),
        ([{"at": 0, "delete": 4}], "has 3"),
        ([{"at": 2, "insert": "x"}], "surrogate"),
        ([{"at": 0, "delete": 1}, {"at": 0, "delete": 1}], "overlap"),
        ([], "patches"),
        ([{"at": -1}], "at"),
        ([{"at": 2**31}], "at"),
    ],
)
async def test_patches_that_do_not_fit(teacher: Api, patches: list[Any], why: str) -> None:
    """Change nothing."""
    await teacher("POST", "/sessions", {"name": "misfit", "starting_code": "a👍"})
    path = "/sessions/misfit/document"
    answer = await teacher("PATCH", f"{path}/text", {"patches": patches})
    assert answer.status == 400
    assert why in answer.body["detail"]
    assert (await teacher("GET", path)).body.decode() == "a👍"


async def test_updates_that_are_none(teacher: Api) -> None:
    """Are refused and change nothing; one that was applied before is simply there."""
    await teacher.make("updates", starting_code="safe")
    for update in (b"", b"\0", b"\xff" * 100, b"hello", typed("x")[:-1]):
        answer = await apply(teacher, "updates", update)
        assert answer.problem == (400, "Bad request"), update
    update = typed("more", "more")
    first = await apply(teacher, "updates", update)
    assert first.status == 200
    assert (await apply(teacher, "updates", update)).body == first.body
    assert (await teacher("GET", "/sessions/updates/document")).body == b"safe"


async def test_fields_of_other_kinds(teacher: Api) -> None:
    """A field that holds no text is not made one."""
    await teacher.make("kinds")
    doc: Doc[Any] = Doc()
    doc["content"] = Map({"a": 1})
    assert (await apply(teacher, "kinds", doc.get_update())).status == 200
    assert (await teacher("GET", "/sessions/kinds/document")).status == 200
    await teacher("PUT", "/sessions/kinds/document/text", {"text": "x"})
    update = (await teacher("GET", "/sessions/kinds/document?format=update")).body
    read: Doc[Any] = Doc()
    read.apply_update(update)
    assert read.get("content", type=Map).to_py() == {"a": 1}


async def test_documents_have_a_largest_size(teacher: Api) -> None:
    """Past it only what deletes is taken, and there is room again."""
    await teacher.make("full", starting_code="x" * 25_000)
    path = "/sessions/full/document/text"
    answer = await teacher("PATCH", path, {"patches": [{"at": 0, "insert": "y" * 10_000}]})
    assert answer.problem == (413, "Document full")
    assert (await apply(teacher, "full", typed("y" * 10_000))).problem == (413, "Document full")
    assert (await teacher("PUT", path, {"text": ""})).status == 200
    assert (await teacher("PUT", path, {"text": "y" * 10_000})).status == 200


async def test_reading_loads_once(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """However many read and join at the same time, the database is read once."""
    await teacher.make("loaded", starting_code="once")
    before = await server.metric("lyceum_sessions_opened_total")
    readings = (
        teacher("GET", f"/sessions/loaded/document?format={form}")
        for form in ("text", "update", "state-vector") * 5
    )
    joining = (driver.join(kind, server.ws, "loaded", token=teacher.token) for kind in KINDS)
    answers, _ = await asyncio.gather(asyncio.gather(*readings), asyncio.gather(*joining))
    assert {answer.status for answer in answers} == {200}
    assert (await teacher("PUT", "/sessions/loaded/document/text", {"text": "x"})).status == 200
    assert await server.metric("lyceum_sessions_opened_total") == before + 1


async def test_starting_code_comes_once(server: LyceumServer, teacher: Api, driver: Driver) -> None:
    """However many join and read in the moment in which it is created."""
    code = "contract Counter {}\n"
    for round in range(2):
        name = f"seeded-{round}"

        async def read(name: str = name) -> set[str]:
            path = f"/sessions/{name}/document"
            answers = await asyncio.gather(*(teacher("GET", path) for _ in range(5)))
            return {answer.body.decode() for answer in answers if answer.status == 200}

        kinds = KINDS * 25
        creating = teacher("POST", "/sessions", {"name": name, "starting_code": code})
        opening = (driver.open(kind, server.ws, name, token=teacher.token) for kind in kinds)
        if round == 0:  # all come once it is there; else before, and it may be theirs
            assert (await creating).status == 201
            clients, seen = await asyncio.gather(asyncio.gather(*opening), read())
            assert seen == {code}
        else:
            made, clients, seen = await asyncio.gather(creating, asyncio.gather(*opening), read())
            assert made.status in (201, 409)
            code = code if made.status == 201 else ""
            assert seen <= {code, ""}
        for client in clients:
            await client.wait_synced()
            await client.wait_text(equals=code)
        await driver.wait_converged(*clients)
        assert (await teacher("GET", f"/sessions/{name}/document")).body.decode() == code
        await asyncio.gather(*(client.destroy() for client in clients))
