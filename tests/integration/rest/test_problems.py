"""Whatever fails is a problem (RFC 9457) that says what to do about it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.server import LyceumServer

NEW = json.dumps({"name": "n"}).encode()
JSON = "application/json"


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"", "Invalid"),
        (b"{", "Bad request"),
        (b"\xff", "Bad request"),
        (b'{"name": "\\ud800"}', "Bad request"),
        (b'{"name": NaN}', "Bad request"),
        (b"[" * 50_000, "Invalid"),
        (b'{"permissions": ' + b"[" * 50_000, "Invalid"),
        (b'{"name": "n", "zzz": ' + b"[" * 50_000, "Invalid"),
        (b"null", "Invalid"),
        (b"[]", "Invalid"),
    ],
)
async def test_bodies_that_are_no_json(teacher: Api, body: bytes, title: str) -> None:
    """Are refused, however they are made."""
    answer = await teacher.send("POST", "/sessions", body, content_type=JSON)
    assert answer.problem == (400, title)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"name": "n", "nmae": "m"}, "nmae"),
        ({"name": "n", "capacity": "5"}, "capacity"),
        ({"name": "n", "capacity": 0}, "capacity"),
        ({"name": "n", "capacity": 1e300}, "capacity"),
        ({"name": "n", "type": "film"}, "type"),
        ({"name": "n", "title": "a\0b"}, "title"),
        ({"name": "n", "language": "a\nb"}, "language"),
        ({"name": "n", "starting_code": "\0"}, "starting_code"),
        ({"name": "n", "expires_at": "2030-01-01"}, "expires_at"),
        ({"name": "n", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "permissions": {"everyone": "king"}}, "permissions.everyone"),
        ({"name": "n", "permissions": {"king": "none"}}, "permissions.king"),
    ],
)
async def test_the_wrong_field_is_named(teacher: Api, body: Any, field: str) -> None:
    """In a list for programs and in the sentence for people; no text is taken for a number."""
    answer = await teacher("POST", "/sessions", body)
    assert answer.problem == (400, "Invalid")
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert f"{field}: " in answer.body["detail"]
    assert (await teacher("GET", "/sessions/n")).status == 404


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_moments_beyond_the_calendar(teacher: Api, moment: str) -> None:
    """Have no place in all time zones, and are refused."""
    answer = await teacher("POST", "/sessions", {"name": "n", "expires_at": moment})
    assert answer.problem == (400, "Bad request")
    assert "expires_at" in answer.body["detail"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?status=GONE", "status"),
        ("?cursor=", "cursor"),
        ("/n/document?format=film", "format"),
        ("/n/document?field=", "field"),
        ("/n/document?state_vector=*", "state_vector"),
        ("/n/chat?since=-1", "since"),
        ("/n/chat?before=0", "before"),
        ("/n/chat?since=9007199254740993", "since"),
    ],
)
async def test_the_wrong_parameter_is_named(teacher: Api, path: str, parameter: str) -> None:
    """Whichever it is."""
    answer = await teacher("GET", f"/sessions{path}")
    assert answer.problem == (400, "Invalid")
    assert [error["field"] for error in answer.body["errors"]] == [parameter]
    assert parameter in answer.body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("POST", "", {"name": "n", "type": "film"}, "'code', 'prose'"),
        ("POST", "", {"name": "n", "permissions": {"everyone": "king"}}, "'viewer'"),
        ("GET", "?status=GONE", None, "'ARCHIVED'"),
        ("GET", "/n/document?format=film", None, "'markdown'"),
    ],
)
async def test_what_is_allowed_is_said(
    teacher: Api, method: str, path: str, body: Any, allowed: str
) -> None:
    """Whoever sends something that is not one of several words is told the words."""
    answer = await teacher(method, f"/sessions{path}", body)
    assert answer.problem == (400, "Invalid")
    assert allowed in answer.body["errors"][0]["message"].partition("allowed are ")[2]


async def test_what_contradicts_itself(teacher: Api) -> None:
    """Is refused rather than guessed."""
    answer = await teacher("GET", "/sessions/n/chat?since=1&before=2")
    assert answer.problem == (400, "Bad request")


@pytest.mark.parametrize(
    "said",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", "a/b; c="],
)
async def test_bodies_of_other_types(teacher: Api, said: str) -> None:
    """Are not taken: a page of another origin could send such ones without being asked for."""
    headers = {"content_type": said} if said else {}
    for method, path in (
        ("POST", "/sessions"),
        ("PATCH", "/sessions/n"),
        ("PUT", "/sessions/n/document/text"),
        ("PATCH", "/sessions/n/document/text"),
        ("POST", "/sessions/n/document/updates"),
        ("POST", "/sessions/n/chat"),
        ("PUT", "/sessions/n/participants/bob"),
    ):
        answer = await teacher.send(method, path, NEW, **headers)
        assert answer.problem == (415, "Unsupported media type")
    assert (await teacher("GET", "/sessions/n")).status == 404


async def test_json_with_a_charset_is_json(teacher: Api) -> None:
    """As many clients send it."""
    body = json.dumps({"name": "charset"}).encode()
    said = "Application/JSON; charset=utf-8"
    assert (await teacher.send("POST", "/sessions", body, content_type=said)).status == 201


async def test_methods(teacher: Api) -> None:
    """Those that a path does not take are refused with those it takes; OPTIONS says them too."""
    for path, allowed in (
        ("/sessions", {"GET", "HEAD", "POST"}),
        ("/sessions/n", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("/sessions/n/document", {"GET", "HEAD"}),
        ("/sessions/n/document/text", {"PUT", "PATCH"}),
        ("/sessions/n/chat/1", {"PATCH", "DELETE"}),
    ):
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"} - allowed:
            answer = await teacher(method, path)
            assert answer.problem == (405, "Method not allowed"), (method, path)
            assert set(answer.headers["Allow"].split(", ")) == {*allowed, "OPTIONS"}
        answer = await teacher("OPTIONS", path)
        assert answer.status == 204
        assert set(answer.headers["Allow"].split(", ")) == {*allowed, "OPTIONS"}


async def test_head_is_get_without_the_body(teacher: Api) -> None:
    """With the same headers."""
    await teacher.make("head")
    got, asked = [await teacher(method, "/sessions/head") for method in ("GET", "HEAD")]
    assert (asked.status, asked.body) == (200, None)
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert asked.headers[name] == got.headers[name]
    assert (await teacher("HEAD", "/sessions/nowhere")).status == 404


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/sessions/n/nothing", "/webhooks/one", "/%73essions"]
)
async def test_paths_that_are_not_there(teacher: Api, path: str) -> None:
    """Are told apart from sessions that are not there by what they say."""
    answer = await teacher("GET", path)
    assert answer.problem == (404, "Not found")
    assert "/api/docs" in answer.body["detail"]


async def pieces(count: int) -> AsyncIterator[bytes]:
    """A body whose length nobody says."""
    yield b'{"name": "n", "title": "'
    for _ in range(count):
        yield b"x" * 10_000


async def test_bodies_that_are_too_large(teacher: Api) -> None:
    """Are refused by the length that they say, or once that much has come."""
    for body in (b" " * 100_001, pieces(20)):
        answer = await teacher.send("POST", "/sessions", body, content_type=JSON)
        assert answer.problem == (413, "Request entity too large")
        assert "100000" in answer.body["detail"]
    octets = "application/octet-stream"
    path = "/sessions/n/document/updates"
    answer = await teacher.send("POST", path, b" " * 100_001, content_type=octets)
    assert answer.status == 413


async def test_nothing_is_kept_or_guessed_by_browsers(teacher: Api, server: LyceumServer) -> None:
    """Every answer says that it is for once, and that it is what it says it is."""
    await teacher.make("headers", starting_code="<script>alert(1)</script>")
    for path in ("/sessions/headers", "/sessions/headers/document", "/nothing"):
        answer = await teacher("GET", path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_nothing_of_it_was_a_fault_of_the_server(server: LyceumServer) -> None:
    """What these tests sent left no trace in the log. (It runs last in this file.)"""
    assert server.logs("request failed") == []
    assert server.logs("request does not fit the database") == []
