"""The audit log names who changed something over the API."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio

from server.domain.roles import Role
from server.persistence.embedded import EmbeddedPostgres
from server.persistence.types import Connection
from tests.support.api import Api
from tests.support.server import LyceumServer


@pytest_asyncio.fixture
async def connection(server: LyceumServer) -> AsyncIterator[Connection]:
    """A connection to the server's own database."""
    url = EmbeddedPostgres.running_url(server.folder / "data")
    assert url is not None
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def actors(connection: Connection, table: str) -> list[tuple[str, int | None]]:
    """What was logged of a table, in order, and by whom."""
    rows = await connection.fetch(
        "select action, actor from audit_log where table_name = $1 order by id", table
    )
    return [(row["action"], row["actor"]) for row in rows]


async def test_revocations_and_requests_are_named(
    server: LyceumServer, connection: Connection
) -> None:
    """Who revoked a token, and by which request: its own id if it has a good one, else a new one.

    The answer tells it.
    """
    api = Api(server, {"*": Role.TEACHER}, "revoking")
    person = await connection.fetchval(
        "insert into users (subject, username) values ('revoking', 'revoking') returning id"
    )
    given = ("from/a-proxy:1", "two words", "x" * 129, "")
    told = []
    for number, name in enumerate(given):
        answer = await api(
            "POST", "/revocations", {"token": f"stolen-{number}"}, **{"X-Request-ID": name}
        )
        assert answer.status == 200, answer
        told.append(answer.headers["X-Request-ID"])
    assert told[0] == given[0]
    assert len({*told, *given}) == 7
    logged = await connection.fetch(
        "select actor, request_id from audit_log where table_name = 'revocations' order by id desc"
        " limit $1",
        len(given),
    )
    assert [tuple(row) for row in logged] == [(person, name) for name in reversed(told)]


async def test_who_changed_it_is_logged(server: LyceumServer, connection: Connection) -> None:
    """Sessions, roles in them and webhooks name the person, if it is one of users; else nobody."""
    known, unknown = Api(server, {"*": Role.TEACHER}, "audited"), Api(server, {"*": Role.TEACHER})
    person = await connection.fetchval(
        "insert into users (subject, username) values ('audited', 'audited') returning id"
    )
    before = {
        table: len(await actors(connection, table))
        for table in ("collaboration_sessions", "session_participants", "webhooks")
    }
    for number, api in enumerate((known, unknown)):
        name = f"audited {number}"
        await api.make(name)
        path = f"/sessions/{name.replace(' ', '%20')}"
        assert (await api("PATCH", path, {"title": "changed"})).status == 200
        answer = await api("PUT", f"{path}/participants/bob", {"role": "viewer"})
        assert answer.status in (200, 204), answer
        assert (await api("DELETE", path)).status == 204
    hook = await known("POST", "/webhooks", {"url": "https://93.184.216.34/", "sessions": "*"})
    assert hook.status == 201, hook
    assert (await known("DELETE", f"/webhooks/{hook.body['webhook']['id']}")).status == 204
    logged = {table: (await actors(connection, table))[count:] for table, count in before.items()}
    sessions = logged["collaboration_sessions"]
    assert {actor for _, actor in sessions} == {person, None}
    assert [action for action, actor in sessions if actor == person] == [
        action for action, actor in sessions if actor is None
    ]
    assert {"INSERT", "UPDATE", "DELETE"} == {action for action, _ in sessions}
    assert ("INSERT", person) in logged["session_participants"]
    assert logged["webhooks"] == [("INSERT", person), ("DELETE", person)]
