"""Tries whether row-level security holds: as somebody else and as nobody, on rows that are there.

Somebody is made who has nothing; as them, no row of the others may be seen, changed, deleted or
made. All of it happens in a transaction that is undone.
"""

import math
from typing import NamedTuple

import asyncpg

from server.persistence.roles import BE_ONESELF
from server.persistence.types import Connection


class Failure(NamedTuple):
    """What was possible though it should not be, and what helps."""

    what: str
    remedy: str


class Trials(NamedTuple):
    """What came of it. untried: tables that have no row of anybody."""

    tried: int
    failures: list[Failure]
    untried: list[str]


class Target(NamedTuple):
    """A table of people's rows and what lyceum_app may do to it.

    person: the column that says whose a row is. changeable: one that it may change.
    """

    table: str
    person: str
    reads: bool
    deletes: bool
    inserts: bool
    changeable: str | None


# The column is the one that a policy compares with the person who asks.
TARGETS = r"""
select pg_class.oid::regclass::text, person,
    has_any_column_privilege('lyceum_app', pg_class.oid, 'select'),
    has_table_privilege('lyceum_app', pg_class.oid, 'delete'),
    has_column_privilege('lyceum_app', pg_class.oid, person, 'insert'),
    (
        select attname::text
        from pg_attribute
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
            and has_column_privilege('lyceum_app', attrelid, attnum, 'update')
        order by attnum
        limit 1
    )
from pg_class
cross join lateral (
    select person
    from pg_policy
    cross join substring(
        coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
        from '(\w+) = \( SELECT current_(?:user_id|subject)\('
    ) as person
    where polrelid = pg_class.oid and to_regrole('lyceum_app') = any(polroles)
        and person is not null
    order by polcmd, polname
    limit 1
) as policy
where relnamespace = 'public'::regnamespace and not relispartition
order by 1
"""
# What anybody may read does not count.
HIDDEN = {"posts": " where status = 'HIDDEN'", "comments": " where status = 'HIDDEN'"}

OTHER = """
insert into users (subject, username)
values ('trial of ' || gen_random_uuid(), 'trial-' || gen_random_uuid())
returning id
"""
BE = "select set_config('app.current_user_id', $1, true), set_config('role', 'lyceum_app', true)"
SOMEBODY = "select {person} from {table} where {person} is not null limit 1"
SEEN = "select from {table}{where}"
CHANGE = "update {table} set {column} = {column}"
DELETE = "delete from {table}"
INSERT = "insert into {table} ({person}) values ($1)"
MEND = "compare its policies and grants with schema/rights.sql of this version"


# Where policies hold, no statement finds a row; where they don't, it must not find all of them.
BRIEFLY = "set local statement_timeout = '5s'; set local lock_timeout = '1s'"


async def run(connection: Connection) -> Trials:
    """Try all tables."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(BRIEFLY)
        try:
            other = str(await connection.fetchval(OTHER))
            await connection.fetchval(BE, "")
        except asyncpg.InsufficientPrivilegeError:
            why = "this login can't act as lyceum_app, so no policy was tried"
            remedy = "run it as a superuser, or as a member of lyceum_owner"
            return Trials(0, [Failure(why, remedy)], [])
        await connection.execute(BE_ONESELF)
        return await _try_all(connection, other)
    finally:
        await transaction.rollback()


async def _try_all(connection: Connection, other: str) -> Trials:
    failures, tried, untried = [], 0, []
    for target in [Target(*row) for row in await connection.fetch(TARGETS)]:
        somebody = await connection.fetchval(
            SOMEBODY.format(table=target.table, person=target.person)
        )
        if somebody is None:
            untried.append(target.table)
        for who, name in ((other, "somebody else"), ("", "nobody"), ("no number", "nobody")):
            own = int(target.table == "users" and who == other)
            await connection.fetchval(BE, who)
            possible = await _possible(connection, target, somebody, own)
            await connection.execute(BE_ONESELF)
            failures += [
                Failure(f"as {name} one may {act} {target.table}", MEND) for act in possible
            ]
            tried += 1
    return Trials(tried, failures, untried)


async def _possible(
    connection: Connection, target: Target, somebody: object, own: int
) -> list[str]:
    """What whoever asks can do to rows of others; own: how many rows are their own."""
    table = target.table
    change = CHANGE.format(table=table, column=target.changeable)
    insert = INSERT.format(table=table, person=target.person)
    trials = [
        (
            "see rows of others in",
            target.reads,
            SEEN.format(table=table, where=HIDDEN.get(table, "")),
        ),
        ("change rows of others in", target.changeable is not None, change),
        ("delete rows of others in", target.deletes, DELETE.format(table=table)),
    ]
    possible = [
        act for act, may, statement in trials if may and await _taken(connection, statement) > own
    ]
    if target.inserts and somebody is not None and not await _denied(connection, insert, somebody):
        possible.append("make rows for others in")
    return possible


async def _taken(connection: Connection, statement: str) -> float:
    """How many rows a statement takes; it is undone. More than any if it had to be stopped."""
    try:
        return int((await _undone(connection, statement)).rpartition(" ")[2])
    except asyncpg.InsufficientPrivilegeError:
        return 0
    except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError):
        return math.inf


async def _denied(connection: Connection, statement: str, somebody: object) -> bool:
    """Whether a policy refuses a statement, which it does before anything else could."""
    try:
        await _undone(connection, statement, somebody)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.PostgresError:
        pass  # refused later, for another reason: no policy had anything against it
    return False


async def _undone(connection: Connection, statement: str, *arguments: object) -> str:
    attempt = connection.transaction()
    await attempt.start()
    try:
        return await connection.execute(statement, *arguments)
    finally:
        await attempt.rollback()
