"""The live server as a login that may do what lyceum_server may, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from server.domain.roles import Role
from server.errors import DatabaseError
from server.persistence import partitions
from server.persistence.migrations import migrate_if_allowed, read_migrations
from server.persistence.partitions import ACTIVITY, AHEAD, maintain, month_after, month_of
from server.sessions.access import make_token
from tests.clients.driver import Driver
from tests.support.api import SECRET, Api
from tests.support.logins import connected, login, migrated_by_owner, name_of, owned_database
from tests.support.postgres import PostgresInstance
from tests.support.receiver import Receiver
from tests.support.server import LyceumServer
from tests.support.waiting import eventually

OLD_PARTITION = """
create table session_activity_2020_01 partition of session_activity
    for values from ('2020-01-01') to ('2020-02-01');
alter table session_activity_2020_01 owner to lyceum_owner;
"""
KINDS = "select array_agg(distinct kind order by kind) from session_activity"
OWNERS = """
select array_agg(distinct relowner::regrole::text)
from pg_class
where relnamespace = 'public'::regnamespace
"""


class Live(NamedTuple):
    """A running server, and its database as a superuser reaches it."""

    server: LyceumServer
    url: str


@pytest_asyncio.fixture
async def live(postgres: PostgresInstance, tmp_path: Path) -> AsyncIterator[Live]:
    """One that tells of everything soon."""
    url = await migrated_by_owner(postgres)
    environ = {
        "LYCEUM_DATABASE_URL": await login(url, "lyceum_server"),
        "LYCEUM_AUTH_SECRET": SECRET,
        "LYCEUM_WEBHOOKS_PRIVATE": "allow",
        "LYCEUM_WEBHOOK_CHANGED_SECONDS": "0.2",
        "LYCEUM_ACTIVITY_SECONDS": "0.1",
        "LYCEUM_LINGER_SECONDS": "0.1",
    }
    async with LyceumServer(tmp_path, environ) as server:
        yield Live(server, url)


async def test_all_that_it_does(live: Live, driver: Driver) -> None:
    """Edits, chat, roles, activity, webhooks and the upkeep of partitions, and no error."""
    server = live.server
    teacher = Api(server, {"*": Role.TEACHER}, "eve")
    async with Receiver() as receiver:
        hook = {"url": receiver.url, "sessions": "*"}
        assert (await teacher("POST", "/webhooks", hook)).status == 201
        made = {"name": "lesson", "title": "Lesson", "starting_code": "pragma solidity;"}
        assert (await teacher("POST", "/sessions", made)).status == 201
        token = make_token(SECRET, "ann", "Ann", None, 600.0)
        roles = {"role": "editor"}
        assert (await teacher("PUT", "/sessions/lesson/participants/ann", roles)).status in (
            200,
            204,
        )
        ann = await driver.join("hp4", server.ws, "lesson", token=token)
        await ann.wait_text(equals="pragma solidity;")
        await ann.insert("hello ")
        await ann.wait_settled()
        said = await teacher("POST", "/sessions/lesson/chat", {"body": "look"})
        assert said.status == 201
        changed = await teacher("PATCH", "/sessions/lesson/chat/1", {"body": "look here"})
        assert changed.status == 200
        await eventually(lambda: receiver.events("session.changed"))
        await eventually(lambda: receiver.events("chat.message"))
        await ann.destroy()
        await eventually(lambda: receiver.events("session.closed"))
        assert (await teacher("DELETE", "/sessions/lesson/chat/1")).status in (200, 204)
        assert (await teacher("DELETE", "/sessions/lesson")).status == 204
    async with connected(live.url) as superuser:

        async def all_kinds() -> bool:
            return bool(
                await superuser.fetchval(KINDS) == ["chat", "edit", "join", "leave", "role"]
            )

        await eventually(all_kinds)
    assert await server.stop() == 0
    logged = server.logs()
    assert not [e for e in logged if e["level"] == "error" or "failed" in e["event"]], logged


async def test_upkeep(postgres: PostgresInstance) -> None:
    """It makes partitions that are missing and drops expired ones, all of them the owner's."""
    url = await migrated_by_owner(postgres)
    last = month_of(datetime.now(UTC))
    for _ in range(AHEAD):
        last = month_after(last)
    async with connected(url) as superuser, connected(await login(url, "lyceum_server")) as server:
        await superuser.execute(f"drop table chat_messages_{last:%Y_%m}")
        await superuser.execute(OLD_PARTITION)
        report = await maintain(server, {ACTIVITY: 400})
        assert report.created == [f"chat_messages_{last:%Y_%m}"]
        assert report.dropped == ["session_activity_2020_01"]
        assert set(report.ahead.values()) == {AHEAD}
        assert await superuser.fetchval(OWNERS) == ["lyceum_owner"]
        assert await maintain(server, {ACTIVITY: 400}) == ([], [], report.ahead)


WAITS = "select pg_blocking_pids($1) <> '{}'"
ADD_ACTIVITY = """
insert into session_activity (at, session_id, participant, kind)
values (now(), 1, gen_random_uuid(), 'join')
"""


async def test_retention_lets_others_go_first(
    postgres: PostgresInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads the table it is tried again, writers go on, and then it is done."""
    url = await migrated_by_owner(postgres)
    server_url = await login(url, "lyceum_server")
    async with (
        connected(url) as superuser,
        connected(server_url) as server,
        connected(server_url) as writer,
    ):
        await superuser.execute(OLD_PARTITION)
        reading = superuser.transaction()
        await reading.start()
        await superuser.execute("select from session_activity limit 1")
        now = datetime.now(UTC)
        monkeypatch.setattr(partitions, "TRIES", 2)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await partitions.drop_expired(server, ACTIVITY, now - timedelta(days=400))
        monkeypatch.setattr(partitions, "TRIES", 10_000)
        monkeypatch.setattr(partitions, "PAUSE", 0.01)
        dropping = asyncio.create_task(
            partitions.drop_expired(server, ACTIVITY, now - timedelta(days=400))
        )
        for _ in range(3):
            await eventually(lambda: writer.fetchval(WAITS, server.get_server_pid()))
            await writer.execute(ADD_ACTIVITY)
            assert not dropping.done()
        await reading.commit()
        assert await dropping == ["session_activity_2020_01"]


async def test_it_tells_who_must_migrate(postgres: PostgresInstance) -> None:
    """A server whose login may not migrate is told what is missing and what to do."""
    url = await owned_database(postgres)
    known = read_migrations()
    who = await login(url, "lyceum_server")
    async with connected(who) as server:
        with pytest.raises(DatabaseError, match="finds no schema that it may use; `lyceum db mi"):
            await migrate_if_allowed(server, known)
    url = await migrated_by_owner(postgres)
    who = await login(url, "lyceum_server")
    async with connected(url) as superuser, connected(who) as server:
        assert await migrate_if_allowed(server, known) == []
        assert await migrate_if_allowed(superuser, known) == []
        assert await superuser.fetchval("select current_user = session_user")
        await superuser.execute("delete from schema_migrations where version = $1", len(known))
        with pytest.raises(DatabaseError) as behind:
            await migrate_if_allowed(server, known)
        assert f"at version {len(known) - 1}, this program needs {len(known)}" in str(behind.value)
        assert f"the login {name_of(who)} may not migrate; run `lyceum db m" in str(behind.value)
        await superuser.execute("revoke select on schema_migrations from lyceum_server")
        with pytest.raises(DatabaseError, match="finds no schema that it may use"):
            await migrate_if_allowed(server, known)
