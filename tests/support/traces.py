"""What a person leaves behind all over the schema, marked so that it is found again."""

import json
from hashlib import sha256

from server.domain.envelope import Keyring
from server.persistence.people import NewPerson, Person, put_secret, register
from server.persistence.types import Connection
from tests.schema.rows import insert


def mark(name: str) -> str:
    """What stands wherever something personal of somebody is."""
    return f"mark-{name}"


def said(name: str) -> str:
    """What stands in that which somebody said or made, and which stays."""
    return f"said-{name}"


async def come(connection: Connection, ring: Keyring, name: str) -> Person:
    """Somebody registers."""
    new = NewPerson(f"{mark(name)}-sub", mark(name), f"{mark(name)}@school.example")
    person = await register(connection, ring, new)
    await put_secret(connection, ring, person.id, "address", f"{mark(name)} Street 1")
    return person


async def leave_traces(connection: Connection, name: str, person: Person, other: Person) -> None:
    """One row of the person's in every table; `other` has done something to some of them."""
    await _live(connection, name, person, other)
    await _people(connection, name, person, other)
    await _learning(connection, name, person)
    await _community(connection, name, person, other)
    await _audited(connection, person)


async def _audited(connection: Connection, person: Person) -> None:
    async with connection.transaction():
        await connection.execute(
            "select set_config('app.current_user_id', $1, true)", str(person.id)
        )
        await connection.execute(
            "update user_profiles set language = 'fr' where user_id = $1", person.id
        )


LIVE = """
with document as (insert into documents (name) values ($2) returning id)
insert into collaboration_sessions (id, name, title, owner, starting_code)
select id, $2, $2, $1, $2 from document
returning id
"""

VERSION = """
insert into document_versions (document_id, version, name, seq, payload, author)
values ($1, 1, 'kept', 0, '', $2)
"""

PARTICIPANT = """
insert into session_participants (session_id, user_id, name, role, first_seen_at, last_seen_at)
values ($1, $2, $3, 'teacher', now(), now())
"""

CHAT = """
insert into chat_messages
    (session_id, seq, revision, user_id, name, client_message_id, body, sent_at)
values ($1, 1, 1, $2, $3, 'c1', $4, now())
"""

MENTIONING = """
insert into chat_messages (
    session_id, seq, revision, user_id, name, client_message_id, mentions, sent_at, deleted_at,
    deleted_by
)
values ($1, 2, 2, null, 'a guest', 'c2', array[$2], now(), now(), $2)
"""

CHAT_KEY = """
insert into chat_keys (session_id, author, client_message_id, seq, revision)
values ($1, 'u:' || $2::text, 'c1', 1, 1)
"""

ACTIVITY = """
insert into session_activity (at, session_id, participant, user_id, kind, data)
values (now(), $1, gen_random_uuid(), $2, 'role', jsonb_build_object('by', $3::text))
"""

WEBHOOK = """
insert into webhooks (owner, url, secret, sessions, events)
values ($1, 'https://' || $2 || '.example/', 'whsec_x', '*', '{chat.message}')
returning id
"""

DELIVERY = """
insert into webhook_deliveries (webhook_id, event_id, event_type, session, payload)
values ($1, gen_random_uuid(), 'any', 'lesson', $2)
"""


async def _live(connection: Connection, name: str, person: Person, other: Person) -> None:
    subject = person.subject
    session = await connection.fetchval(LIVE, subject, said(name))
    await connection.execute(VERSION, session, subject)
    await connection.execute(PARTICIPANT, session, subject, mark(name))
    await connection.execute(CHAT, session, subject, mark(name), said(name))
    await connection.execute(MENTIONING, session, subject)
    await connection.execute(CHAT_KEY, session, subject)
    await connection.execute(ACTIVITY, session, subject, other.subject)
    hook = await connection.fetchval(WEBHOOK, subject, mark(name))
    user, else_ = {"user": subject, "name": mark(name)}, {"user": other.subject, "name": "x"}
    for data in (
        {"participant": user},
        {"participants": [else_, user]},
        {"message": user | {"body": said(name), "mentions": []}},
        {"message": else_ | {"body": "x", "mentions": [subject]}},
    ):
        await connection.execute(DELIVERY, hook, json.dumps({"data": data}))
    await connection.execute(
        "insert into revocations (user_id, issued_before) values ($1, now())", subject
    )


async def _people(connection: Connection, name: str, person: Person, other: Person) -> None:
    here = {"user_id": person.id}
    site = f"https://{mark(name)}.example"
    await insert(
        connection,
        "user_profiles",
        **here,
        display_name=mark(name),
        bio=mark(name),
        website=site,
        avatar_url=site,
        wallet="0x" + "b" * 40,
    )
    await insert(connection, "auth_sessions", **here, user_agent=mark(name), address="192.0.2.1")
    await insert(connection, "role_grants", **here, granted_by=other.id, reason=mark(name))
    await insert(connection, "rate_limits", who=str(person.public_id))


async def _learning(connection: Connection, name: str, person: Person) -> None:
    here = {"user_id": person.id}
    personal = json.dumps({"note": mark(name)})
    await insert(connection, "courses", owner_id=person.id, summary=said(name))
    await connection.execute("update users set xp = 10 where id = $1", person.id)
    for table in ("enrollments", "user_achievements", "xp_events", "user_stats", "streaks"):
        await insert(connection, table, **here)
    for table in ("leaderboard_scores", "recommendations", "ai_usage_daily"):
        await insert(connection, table, **here)
    await insert(connection, "user_progress", **here, state=personal)
    await insert(connection, "quiz_attempts", **here, answers=personal)
    await insert(connection, "code_submissions", **here, source=mark(name), result=personal)
    await insert(connection, "xp_event_keys", **here, key=mark(name))
    thread = await insert(connection, "tutor_threads", **here, title=mark(name))
    await insert(connection, "tutor_messages", thread_id=thread["id"], **here, body=mark(name))
    await insert(connection, "learning_analytics", **here, data=personal)
    await insert(connection, "analytics_user_daily", **here)


async def _community(connection: Connection, name: str, person: Person, other: Person) -> None:
    here = {"user_id": person.id}
    body = json.dumps({"title": said(name)})
    await insert(
        connection,
        "content_versions",
        author_id=person.id,
        body=body,
        sha256=sha256(body.encode()).digest(),
    )
    await insert(connection, "posts", author_id=person.id, body=said(name), moderated_by=other.id)
    await insert(connection, "comments", author_id=person.id, body=said(name))
    await insert(connection, "votes", **here)
    await insert(connection, "flags", **here)
    await insert(connection, "attention_seen", **here)
    await insert(connection, "suspensions", **here)
    await insert(connection, "user_badges", **here, awarded_by=other.id, reason=mark(name))
    await insert(connection, "credentials", **here, metadata=json.dumps({"name": mark(name)}))


TABLES = """
select relname
from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm') and not relispartition
order by relname
"""


async def everything(connection: Connection) -> dict[str, list[str]]:
    """All rows of all tables as text."""
    tables = [row[0] for row in await connection.fetch(TABLES)]
    return {
        table: sorted([row[0] for row in await connection.fetch(f"select t::text from {table} t")])
        for table in tables
    }


def where(rows: dict[str, list[str]], word: str) -> dict[str, int]:
    """In which tables a word stands, plain or within bytes, and in how many rows of each."""
    forms = (word, word.encode().hex())
    counts = {
        table: sum(any(form in row for form in forms) for row in there)
        for table, there in rows.items()
    }
    return {table: count for table, count in counts.items() if count}
