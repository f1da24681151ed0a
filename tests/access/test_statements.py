"""Every statement of server/persistence/: it fits the schema, and its role may run it."""

import importlib
import pkgutil
import re
from typing import NamedTuple

import asyncpg
import pytest

from server import persistence
from server.persistence import catalogue, school
from server.persistence.personal import PERSONAL
from server.persistence.privacy import export_statement
from server.persistence.queries import Query
from server.persistence.statements import split
from server.persistence.types import Connection
from tests.access.people import act_as, undone

BEGINS = re.compile(
    r"\s*(select|insert|update|delete|with|alter|create|drop|set|comment|refresh)\s", re.IGNORECASE
)
# What the names in statements that are put together may be.
SAMPLES = {
    "table": "session_activity",
    "name": "session_activity_2031_01",
    "start": "2031-01-01",
    "end": "2031-02-01",
    "how": "",
    "timeout": "2s",
    "person": "user_id",
    "column": "kind",
    "where": "",
    "version": "1",
    "checksum": "00",
    "serves": "null",
    "owner": "lyceum_owner",
}
PLACE = re.compile(r"\{(\w+)\}")
# Modules whose constants are parts of one statement.
WHOLE = {
    "catalogue": catalogue.OURS + catalogue.READ.format(kinds="union all".join(catalogue.KINDS)),
}


class Statement(NamedTuple):
    """One statement and the constant that holds it."""

    module: str
    constant: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}.{self.constant}"


def statements() -> list[Statement]:
    found = []
    for info in pkgutil.iter_modules(persistence.__path__):
        if info.name in WHOLE:
            found.append(Statement(info.name, "READ", WHOLE[info.name]))
            continue
        module = importlib.import_module(f"{persistence.__name__}.{info.name}")
        for name, held in vars(module).items():
            value = held.sql if isinstance(held, Query) else held
            if name.isupper() and isinstance(value, str) and BEGINS.match(value):
                text = PLACE.sub(lambda place: SAMPLES[place[1]], value)
                found += [Statement(info.name, name, part) for part in split(text)]
    return found


def of_privacy() -> list[Statement]:
    """What is put together for each table that holds something of people."""
    found = []
    for table in PERSONAL:
        texts = list(table.erase)
        if table.belongs is not None:
            texts.append(export_statement(table))
        found += [Statement("privacy", table.table, text) for text in texts]
    return found


def named() -> list[Statement]:
    """The typed access to what a school keeps; its own tests run each as the role it is for."""
    found = []
    for info in pkgutil.iter_modules(school.__path__):
        module = importlib.import_module(f"{school.__name__}.{info.name}")
        for name, value in vars(module).items():
            if isinstance(value, Query):
                found.append(Statement(f"school.{info.name}", name, value.sql))
    return found


ALL = statements() + of_privacy() + named()
LIVE = {
    "activity", "chat", "collaboration", "deliveries", "documents", "jobs", "journal", "locks",
    "opening", "revocations", "webhooks",
}  # fmt: skip
# Of other modules, what the server and the application run; the owner runs the rest.
SERVER = {
    "audit.ADD", "audit.LAST_ID", "audit.NEWEST", "audit.OLDEST_RUNNING", "audit.SEALS_AFTER",
    "audit.TRANSACTION", "audit.TRY_LOCK", "audit.UNSEALED", "audit.WAITING",
    "access.MAY_ACT", "encryption_keys.LIVE", "encryption_keys.LOCK_SHARED",
    "encryption_keys.REGISTER", "migrations.APPLIED", "migrations.LEDGER_EXISTS",
    "migrations.LOGIN", "partitions.DROP_AS_OWNER", "partitions.EXISTS",
    "partitions.HAS_DEFAULT", "partitions.LEFT_OVER", "partitions.MAKE", "partitions.NOW",
    "partitions.OWNS", "partitions.PARTITIONS", "people.FIND", "people.INSERT",
    "people.INSERT_KEY", "people.LOCK_PERSON", "people.NEXT_ID", "people.SET_EMAIL",
    "roles.MAY_MIGRATE",
}  # fmt: skip
APP = {
    "access.ACT", "access.COULD_BE", "access.MAY_ACT", "encryption_keys.LIVE", "people.EMAIL",
    "people.KEEP", "people.SECRETS", "people.WRAPPED",
}  # fmt: skip


async def test_every_statement_fits_the_schema(db: Connection) -> None:
    """All that the program may ever send is prepared; none is forgotten."""
    assert len(ALL) > 100
    assert {statement.module for statement in ALL} >= LIVE
    for statement in ALL:
        try:
            async with undone(db):
                await db.prepare(statement.text)
        except asyncpg.PostgresError as error:
            raise AssertionError(f"{statement}: {error}") from error


async def explain(db: Connection, statement: Statement) -> None:
    """Start a statement without running it, which is when rights are looked at."""
    count = len((await db.prepare(statement.text)).get_parameters())
    await db.execute(f"prepare tried as {statement.text}")
    arguments = f"({', '.join(['null'] * count)})" if count else ""
    await db.execute(f"explain execute tried{arguments}")
    await db.execute("deallocate tried")


async def test_each_role_may_run_its_statements(db: Connection) -> None:
    """What lyceum_server and lyceum_app are there for, they may do."""
    of_server = [s for s in ALL if s.module in LIVE or str(s) in SERVER]
    of_app = [s for s in ALL if str(s) in APP]
    assert {str(s) for s in of_server} >= SERVER
    assert {str(s) for s in of_app} == APP
    for role, theirs in [("lyceum_server", of_server), ("lyceum_app", of_app)]:
        for statement in theirs:
            try:
                async with undone(db):
                    await act_as(db, role, "1")
                    await explain(db, statement)
            except asyncpg.PostgresError as error:
                raise AssertionError(f"{role}: {statement}: {error}") from error


INJECTIONS = [
    "'; drop table canary; --",
    '"; drop table canary; --',
    "$$; drop table canary; $$ ' or true --",
    "\\'; drop table canary; /*",
    "%s %I {table} $1 {0} %n",
    "canary) ; drop table canary cascade; --",
]
# What an error would be called if a value had become a part of a statement.
BROKEN = (asyncpg.PostgresSyntaxError, asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError)


async def test_values_stay_values(db: Connection) -> None:
    """Whatever text is given to a statement, it runs as it is, and nothing else happens."""
    await db.execute("create table canary as select 1 as song")
    tried = 0
    for statement in ALL:
        parameters = (await db.prepare(statement.text)).get_parameters()
        for number, parameter in enumerate(parameters):
            if parameter.name not in ("text", "text[]", "varchar", "name", "jsonb", "json"):
                continue
            for text in INJECTIONS:
                value = [text] if parameter.kind == "array" else text
                values = [value if n == number else None for n in range(len(parameters))]
                try:
                    async with undone(db):
                        await db.fetch(statement.text, *values)
                except BROKEN as error:
                    if "syntax error in tsquery" in str(error):
                        continue  # the value's own syntax
                    pytest.fail(f"{statement} ${number + 1} {text!r}: {error}")
                except (asyncpg.PostgresError, asyncpg.DataError):
                    pass  # refused as a value, which is fine
                tried += 1
    assert tried > 500
    assert await db.fetchval("select count(*) from canary") == 1


async def test_functions_of_the_owner_take_values_as_values(db: Connection) -> None:
    """What runs with more rights than its caller has, does what it is for only."""
    make, drop = (
        "select make_partition($1::text::regclass, $2)",
        "select drop_partitions($1::text::regclass, $2)",
    )
    await db.execute(
        'create table "x""; drop table users; --" (at timestamptz) partition by range (at)'
    )
    month, now = await db.fetchrow("select date_trunc('month', now())::date, now()")
    await db.execute("grant all on schema public to lyceum_server")
    for name, when in [
        ('"x""; drop table users; --"', month),
        ("users", month),
        ("document_updates", month),
        ("pg_class", month),
        ("chat_messages", month.replace(day=2)),
        ("chat_messages", month.replace(year=2020)),
        ("chat_messages", month.replace(year=2099)),
    ]:
        with pytest.raises(asyncpg.InvalidParameterValueError, match="gets no partition"):
            await run_as_server(db, make, name, when)
    for name, when in [
        ("chat_messages", now),
        ("users", now),
        ("session_activity", now.replace(year=2099)),
    ]:
        with pytest.raises(asyncpg.InvalidParameterValueError, match="keeps its partitions"):
            await run_as_server(db, drop, name, when)


async def run_as_server(db: Connection, statement: str, *values: object) -> None:
    async with undone(db):
        await act_as(db, "lyceum_server")
        await db.execute(statement, *values)
