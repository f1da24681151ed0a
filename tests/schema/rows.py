"""Right rows of every table, with all that they refer to."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import NamedTuple
from uuid import uuid4

import asyncpg

from server.persistence.types import Connection

_numbers = count(1)


class Ref(NamedTuple):
    """The columns of a new row of another table."""

    table: str
    columns: tuple[str, ...] = ("id",)


def text(prefix: str) -> Callable[[], str]:
    """Something else each time."""
    return lambda: f"{prefix}-{next(_numbers)}"


def some_day() -> date:
    """A day of its own."""
    return TODAY - timedelta(days=next(_numbers))


def number() -> int:
    """Another one each time."""
    return next(_numbers)


def digest() -> bytes:
    """32 bytes, others each time."""
    return next(_numbers).to_bytes(32)


def in_a_day() -> datetime:
    """A moment that is yet to come."""
    return datetime.now(UTC) + timedelta(days=1)


Columns = Mapping[str | tuple[str, ...], object]

PERSON: Columns = {"user_id": Ref("users")}
COURSE: Columns = {"course_id": Ref("courses")}
LESSON: Columns = {("lesson_id", "course_id"): Ref("lessons", ("id", "course_id"))}
CIPHERTEXT = bytes(33)
WALLET = "0x" + 40 * "a"
TODAY = date(2026, 11, 26)
HOUR = datetime(2026, 11, 26, 12, tzinfo=UTC)

# By column, or by columns that refer together: a value, a function that makes one, or a row.
RIGHT: Mapping[str, Columns] = {
    # users
    "encryption_keys": {"id": number, "fingerprint": digest, "status": "RETIRING"},
    "users": {"subject": text("subject"), "username": text("name")},
    "user_profiles": PERSON,
    "user_keys": {**PERSON, "key_id": Ref("encryption_keys"), "wrapped": CIPHERTEXT},
    "user_secrets": {**PERSON, "kind": "phone", "value": CIPHERTEXT},
    "auth_sessions": {**PERSON, "token_hash": digest, "expires_at": in_a_day},
    "role_grants": {**PERSON, "role": "INSTRUCTOR"},
    # learning
    "courses": {"slug": text("course"), "title": "Solidity"},
    "course_prerequisites": {"course_id": Ref("courses"), "prerequisite_id": Ref("courses")},
    "modules": {**COURSE, "slug": "one", "position": 1, "title": "One"},
    "lessons": {
        ("module_id", "course_id"): Ref("modules", ("id", "course_id")),
        "slug": "first",
        "position": 1,
        "title": "First",
    },
    "enrollments": {**PERSON, **COURSE},
    "user_progress": {**PERSON, **LESSON},
    "quizzes": {"lesson_id": Ref("lessons"), "title": "Did you get it?"},
    "quiz_questions": {
        "quiz_id": Ref("quizzes"),
        "position": 1,
        "kind": "TEXT",
        "prompt": "Why?",
        "answer": '"because"',
    },
    "quiz_attempts": {**PERSON, "quiz_id": Ref("quizzes"), "number": 1},
    "code_submissions": {**PERSON, **LESSON, "source": "contract A {}"},
    # collaboration: the rest has tests beside what writes it
    "documents": {"name": text("document")},
    "document_versions": {
        "document_id": Ref("documents"),
        "version": 1,
        "name": "before the exam",
        "seq": 7,
        "payload": b"an update",
    },
    # gamification
    "badges": {"slug": text("badge"), "title": "Gas saver"},
    "user_badges": {**PERSON, "badge_id": Ref("badges")},
    "achievements": {"slug": text("achievement"), "title": "Begun", "criteria": "{}"},
    "user_achievements": {**PERSON, "achievement_id": Ref("achievements")},
    "xp_events": {**PERSON, "amount": 10, "reason": "LESSON", "key": "lesson:1"},
    "xp_event_keys": {**PERSON, "key": "lesson:1"},
    "user_stats": PERSON,
    "xp_histogram": {
        "period_id": Ref("leaderboard_periods"),
        "width": 1,
        "bucket": number,
        "shard": 0,
    },
    "streaks": PERSON,
    "leaderboard_periods": {"kind": "COURSE", **COURSE},
    "leaderboard_scores": {"period_id": Ref("leaderboard_periods"), **PERSON, "xp": 10},
    # tutor
    "tutor_threads": PERSON,
    "tutor_messages": {
        ("thread_id", "user_id"): Ref("tutor_threads", ("id", "user_id")),
        "role": "USER",
        "body": "What is a mapping?",
    },
    "recommendations": {**PERSON, **COURSE, "score": 0.5, "reason": "SIMILAR"},
    "course_sequels": {**COURSE, "recent": 1, "sequels": [1], "shares": [0.5]},
    "ai_usage_daily": {**PERSON, "day": TODAY},
    # content
    "content_items": COURSE,
    "content_versions": {
        "item_id": Ref("content_items"),
        "version": 1,
        "body": "{}",
        "sha256": sha256(b"{}").digest(),
        "author_id": Ref("users"),
    },
    "posts": {"author_id": Ref("users"), "title": "Gas", "body": "Why so much?"},
    "comments": {"author_id": Ref("users"), "post_id": Ref("posts"), "body": "Loops."},
    "votes": {**PERSON, "post_id": Ref("posts"), "value": 1},
    "flags": {**PERSON, "post_id": Ref("posts")},
    "suspensions": {**PERSON, "reason": "Spam."},
    "attention_seen": {**PERSON, "seen_until": HOUR},
    "search_vocabulary": {"language": "en", "word": text("word"), "uses": 1},
    "search_changes": {"language": "en", "change": 1, "words": ["gas"]},
    "credentials": {
        **PERSON,
        **COURSE,
        "chain_id": 1,
        "contract": WALLET,
        "recipient": WALLET,
    },
    # security
    "permissions": {
        "role": "STUDENT",
        "action": lambda: "try." + "a" * next(_numbers),
        "scope": "OWN",
    },
    "rate_limits": {"action": "post", "who": text("person"), "tokens": 1.0},
    "background_jobs": {"name": text("job")},
    # analytics
    "learning_analytics": {
        "at": lambda: datetime.now(UTC),
        "event_id": uuid4,
        "event_type": "lesson.started",
    },
    "analytics_course_daily": {"course_id": number, "day": TODAY},
    "analytics_lesson_daily": {
        "lesson_id": number,
        "course_id": 1,
        "day": TODAY,
    },
    "analytics_type_hourly": {"event_type": text("type"), "hour": HOUR},
    "analytics_user_daily": {"user_id": number, "day": TODAY},
    "analytics_watermarks": {"rollup": text("rollup")},
    "analytics_batches": {"begun_at": lambda: datetime.now(UTC)},
    "analytics_activity_hours": {"hour": HOUR},
    "analytics_submissions_daily": {"course_id": number, "day": TODAY, "result": "PASSED"},
    "analytics_active_daily": {"day": some_day},
    "analytics_collaboration_hourly": {"hour": lambda: HOUR - timedelta(hours=next(_numbers))},
    "analytics_rebuilds": {"day": some_day},
}


async def insert(db: Connection, table: str, /, **values: object) -> asyncpg.Record:
    """Insert a right row, but for `values`; what it refers to and isn't given is made.

    Of columns that refer together those that are given go on to the row that is made.
    """
    for columns, right in RIGHT[table].items():
        together = (columns,) if isinstance(columns, str) else columns
        if values.keys() >= set(together):
            continue
        if isinstance(right, Ref):
            pairs = list(zip(together, right.columns, strict=True))
            given = {there: values[here] for here, there in pairs if here in values}
            other = await insert(db, right.table, **given)
            values |= {here: other[there] for here, there in pairs}
        else:
            values[together[0]] = right() if callable(right) else right
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    row: asyncpg.Record | None = await db.fetchrow(
        f"insert into {table} ({', '.join(values)}) values ({places}) returning *",
        *values.values(),
    )
    assert row is not None
    return row
