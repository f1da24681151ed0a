"""Policies cost next to nothing: who asks is found out once a statement, and an index is used."""

from server.persistence.types import Connection
from tests.access.people import PERSONAL, act_as, person, undone

MAY_SELECT = "select has_table_privilege('lyceum_app', $1, 'select')"
# Everybody reads these, by other indexes; what a policy adds is looked at row by row.
PUBLISHED = ("posts", "comments")
# Read by thread and by session, which have their indexes.
WHERE = {
    "tutor_messages": " where thread_id = 1",
    "chat_messages": " where session_id = 1",
}
FILL = """
insert into users (subject, username)
    select 'user ' || n, 'user-' || n from generate_series(1, 5000) n;
insert into documents (name) select 'document ' || n from generate_series(1, 5000) n;
insert into collaboration_sessions (id, name, owner)
    select id, name, 'user ' || id % 5000 from documents;
insert into session_participants (session_id, user_id)
    select id, 'user ' || (id + n) % 5000 from documents, generate_series(1, 3) n;
analyze users, documents, collaboration_sessions, session_participants;
"""


async def plan(db: Connection, statement: str) -> str:
    return "\n".join(row[0] for row in await db.fetch(f"explain {statement}"))


async def test_each_policy_is_computed_once_and_has_an_index(db: Connection) -> None:
    """In every table that people see rows of, theirs are found without reading the others'."""
    ann = await person(db, "ann")
    tried = 0
    for (table,) in await db.fetch(PERSONAL):
        if table not in PUBLISHED and await db.fetchval(MAY_SELECT, table):
            async with undone(db):
                await db.execute("set local enable_seqscan = off")
                await act_as(db, "lyceum_app", str(ann.id))
                found = await plan(db, f"select * from {table}{WHERE.get(table, '')}")
                assert "InitPlan" in found, found
                assert "Seq Scan" not in found, found
                tried += 1
    assert tried > 20


async def test_where_there_are_many_rows(db: Connection) -> None:
    """The planner takes the index by itself, for a condition with two ways in it too."""
    await db.execute(FILL)
    id = await db.fetchval("select id from users where subject = 'user 7'")
    await act_as(db, "lyceum_app", str(id))
    for table in ("users", "session_participants", "collaboration_sessions"):
        found = await plan(db, f"select * from {table}")
        assert "Seq Scan" not in found, found
    assert await db.fetchval("select count(*) from collaboration_sessions") == 4
