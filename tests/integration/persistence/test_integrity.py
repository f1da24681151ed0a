"""Each check finds, and names, what was broken on purpose, and nothing in what is right."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import uuid4

import pytest
import pytest_asyncio
from asyncpg import Range

from server.persistence import integrity
from server.persistence.database import connect
from server.persistence.integrity import CHECKS, Check, check_all
from server.persistence.school.events import Event, take
from server.persistence.school.leaderboard import refresh_leaderboard
from server.persistence.school.ranks import moved
from server.persistence.school.rollups import roll_up
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.support.postgres import PostgresInstance

LIVE = """
insert into documents (name, last_seq) select 'lesson-' || n, 5 from generate_series(1, 3) n;
insert into document_updates select id, seq, 'x' from documents, generate_series(3, 5) seq;
insert into document_snapshots select id, 4, 'x' from documents;
insert into collaboration_sessions (id, name) select id, name from documents;
insert into session_activity (at, session_id, participant, kind)
    select now(), id, gen_random_uuid(), 'join' from documents;
insert into chat_counters select id, 2, 3 from documents;
insert into chat_messages
        (session_id, seq, revision, name, client_message_id, body, reply_to, sent_at)
    select id, n, n + 1, '', n, 'hello', nullif(n - 1, 0), now()
    from documents, generate_series(1, 2) n;
insert into chat_keys select id, 'g', n, n, n + 1 from documents, generate_series(1, 2) n;
insert into audit_seals
    select n, int8multirange(int8range(n, n + 1)), n, 1, sha256('r'), sha256('p'), now(), 'k',
        sha256('s') || sha256('s'), sha256('l')
    from generate_series(1, 3) n;
alter table audit_seals disable trigger user;
alter table content_versions disable trigger user;
"""

JUDGED = Event(
    datetime.now(UTC), uuid4(), "submission.judged", 1, None, 1, 11, {"status": "PASSED"}
)


async def add_people(db: Connection) -> None:
    """Somebody who has learned, earned and written something."""
    person = await insert(db, "users", role="ADMIN", xp=30, streak=2)
    mine = {"user_id": person["id"]}
    await insert(db, "role_grants", **mine, role="ADMIN")
    for key, amount in (("lesson:1", 40), ("mistake", -10)):
        await insert(db, "xp_event_keys", **mine, key=key)
        reason = "LESSON" if amount > 0 else "CORRECTION"
        await insert(db, "xp_events", **mine, key=key, amount=amount, reason=reason)
    await moved(db, person["id"], 0, 30, None, datetime.now(UTC))
    await refresh_leaderboard(db)
    days = [Range(date(2026, 3, 1), date(2026, 3, 5)), Range(date(2026, 3, 7), date(2026, 3, 9))]
    await insert(db, "streaks", **mine, current=2, longest=4, last_day=date(2026, 3, 8), days=days)
    await insert(db, "user_stats", **mine, achievements=1, seconds=90)
    await insert(db, "user_achievements", **mine)
    await insert(db, "user_progress", **mine, seconds=60)
    await insert(db, "user_progress", **mine, seconds=30)
    await insert(db, "user_keys", **mine)
    await insert(db, "user_secrets", **mine)
    item = await insert(db, "content_items", last_version=2)
    for version, body in enumerate(("{}", '{"title": "Solidity"}'), 1):
        digest = sha256(body.encode()).digest()
        values = {"version": version, "body": body, "sha256": digest}
        await insert(db, "content_versions", item_id=item["id"], **values)
    await db.execute("update content_items set published_version = 2")
    post = await insert(db, "posts", author_id=person["id"])
    await insert(db, "votes", post_id=post["id"], value=-1)
    comment = await insert(db, "comments", post_id=post["id"])
    await insert(db, "comments", post_id=post["id"], status="DELETED", body=None)
    await insert(db, "votes", comment_id=comment["id"], post_id=None, value=1)


@pytest_asyncio.fixture(scope="module")
async def right(postgres: PostgresInstance) -> AsyncIterator[Connection]:
    """A connection to a database in which everything is right."""
    connection = await connect(await postgres.create_database())
    await connection.execute(LIVE)
    await add_people(connection)
    await take(connection, [JUDGED])
    await roll_up(connection)
    yield connection
    connection.terminate()


async def wrong(connection: Connection) -> dict[str, list[str]]:
    """What each check says that found something."""
    return {
        result.check.name: result.wrong async for result in check_all(connection) if result.found
    }


async def test_what_is_right(right: Connection) -> None:
    """Nothing is found, and every check was made."""
    assert await wrong(right) == {}
    assert len([result async for result in check_all(right)]) == len(CHECKS)


# By check: what breaks it and no other one, and words of what is said then.
BREAKS = {
    "journal-end": (
        "update documents set last_seq = 4 where name = 'lesson-2'",
        "(lesson-2): last_seq 4, newest row 5",
    ),
    "journal-gaps": (
        "delete from document_snapshots",
        "2 rows missing after seq 0",
    ),
    "snapshots": (
        "insert into document_snapshots select id, 9, 'x' from documents limit 1",
        "snapshot of seq 9, last_seq 5",
    ),
    "session-names": (
        "update collaboration_sessions set name = 'x' where name = 'lesson-1'",
        "is called x, its document lesson-1",
    ),
    "deleted-sessions": (
        "insert into deleted_sessions values ('lesson-3')",
        "session lesson-3 is deleted",
    ),
    "chat-counters": (
        "update chat_counters set last_revision = 9",
        "revision 9; 2 messages up to 2 and revision 3",
    ),
    "chat-keys": ("update chat_keys set seq = 7 where seq = 1", "is message 7, which is not there"),
    "chat-replies": (
        "delete from chat_messages where seq = 1",
        "message 2 answers 1",
    ),
    "activity": ("update session_activity set session_id = 99999", "session 99999: 3 rows"),
    "xp": ("update users set xp = 31 where role = 'ADMIN'", "xp 31, ledger 30"),
    "xp-keys": (
        "delete from xp_event_keys where key = 'mistake'",
        "mistake are not among the keys",
    ),
    "board-scores": ("update leaderboard_scores set xp = xp + 1", "31 points, ledger 30"),
    "ranked": ("update leaderboard_scores set ranked = false", "is ACTIVE, and not ranked on"),
    "histogram": (
        "update xp_histogram set people = 2 where width = 1000 and bucket = 0",
        "2 people with 0 times 1000 points, counted 1",
    ),
    "leaderboard": (
        "alter materialized view mv_user_leaderboard rename to real;"
        " create table mv_user_leaderboard as select user_id, 2 as place, 1 as rank, xp from real",
        "with 30 points: place 2, rank 1; counted 1 and 1",
    ),
    "levels": ("update users set level = 3 where role = 'ADMIN'", "level 3 with 30 points"),
    "stats": (
        "update user_stats set achievements = 3, lessons_completed = 1",
        "achievements 3, counted 1",
    ),
    "streaks": (
        "update streaks set longest = 3",
        "streak 2; 2 days in a row, at best 3; counted 2, at best 4",
    ),
    "roles": ("update role_grants set revoked_at = now()", "is ADMIN without a grant"),
    "secrets": (
        "update encryption_keys set status = 'RETIRED', retired_at = now()",
        "is retired, and still needed",
    ),
    "content": (
        "delete from content_versions where version = 1",
        "last_version 2; 1 versions up to 2",
    ),
    "content-shown": (
        "update courses set title = 'Other' where id in (select course_id from content_items)",
        "its title is not what version 2 has",
    ),
    "scores": (
        """
        update comments set score = 0;
        update user_stats set reputation = 0 where reputation > 0
        """,
        "score 0, votes 1",
    ),
    "comments": ("update posts set comments = 2", "2 comments, counted 1"),
    "addressees": ("update comments set addressee_id = null", "answers user"),
    "vocabulary": ("delete from search_changes", " in en: in 0 texts, counted 1"),
    "community": ("update user_stats set reputation = 7, posts = 0", "reputation 7, counted -1"),
    "course-daily": (
        "update analytics_course_daily set events = 9",
        ": kept (9,1,0,0,0,0,1,1,0,0)",
    ),
    "lesson-daily": ("delete from analytics_lesson_daily", ": kept , events say (1,1,1,0,0,0)"),
    "type-hourly": ("update analytics_type_hourly set people = 0", "submission.judged, "),
    "user-daily": (
        "update analytics_user_daily set submissions = 0",
        ": kept (1,0,0,0,0), events say (1,0,1,0,0)",
    ),
    "submissions-daily": (
        "update analytics_submissions_daily set result = 'ERROR'",
        "ERROR: kept (1), events say ",
    ),
    "active": (
        "update analytics_active_daily set week_change = 2 where people = 1",
        ": kept (1,2,1), days of people say (1,1,1)",
    ),
    "collaboration": (
        "update analytics_collaboration_hourly set runs = 4",
        ": kept (3,3,0,0,0,4), activity says (3,3,0,0,0,0)",
    ),
    "seal-numbers": ("delete from audit_seals where number = 2", "seal 3 stands at place 2"),
    "sealed-once": (
        "update audit_seals set ids = '{[1,3)}' where number = 2",
        "rows {[1,2)} are in seal 2",
    ),
}


# What is wrong as well then.
ALONG = {
    "activity": {"collaboration"},
    "journal-end": {"snapshots"},
    "snapshots": {"journal-end"},
    "chat-replies": {"chat-keys", "chat-counters"},
}


def test_every_check_is_broken_once() -> None:
    """None is without a test."""
    assert list(BREAKS) == [check.name for check in CHECKS]


@pytest.mark.parametrize("name", BREAKS)
async def test_what_is_wrong(right: Connection, name: str) -> None:
    """The check of it says so, and names what is wrong."""
    statement, words = BREAKS[name]
    transaction = right.transaction()
    await transaction.start()
    try:
        await right.execute(statement)
        found = await wrong(right)
        assert words in "\n".join(found[name])
        assert found.keys() <= ALONG.get(name, set()) | {name}
    finally:
        await transaction.rollback()


async def test_much_is_wrong(right: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows are told, all are counted."""
    monkeypatch.setattr(integrity, "MOST_SHOWN", 5)
    many = Check("many", "there are few", "select n::text as wrong from generate_series(1, 30) n")
    (result,) = [result async for result in check_all(right, [many])]
    assert (result.found, result.wrong) == (30, ["1", "2", "3", "4", "5"])
