"""Row-level security, tried on every table of people's rows: owner, somebody else, nobody.

Which tables there are and what each role may do to them comes from the catalogue, so that a new
table is tried too.
"""

from typing import NamedTuple

import asyncpg
import pytest

from server.persistence.security import UNPROTECTED, WITHOUT_ROW_SECURITY
from server.persistence.types import Connection
from tests.access.people import (
    PERSONAL,
    Person,
    act_as,
    add_row,
    column_of,
    denied,
    person,
    session,
    undone,
)

ROLES = ("lyceum_app", "lyceum_staff", "lyceum_server", "lyceum_analyst")
MAY = """
select has_table_privilege($1, $2, $3)
    or $3 <> 'delete' and has_any_column_privilege($1, $2, $3)
"""
# Columns that a role may give a value in a command.
GIVEN = """
select array_agg(attname::text order by attnum)
from pg_attribute
where attrelid = $2::text::regclass and attnum > 0 and not attisdropped
    and attidentity = '' and attgenerated = ''
    and has_column_privilege($1, attrelid, attnum, $3)
"""
# Not somebody's, whatever stands in it.
NOBODY = [
    "", " ", "0", "-1", "abc", "1e3", "1.0", "0x1", " 1", "1 ", "١", "null", "NaN", "true",
    "' or true --", "1; select 1", "9" * 18, "9" * 19, "9" * 400, "1\n2",
]  # fmt: skip
# What everybody may read unless it is hidden.
PUBLISHED = ("posts", "comments")


class Scene(NamedTuple):
    """Two people with a row each in a table, and whose rows are seen there."""

    db: Connection
    table: str
    ann: Person
    bob: Person

    async def may(self, role: str, command: str) -> bool:
        return bool(await self.db.fetchval(MAY, role, self.table, command))

    async def seen(self) -> set[object]:
        column = column_of(self.table)
        return {row[0] for row in await self.db.fetch(f"select {column} from {self.table}")}

    async def counted(self) -> int:
        count: int = await self.db.fetchval(f"select count(*) from {self.table}")
        return count


async def scene(db: Connection, table: str) -> Scene:
    ann, bob = await person(db, "ann"), await person(db, "bob")
    for who in (ann, bob):
        await add_row(db, table, who)
        if table in PUBLISHED:
            await db.execute(f"update {table} set status = 'HIDDEN', moderated_at = now()")
    return Scene(db, table, ann, bob)


async def personal(db: Connection) -> list[str]:
    return [row[0] for row in await db.fetch(PERSONAL)]


async def test_people_see_their_own_rows(db: Connection) -> None:
    """As lyceum_app the owner sees a row, and the other does not; where nothing is granted, no
    row is seen at all."""
    for table in await personal(db):
        async with undone(db):
            it = await scene(db, table)
            may = await it.may("lyceum_app", "select")
            for who in (it.ann, it.bob):
                if may:
                    await act_as(db, "lyceum_app", str(who.id))
                    assert await it.seen() == {who.value(table)}, table
                    await db.execute("reset role")
                else:
                    count = f"select count(*) from {table}"
                    assert await denied(db, "lyceum_app", str(who.id), count), table


async def test_nobody_sees_nothing(db: Connection) -> None:
    """Whatever stands in the setting, what is no number of a person shows no row, and is no
    error."""
    ann = await person(db, "ann")
    counts = []
    for table in await personal(db):
        await add_row(db, table, ann)
        if await Scene(db, table, ann, ann).may("lyceum_app", "select"):
            hidden = " where status = 'HIDDEN'" if table in PUBLISHED else ""
            counts.append(f"select '{table}', count(*) from {table}{hidden}")
    assert len(counts) > 25
    for setting in (None, *NOBODY):
        async with undone(db):
            await act_as(db, "lyceum_app", setting)
            for table, count in await db.fetch(" union all ".join(counts)):
                assert count == 0, (table, setting)


async def test_people_change_their_own_rows(db: Connection) -> None:
    """As lyceum_app an update or deletion of all rows takes the owner's only, nobody's none."""
    for table in await personal(db):
        for command in ("update", "delete"):
            async with undone(db):
                it = await scene(db, table)
                if not await it.may("lyceum_app", command):
                    continue
                if table in PUBLISHED:
                    await db.execute(f"update {table} set status = 'VISIBLE'")
                for who, count in (("", 0), (str(it.ann.id), 1)):
                    given = await db.fetchval(GIVEN, "lyceum_app", table, "update")
                    statement = f"delete from {table}"
                    if command == "update":
                        statement = f"update {table} set {given[0]} = {given[0]}"
                    await act_as(db, "lyceum_app", who)
                    assert await db.execute(statement) == f"{command.upper()} {count}", table
                    await db.execute("reset role")


async def test_nobody_writes_for_others(db: Connection) -> None:
    """As lyceum_app a row can be made for oneself, not for somebody else nor as nobody, and not
    be given away."""
    tried = set()
    for table in await personal(db):
        async with undone(db):
            it = await scene(db, table)
            column = column_of(table)
            if await it.may("lyceum_app", "insert"):
                carol = await person(db, "carol")
                row = await add_row(db, table, carol)
                given = await db.fetchval(GIVEN, "lyceum_app", table, "insert")
                await db.execute(f"delete from {table} where {column} = $1", carol.value(table))
                places = ", ".join(f"${number + 1}" for number in range(len(given)))
                statement = f"insert into {table} ({', '.join(given)}) values ({places})"
                values = [row[name] for name in given]
                for setting in ("", str(it.ann.id)):
                    why = await denied(db, "lyceum_app", setting, statement, *values)
                    assert "row-level security" in why, table
                await act_as(db, "lyceum_app", str(carol.id))
                assert await db.execute(statement, *values) == "INSERT 0 1"
                await db.execute("reset role")
                tried.add(table)
            if column != "id" and await it.may("lyceum_app", "update"):
                give = f"update {table} set {column} = $1"
                assert await denied(db, "lyceum_app", str(it.ann.id), give, it.bob.value(table)), (
                    table
                )
    assert {"user_profiles", "user_progress", "posts", "tutor_messages", "votes"} <= tried


async def test_other_roles_see_all_rows(db: Connection) -> None:
    """Staff, server and analyst see everybody's rows where they are let in, whoever asks."""
    for table in await personal(db):
        for role in ROLES[1:]:
            async with undone(db):
                it = await scene(db, table)
                if await it.may(role, "select"):
                    await act_as(db, role, str(it.ann.id))
                    assert await it.counted() >= 2, (table, role)
                    await db.execute("reset role")


async def test_hidden_posts(db: Connection) -> None:
    """What is not hidden everybody may read; what was flagged or hidden its author can't change."""
    ann, bob = await person(db, "ann"), await person(db, "bob")
    await add_row(db, "posts", ann)
    await act_as(db, "lyceum_app", str(bob.id))
    assert await db.fetchval("select count(*) from posts") == 1
    assert await db.execute("update posts set body = 'mine'") == "UPDATE 0"
    await db.execute("reset role")
    for status, changed in [("VISIBLE", 1), ("FLAGGED", 0), ("HIDDEN", 0)]:
        await db.execute("update posts set status = $1, moderated_at = now()", status)
        await act_as(db, "lyceum_app", str(ann.id))
        assert await db.execute("update posts set body = 'better'") == f"UPDATE {changed}"
        await db.execute("reset role")


async def test_sessions_of_participants(db: Connection) -> None:
    """A session is seen by its owner and by who takes part, not by who was removed."""
    ann, bob = await person(db, "ann"), await person(db, "bob")
    id = await session(db, "ann")
    await db.execute(
        "insert into session_participants (session_id, user_id, role) values ($1, 'bob', null)", id
    )
    for role, seen in [("editor", 1), ("none", 0)]:
        await db.execute("update session_participants set role = $1", role)
        for who, count in [(ann, 1), (bob, seen)]:
            await act_as(db, "lyceum_app", str(who.id))
            assert await db.fetchval("select count(*) from collaboration_sessions") == count
            await db.execute("reset role")


async def test_what_was_handed_in_stays(db: Connection) -> None:
    """Answers can be changed until they are graded, and the tutor's words are not a person's."""
    ann = await person(db, "ann")
    await add_row(db, "quiz_attempts", ann)
    message = await add_row(db, "tutor_messages", ann)
    grade = "update quiz_attempts set points = 1, max_points = 1, passed = true, submitted_at = $1"
    for changed in (1, 0):
        await act_as(db, "lyceum_app", str(ann.id))
        assert await db.execute("update quiz_attempts set answers = '{}'") == f"UPDATE {changed}"
        await db.execute("reset role")
        await db.execute(grade.replace("$1", "now()"))
    await act_as(db, "lyceum_app", str(ann.id))
    say = "insert into tutor_messages (thread_id, user_id, role, body) values ($1, $2, $3, 'x')"
    await db.execute(say, message["thread_id"], ann.id, "USER")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await db.execute(say, message["thread_id"], ann.id, "TUTOR")


async def test_nothing_of_a_person_is_forgotten(db: Connection) -> None:
    """A table that refers to people has row-level security, or a reason not to."""
    found = {row[0] for row in await db.fetch(UNPROTECTED, [])}
    assert found == set(WITHOUT_ROW_SECURITY)
    assert all(WITHOUT_ROW_SECURITY.values())


SECRET_COLUMNS = """
select table_name || '.' || column_name
from information_schema.columns
where table_schema = 'public' and has_column_privilege(
    'lyceum_analyst', table_name::regclass, column_name, 'select'
)
"""
PERSONAL_WORDS = (
    "name", "subject", "email", "body", "title", "bio", "url", "wallet", "address", "agent",
    "secret", "source", "answers", "data", "reason", "note", "payload", "recipient", "public_id",
)  # fmt: skip
HARMLESS = {
    "courses.title", "courses.public_id", "modules.title", "modules.public_id", "lessons.title",
    "lessons.body", "lessons.public_id", "quizzes.title", "quizzes.public_id", "badges.title",
    "badges.public_id", "badges.image_url", "achievements.title", "achievements.public_id",
    "courses.metadata", "xp_events.reason", "recommendations.reason", "background_jobs.name",
}  # fmt: skip


async def test_the_analyst_learns_nobodys_name(db: Connection) -> None:
    """No column that says who somebody is, or what they wrote, is open to lyceum_analyst."""
    open_to_it = {row[0] for row in await db.fetch(SECRET_COLUMNS)}
    telling = {
        name
        for name in open_to_it
        if any(word in name.partition(".")[2] for word in PERSONAL_WORDS)
    }
    assert telling == HARMLESS
    assert not await denied(db, "lyceum_analyst", "", "select id, role, status from users")
    for column in ("username", "subject", "email", "public_id", "*"):
        assert await denied(db, "lyceum_analyst", "", f"select {column} from users")
