"""Statements find what they look for by an index."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from server.persistence import (
    activity,
    chat,
    collaboration,
    deliveries,
    documents,
    journal,
    opening,
    people,
    privacy,
    revocations,
    rotation,
    webhooks,
)
from server.persistence.queries import Query
from server.persistence.types import Connection
from tests.support.postgres import PostgresInstance

FILL = """
insert into documents (name, last_seq) select 'document ' || n, 20 from generate_series(1, 5000) n;
insert into document_updates (document_id, seq, payload)
    select id, seq, 'x' from documents, generate_series(1, 20) seq;
insert into document_snapshots (document_id, seq, payload)
    select id, seq, 'x' from documents, generate_series(5, 15, 5) seq;
insert into collaboration_sessions (id, name, owner, status, updated_at, expires_at)
    select id, name, 'user ' || id % 500, (array['ACTIVE', 'ARCHIVED'])[id % 2 + 1],
        now() - id * interval '1 hour', now() + id * interval '1 hour'
    from documents;
insert into session_participants (session_id, user_id)
    select id, 'user ' || n from documents, generate_series(1, 5) n;
insert into deleted_sessions select 'deleted ' || n, now() - n * interval '1 day'
    from generate_series(1, 5000) n;
insert into chat_counters select id, 5, 5 from documents;
insert into chat_keys select id, 'u:ann', n, n, n from documents, generate_series(1, 4) n;
insert into chat_messages
    (session_id, seq, revision, user_id, name, client_message_id, body, sent_at)
    select id, n, n, 'ann', '', n, 'hello', now() + (n - 2) * interval '1 month'
    from documents, generate_series(1, 5) n;
insert into session_activity (at, session_id, participant, user_id, kind)
    select now() + n * interval '1 minute', id, gen_random_uuid(), 'user 3', 'join'
    from documents, generate_series(1, 20) n;
insert into journal_writers (id) select gen_random_uuid() from generate_series(1, 5000);
insert into webhooks (owner, url, secret, sessions, events, status)
    select 'user ' || n, 'https://a.example/', 'whsec_x', '*', '{chat.message}',
        case when n % 100 = 0 then 'ACTIVE' else 'PAUSED' end
    from generate_series(1, 5000) n;
insert into webhook_deliveries
        (webhook_id, event_id, event_type, session, payload, status, next_attempt_at, created_at)
    select 10 * webhook, gen_random_uuid(), 'chat.message', 'lesson', '{}',
        case when n % 50 = 0 then 'PENDING' else 'FAILED' end,
        case when n % 50 = 0 then now() end,
        now() - n * interval '1 hour'
    from generate_series(1, 500) webhook, generate_series(1, 400) n;
insert into encryption_keys (id, fingerprint, status) values
    (1, sha256('1'), 'RETIRING'), (2, sha256('2'), 'ACTIVE');
insert into users (subject, username, email, email_key_id, email_blind)
    select 'subject ' || n, 'name' || n, 'x', 1 + n % 2, sha256(n::text::bytea)
    from generate_series(1, 5000) n;
insert into user_keys (user_id, key_id, wrapped)
    select id, email_key_id, sha256('') || sha256('') from users;
insert into user_secrets (user_id, kind, value)
    select id, 'phone', sha256('') || sha256('') from users;
insert into revocations (token_id) select 'token ' || n from generate_series(1, 5000) n;
insert into revocations (user_id, issued_before)
    select 'user ' || n, now() from generate_series(1, 5000) n;
analyze;
"""
EVENTS = "'{chat.message}'"
ARGUMENTS: dict[str | Query, list[str]] = {
    documents.LOAD: ["'document 7'"],
    documents.CREATE: ["'document 7'"],
    documents.NEWEST_SNAPSHOT: ["7"],
    documents.UPDATES_AFTER: ["7", "15"],
    documents.SAVE_SNAPSHOT: ["7", "20", "'x'"],
    documents.DROP_HISTORY: ["7", "'1 day'"],
    documents.THIN_SNAPSHOTS: ["7"],
    collaboration.DETAILS: ["'document 7'"],
    collaboration.IS_DELETED: ["'deleted 7'"],
    collaboration.ADOPT: ["'document 7'"],
    collaboration.CREATE_DOCUMENT: ["'document 7'", "0"],
    collaboration.LOCK: ["'document 7'"],
    collaboration.DELETE: ["'nobody'"],
    collaboration.BURY: ["'document 7'"],
    collaboration.SET_ROLE: ["7", "'ann'", "'viewer'"],
    collaboration.TOUCH: ["7"],
    collaboration.EXPIRE_DUE: [],
    collaboration.RECENT: [],
    collaboration.PARTICIPANTS: ["7", "''", "10"],
    collaboration.MINE: ["'user 7'", "5000", "array['ACTIVE']", "10"],
    chat.ADD_COUNTERS: ["array[7, 9]::bigint[]"],
    chat.LOCK_COUNTERS: ["array[7, 9]::bigint[]"],
    chat.FIND_KEYS: ["array[7, 9]::bigint[]", "array['u:ann', 'g']", "array['1', '2']"],
    chat.FIND: ["7", "2"],
    chat.SINCE: ["7", "2", "10"],
    chat.BEFORE: ["7", "3", "10"],
    chat.LAST_REVISION: ["7"],
    chat.RAISE_COUNTERS: ["array[7]::bigint[]", "array[5]::bigint[]", "array[5]::bigint[]"],
    journal.REGISTER: ["gen_random_uuid()"],
    journal.LAST_BATCH: ["gen_random_uuid()"],
    journal.APPEND: ["gen_random_uuid()", "1", "array[7, 9]::bigint[]", "array['x', 'x']::bytea[]"],
    opening.OPEN: ["'document 7'"],
    people.FIND: ["array[1, 2]", "array[sha256('7'), sha256('8')]"],
    people.EMAIL: ["7"],
    people.SECRETS: ["7", "array['phone']"],
    rotation.WRAPPED_BY: ["1", "100", "50"],
    rotation.FOUND_BY: ["1", "100", "50"],
    privacy.FIND: ["'subject 7'", "gen_random_uuid()"],
    revocations.REVOKE_ONE: ["'token 7'"],
    revocations.REVOKE_ALL: ["'user 7'"],
    revocations.AFTER: ["9990"],
    webhooks.READ: ["gen_random_uuid()"],
    webhooks.HOOKS: ["1000", "50"],
    webhooks.CREATE: ["'user 7'", "'https://a.example/'", "'whsec_x'", "'*'", EVENTS, "100"],
    webhooks.LOCK: ["gen_random_uuid()"],
    webhooks.CHANGE: ["gen_random_uuid()", "'https://a.example/'", "'*'", EVENTS, "'ACTIVE'"],
    webhooks.PARK: ["70"],
    webhooks.UNPARK: ["70"],
    webhooks.DELETE: ["gen_random_uuid()"],
    webhooks.SUBSCRIPTIONS: [],
    deliveries.ENQUEUE: [
        "array[100, 200]::bigint[]",
        "array[gen_random_uuid(), gen_random_uuid()]",
        "array['chat.message', 'chat.message']",
        "array['lesson', 'lesson']",
        "array['{}', '{}']",
    ],
    deliveries.CLAIM: ["'{}'::bigint[]", "4", "8", "20"],
    deliveries.SETTLE: ["7", "1", "'FAILED'", "500", "'no'", "0"],
    deliveries.SUCCEEDED: ["70"],
    deliveries.FAILED: ["70"],
    deliveries.PAUSE: ["70", "'no'", "now()"],
    deliveries.DELIVERIES: ["70", "100000", "'FAILED'", "50"],
    deliveries.READ: ["70", "gen_random_uuid()"],
    deliveries.REDELIVER: ["70", "gen_random_uuid()"],
    deliveries.PRUNE: ["1000"],
    activity.REGISTER: ["gen_random_uuid()"],
    activity.FENCE: ["gen_random_uuid()", "1"],
    activity.SEE: [
        "array[7, 9]::bigint[]",
        "array['user 1', 'new']",
        "array['', '']",
        "array[now(), now()]",
        "array[now(), now()]",
    ],
    activity.BY_INTERVAL: ["7", "now()", "now() + interval '1 hour'", "60", "null"],
    activity.SUMMARY: ["7", "now()", "now() + interval '1 hour'", "100"],
}


@pytest_asyncio.fixture(scope="module")
async def full(postgres: PostgresInstance) -> AsyncIterator[Connection]:
    """A connection to a database with so many rows that reading a whole table is no good plan."""
    connection = await asyncpg.connect(await postgres.create_database())
    await connection.execute(FILL)
    yield connection
    connection.terminate()


def sql_of(statement: str | Query) -> str:
    return statement.sql if isinstance(statement, Query) else statement


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from scans(part)


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("statement", ARGUMENTS, ids=lambda it: " ".join(sql_of(it).split()[:3]))
async def test_statements_use_indexes(full: Connection, statement: str | Query, mode: str) -> None:
    """No statement reads a whole table, planned once for all or for its arguments."""
    await full.execute(f"set plan_cache_mode = {mode}; prepare it as {sql_of(statement)}")
    arguments = ", ".join(ARGUMENTS[statement])
    given = f"({arguments})" if arguments else ""
    (row,) = await full.fetch(f"explain (format json) execute it{given}")
    await full.execute("deallocate it")
    plan = json.loads(row[0])
    few = {"encryption_keys"}  # a row a year
    assert set(scans(plan[0]["Plan"])) - few == set()


async def test_reading_touches_one_partition(full: Connection) -> None:
    """The rows of a document are looked for in its partition only."""
    query = documents.UPDATES_AFTER.sql.replace("$1", "7").replace("$2", "15")
    plan = await full.fetchval(f"explain (format json) {query}")
    assert len(set(re.findall(r"document_updates_\d", plan))) <= 2  # its name and its index's


@pytest.mark.parametrize("query", [activity.BY_INTERVAL, activity.SUMMARY])
async def test_activity_is_read_from_its_months_only(full: Connection, query: Query) -> None:
    """By the index on session and time, and no partition of another month is touched."""
    statement = query.sql
    arguments = ["7", "now()", "now() + interval '1 minute'", "100", "null"]
    for number, argument in enumerate(arguments, 1):
        statement = statement.replace(f"${number}", argument)
    plan = await full.fetchval(f"explain (analyze, format json) {statement}")
    assert len(re.findall(r'"Relation Name": "session_activity_[0-9_]+"', plan)) == 1
    assert re.search(r'"Index Name": "session_activity_[0-9_]+_session_id_at_idx"', plan)
