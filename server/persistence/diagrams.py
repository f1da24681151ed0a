"""Tells what the schema is, as it stands in a database: a diagram and notes for each context."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from server.persistence.types import Connection


class Context(NamedTuple):
    """Tables that belong together."""

    title: str
    note: str
    tables: tuple[str, ...]


CONTEXTS = (
    Context(
        "Users",
        "Who people are, what of them is secret, where they are signed in, which roles they have.",
        (
            "users",
            "user_profiles",
            "user_keys",
            "user_secrets",
            "encryption_keys",
            "auth_sessions",
            "role_grants",
        ),
    ),
    Context(
        "Learning",
        "What is taught, and what people have done of it.",
        (
            "courses",
            "course_prerequisites",
            "modules",
            "lessons",
            "quizzes",
            "quiz_questions",
            "enrollments",
            "user_progress",
            "quiz_attempts",
            "code_submissions",
        ),
    ),
    Context(
        "Collaboration",
        "Live sessions: the journal of their documents, who takes part, chat, webhooks.",
        (
            "documents",
            "document_updates",
            "document_snapshots",
            "document_versions",
            "journal_writers",
            "background_jobs",
            "collaboration_sessions",
            "session_participants",
            "session_activity",
            "deleted_sessions",
            "revocations",
            "chat_messages",
            "chat_counters",
            "chat_keys",
            "webhooks",
            "webhook_deliveries",
        ),
    ),
    Context(
        "Gamification",
        "What learning earns.",
        (
            "xp_events",
            "xp_event_keys",
            "xp_histogram",
            "user_stats",
            "streaks",
            "achievements",
            "user_achievements",
            "badges",
            "user_badges",
            "leaderboard_periods",
            "leaderboard_scores",
            "mv_user_leaderboard",
        ),
    ),
    Context(
        "AI tutor",
        "What was asked and answered, what it cost, and what to learn next.",
        (
            "tutor_threads",
            "tutor_messages",
            "recommendations",
            "recommendations_due",
            "course_sequels",
            "ai_usage_daily",
        ),
    ),
    Context(
        "Content and community",
        "The curriculum's history, what people write to each other, credentials on a chain.",
        (
            "content_items",
            "content_versions",
            "posts",
            "comments",
            "votes",
            "flags",
            "suspensions",
            "attention_seen",
            "search_vocabulary",
            "search_changes",
            "credentials",
        ),
    ),
    Context(
        "Security",
        "What roles may do, how fast, and what was done.",
        ("permissions", "rate_limits", "audit_log", "audit_seals", "audit_key"),
    ),
    Context(
        "Analytics",
        "What people did, event by event, and what it comes to. Nothing here refers by key.",
        (
            "learning_analytics",
            "analytics_course_daily",
            "analytics_lesson_daily",
            "analytics_type_hourly",
            "analytics_user_daily",
            "analytics_watermarks",
            "analytics_submissions_daily",
            "analytics_active_daily",
            "analytics_collaboration_hourly",
            "analytics_batches",
            "analytics_activity_hours",
            "analytics_rebuilds",
        ),
    ),
)


class Column(NamedTuple):
    """A column; comment: None if it has none."""

    name: str
    type: str
    nullable: bool
    comment: str | None


class Key(NamedTuple):
    """A primary (p), unique (u) or foreign (f) key; other, on_delete: of a foreign one."""

    kind: str
    columns: tuple[str, ...]
    other: str | None
    on_delete: str | None


class Table(NamedTuple):
    """A table, or a materialized view; partitioned: by what, None if it is not."""

    name: str
    comment: str | None
    partitioned: str | None
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]

    def key_of(self, column: str) -> str:
        """The letters that a diagram has behind a column."""
        kinds = {
            key.kind
            for key in self.keys
            if column in key.columns and (key.kind != "u" or len(key.columns) == 1)
        }
        return ", ".join(f"{kind.upper()}K" for kind in "pfu" if kind in kinds)


OURS = """
relnamespace = 'public'::regnamespace
    and relkind in ('r', 'p', 'm')
    and not relispartition
    and relname <> 'schema_migrations'
"""
TABLES = f"""
select relname, obj_description(oid, 'pg_class'),
    case when relkind = 'p' then pg_get_partkeydef(oid) end
from pg_class
where {OURS}
order by relname
"""  # noqa: S608
COLUMNS = f"""
select relname, attname, format_type(atttypid, atttypmod), not attnotnull,
    col_description(attrelid, attnum)
from pg_attribute
join pg_class on pg_class.oid = attrelid
where {OURS} and attnum > 0 and not attisdropped
order by attnum
"""  # noqa: S608
# A partition's own foreign keys, and those that Postgres makes for partitions, are the table's.
KEYS = f"""
select relname, contype::text,
    array(
        select attname::text
        from unnest(conkey) with ordinality as part (number, position)
        join pg_attribute on attrelid = conrelid and attnum = part.number
        order by position
    ),
    (select other.relname from pg_class as other where other.oid = confrelid),
    case confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'r' then 'restrict' end
from pg_constraint
join pg_class on pg_class.oid = conrelid
where {OURS} and contype in ('p', 'u', 'f') and conparentid = 0
order by conname
"""  # noqa: S608


async def read(connection: Connection) -> list[Table]:
    """The tables of a database, without partitions."""
    columns: dict[str, list[Column]] = {}
    for table, *column in await connection.fetch(COLUMNS):
        columns.setdefault(table, []).append(Column(*column))
    keys: dict[str, list[Key]] = {}
    for table, kind, names, other, on_delete in await connection.fetch(KEYS):
        keys.setdefault(table, []).append(Key(kind, tuple(names), other, on_delete))
    return [
        Table(name, comment, partitioned, tuple(columns[name]), tuple(keys.get(name, ())))
        for name, comment, partitioned in await connection.fetch(TABLES)
    ]


TITLE = """# The schema

Made from a migrated database by `lyceum db schema > docs/schema.md`; [data.md](data.md) says why
it is so. In the diagrams a line tells the columns that refer, and what a deletion at its other end
does here.
"""


def render(tables: Sequence[Table], contexts: Sequence[Context] = CONTEXTS) -> str:
    """Markdown: for each context a Mermaid diagram and what its tables hold."""
    known = {table.name: table for table in tables}
    parts = [TITLE]
    placed = set()
    for context in contexts:
        placed |= set(context.tables)
        parts += _context(context, [known[name] for name in context.tables if name in known])
    others = [table for table in tables if table.name not in placed]
    if others:
        parts += _context(Context("Others", "In no context.", ()), others)
    return "\n".join(parts)


def _context(context: Context, tables: Sequence[Table]) -> Iterator[str]:
    yield f"## {context.title}\n\n{context.note}\n\n```mermaid\nerDiagram"
    for table in tables:
        yield f"    {table.name} {{"
        for column in table.columns:
            yield f"        {_type(column)} {column.name} {table.key_of(column.name)}".rstrip()
        yield "    }"
    for table in tables:
        for key in table.keys:
            if key.kind == "f":
                yield f"    {_line(table, key)}"
    yield "```\n"
    for table in tables:
        yield f"- **{table.name}**{_how(table)}: {table.comment}"
        for column in table.columns:
            if column.comment:
                yield f"  - `{column.name}`: {column.comment}"
    yield ""


SHORT: Mapping[str, str] = {
    "timestamp with time zone": "timestamptz",
    "double precision": "double",
}


def _type(column: Column) -> str:
    # Mermaid takes one word, and no comma in it.
    return SHORT.get(column.type, column.type.partition("(")[0])


def _line(table: Table, key: Key) -> str:
    nullable = any(column.nullable for column in table.columns if column.name in key.columns)
    alone = any(
        other.kind in "pu" and set(other.columns) <= set(key.columns) for other in table.keys
    )
    one, many = "|o" if nullable else "||", "o|" if alone else "o{"
    return f'{key.other} {one}--{many} {table.name} : "{", ".join(key.columns)}: {key.on_delete}"'


def _how(table: Table) -> str:
    return f" (partitioned by {table.partitioned.lower()})" if table.partitioned else ""
