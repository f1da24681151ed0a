"""Validation finds whatever was changed by hand in a schema, names it, and says how to mend it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
import pytest_asyncio

from server.errors import DatabaseError
from server.persistence import catalogue, partitions
from server.persistence.catalogue import Thing
from server.persistence.migrations import read_migrations, rollback, status
from server.persistence.types import Connection
from server.persistence.validation import Finding, examine, expected, validate
from tests.support.logins import connected, login
from tests.support.postgres import PostgresInstance

KNOWN = read_migrations()
# Objects of kinds that the migrations may not have.
EXTRA = """
create table notes (id int generated always as identity, x numeric(3, 1) default 1, y text);
create view notes_of_all as select x from notes;
create sequence numbers;
create domain positive as int check (value > 0);
create type mood as enum ('good', 'bad');
create function one() returns int language sql as 'select 1';
create policy notes_policy on notes for select to public using (x > 0);
create function touch() returns trigger language plpgsql as 'begin return new; end';
create trigger notes_touch before update on notes for each row execute function touch();
comment on column notes.x is 'how many';
alter default privileges grant select on tables to public;
grant select (y) on notes to lyceum_app with grant option;
"""


class Validated(NamedTuple):
    """A migrated database that nobody changes for good, and what should be in it."""

    connection: Connection
    url: str
    things: list[Thing]

    async def findings(self) -> list[Finding]:
        rows = await status(self.connection, KNOWN)
        return await examine(self.connection, rows, self.things)


@pytest_asyncio.fixture(scope="module")
async def shared(postgres: PostgresInstance) -> AsyncIterator[Validated]:
    """One for all tests."""
    url = await postgres.create_database()
    async with connected(url) as connection:
        yield Validated(connection, url, await expected(connection, url, KNOWN))


@pytest_asyncio.fixture
async def validated(shared: Validated) -> AsyncIterator[Validated]:
    """The same within a transaction that is undone at the end of the test."""
    transaction = shared.connection.transaction()
    await transaction.start()
    yield shared
    await transaction.rollback()


async def test_nothing_to_find(connection: Connection, database_url: str) -> None:
    """A migrated database is as it should be, also years later; no scratch database stays."""
    await partitions.ensure(connection, now=datetime(2031, 5, 5, tzinfo=UTC))
    assert await validate(connection, database_url, KNOWN) == []
    assert not await connection.fetch("select from pg_database where datname ~ 'scratch'")


@pytest.mark.parametrize(
    ("harm", "kind", "name", "problem", "remedy"),
    [
        (
            "drop index webhooks_owner_idx",
            "index",
            "webhooks_owner_idx",
            "missing",
            "CREATE INDEX webhooks_owner_idx ON public.webhooks USING btree (owner)",
        ),
        (
            "update pg_index set indisvalid = false"
            " where indexrelid = 'webhooks_owner_idx'::regclass",
            "index",
            "webhooks_owner_idx",
            "invalid",
            "reindex index concurrently webhooks_owner_idx",
        ),
        (
            "create policy revocations_policy on revocations for delete to public using (true)",
            "policy",
            "revocations.revocations_policy",
            "too many",
            "drop policy revocations_policy on revocations",
        ),
        (
            "alter table revocations disable row level security",
            "row-level security",
            "revocations",
            "different",
            "alter table revocations enable row level security, no force row level security",
        ),
        (
            "grant update on webhooks to public",
            "grant",
            "update on webhooks to public",
            "too many",
            "revoke update on table webhooks from public",
        ),
        (
            "grant select (secret) on webhooks to lyceum_analyst",
            "grant",
            "select (secret) on webhooks to lyceum_analyst",
            "too many",
            "revoke select (secret) on table webhooks from lyceum_analyst",
        ),
        (
            "alter table webhooks drop constraint webhooks_url_check",
            "constraint",
            "webhooks.webhooks_url_check",
            "missing",
            "alter table webhooks add constraint webhooks_url_check CHECK",
        ),
        (
            "alter table webhooks drop constraint webhooks_url_check;"
            "alter table webhooks add constraint webhooks_url_check check (url <> '')",
            "constraint",
            "webhooks.webhooks_url_check",
            "different",
            "alter table webhooks drop constraint webhooks_url_check; alter table webhooks add",
        ),
        (
            "alter table webhooks add constraint broken check (url <> '') not valid",
            "constraint",
            "webhooks.broken",
            "invalid",
            'alter table webhooks validate constraint "broken"',
        ),
        (
            "alter table webhooks alter column failures drop not null",
            "column",
            "webhooks.failures",
            "different",
            "alter table webhooks …",
        ),
        (
            "alter table webhooks drop column reason",
            "column",
            "webhooks.reason",
            "missing",
            "alter table webhooks add column reason text not null default ''::text",
        ),
        (
            "comment on table webhooks is 'Nothing.'",
            "comment",
            "webhooks",
            "different",
            "comment on table webhooks is 'Whom to tell",
        ),
        ("drop table revocations", "table", "revocations", "missing", ""),
        (
            "alter table webhooks set (fillfactor = 50)",
            "table",
            "webhooks",
            "different",
            "alter table webhooks …",
        ),
        (
            "do $$ begin execute (select 'drop table ' || inhrelid::regclass from pg_inherits"
            " where inhparent = 'chat_messages'::regclass order by inhrelid desc limit 1); end $$",
            "partitions",
            "chat_messages",
            "missing",
            "lyceum db maintain",
        ),
        (
            "do $$ begin execute (select format('grant select on %s to lyceum_app',"
            " inhrelid::regclass) from pg_inherits"
            " where inhparent = 'chat_messages'::regclass order by inhrelid limit 1); end $$",
            "grant",
            "select on chat_messages_20",
            "too many",
            "revoke select on table chat_messages_20",
        ),
        ("alter role lyceum_backup rename to lost", "role", "lyceum_backup", "missing", "lyceum"),
    ],
)
async def test_harm_is_found(
    validated: Validated, harm: str, kind: str, name: str, problem: str, remedy: str
) -> None:
    """What was done by hand is named, with what should be there and how to get there."""
    await validated.connection.execute(harm)
    findings = await validated.findings()
    (found,) = [each for each in findings if (each.kind, each.problem) == (kind, problem)]
    assert found.name.startswith(name)
    assert found.remedy.startswith(remedy)
    assert (found.expected == "") == (problem == "too many")
    assert len(findings) <= 4, findings


async def test_every_kind_of_object(validated: Validated) -> None:
    """Whatever is there and no migration has made is told of, and what belongs to it is not."""
    await validated.connection.execute(EXTRA)
    findings = await validated.findings()
    assert {each.problem for each in findings} == {"too many"}
    assert {(each.kind, each.name) for each in findings} == {
        ("table", "notes"),
        ("table", "notes_of_all"),
        ("table", "numbers"),
        ("type", "positive"),
        ("type", "mood"),
        ("function", "one()"),
        ("function", "touch()"),
        ("default rights", "r of the owner"),
    }


async def test_every_kind_of_object_is_missed(validated: Validated) -> None:
    """What should be there and is not, or is otherwise, is told of for each kind of object."""
    await validated.connection.execute(EXTRA)
    more = validated._replace(things=await catalogue.read(validated.connection))
    await validated.connection.execute(
        """
        drop policy notes_policy on notes;
        alter table notes disable trigger notes_touch;
        create or replace function one() returns int language sql as 'select 2';
        revoke all on notes from lyceum_app;
        revoke select (y) on notes from lyceum_app;
        alter table notes alter column y set not null;
        alter type mood add value 'so-so';
        """
    )
    findings = await more.findings()
    assert {(each.kind, each.name, each.problem) for each in findings} == {
        ("policy", "notes.notes_policy", "missing"),
        ("trigger", "notes.notes_touch", "different"),
        ("function", "one()", "different"),
        ("grant", "select (y) on notes to lyceum_app", "missing"),
        ("column", "notes.y", "different"),
        ("type", "mood", "different"),
    }
    for each in findings:
        if "…" not in each.remedy:
            await validated.connection.execute(each.remedy)
    left = await more.findings()
    assert {each.kind for each in left} == {"column", "type", "grant"}


async def test_database_behind(validated: Validated) -> None:
    """A migration that is missing is named first."""
    await rollback(validated.connection, KNOWN, len(KNOWN) - 1)
    findings = await validated.findings()
    assert (findings[0].kind, findings[0].name) == ("migration", KNOWN[-1].title)
    assert len(findings) > 1


async def test_who_may_make_no_database(validated: Validated) -> None:
    """A login that can't make the scratch database learns what it takes."""
    async with connected(await login(validated.url, "lyceum_owner")) as powerless:
        with pytest.raises(DatabaseError, match="alter role … createdb"):
            await expected(powerless, validated.url, KNOWN)
