"""Errors as problems: what each becomes, and what nobody is told."""

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, get

from server.errors import DocumentDamaged, SessionFull, TokenExpired, TooFast
from server.http.api.problems import HANDLERS, PROBLEM_JSON, spaced, type_of

SECRET = "what is inside"


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (TooFast(retry_after=2.1), 429, "Too fast"),
        (SessionFull(), 503, "Session full"),
        (TokenExpired(), 401, "Token expired"),
        (DocumentDamaged(), 500, "Document damaged"),
        (asyncpg.DataError(SECRET), 400, "Bad request"),
        (asyncpg.UniqueViolationError(SECRET), 400, "Bad request"),
        (asyncpg.ConnectionDoesNotExistError(SECRET), 503, "Unavailable"),
        (ConnectionRefusedError(SECRET), 503, "Unavailable"),
        (TimeoutError(SECRET), 503, "Unavailable"),
        (RuntimeError(SECRET), 500, "Internal error"),
    ],
)
async def test_every_error_is_a_problem(error: Exception, status: int, title: str) -> None:
    """With its title and status; how the server is made inside stays there."""

    @get("/")
    async def fail() -> None:
        raise error

    api = Litestar([fail], exception_handlers=HANDLERS, logging_config=None, openapi_config=None)
    async with AsyncClient(transport=ASGITransport(api), base_url="http://lyceum") as client:
        answer = await client.get("/")
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert answer.json()["status"] == status
    assert SECRET not in answer.text
    waits = {429: "3", 503: "1"}.get(status)
    assert answer.headers.get("retry-after") == waits


def test_names() -> None:
    """Are titles for people, and places on a page."""
    assert spaced("VersionMismatch") == "Version mismatch"
    assert type_of("VersionMismatch") == "/api/docs#version-mismatch"
    assert type_of("Gone") == "/api/docs#gone"
