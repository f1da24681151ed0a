"""What holds of every table, read from the catalogue: names, comments, keys, types, references."""

from server.persistence.partitions import TABLES
from server.persistence.types import Connection

# Rows that come by the thousand, are never looked up one by one, and may come twice.
WITHOUT_KEY = {"session_activity", "learning_analytics"}
# Numbers that people give, not the database.
SMALL_IDS = {"encryption_keys.id", "users.email_key_id", "user_keys.key_id"}

OURS = """
pg_class.relnamespace = 'public'::regnamespace
and not pg_class.relispartition
and pg_class.relname <> 'schema_migrations'
"""
UNCOMMENTED = f"""
select relname
from pg_class
where {OURS} and relkind in ('r', 'p', 'm') and obj_description(oid, 'pg_class') is null
"""
WITHOUT_PRIMARY_KEY = f"""
select relname
from pg_class
where {OURS} and relkind in ('r', 'p')
    and not exists (select from pg_index where indrelid = pg_class.oid and indisprimary)
"""
COLUMNS = f"""
select relname, attname, format_type(atttypid, null) as type
from pg_attribute
join pg_class on pg_class.oid = attrelid
where {OURS} and relkind in ('r', 'p', 'm') and attnum > 0 and not attisdropped
"""
CONSTRAINTS = f"""
select relname, conname, contype::text as kind, convalidated, confdeltype::text as on_delete,
    array(
        select attname::text
        from unnest(conkey) with ordinality as part (number, position)
        join pg_attribute on attrelid = conrelid and attnum = part.number
        order by position
    ) as columns
from pg_constraint
join pg_class on pg_class.oid = conrelid
where {OURS} and contype in ('p', 'u', 'f', 'c')
"""
INDEXES = f"""
select pg_class.relname, index.relname as name, indisunique, indisvalid
from pg_index
join pg_class on pg_class.oid = indrelid
join pg_class as index on index.oid = indexrelid
where {OURS} and pg_class.relkind in ('r', 'p', 'm')
"""
# References that are followed from the other end when a row there goes.
UNINDEXED_REFERENCES = f"""
select conname
from pg_constraint
join pg_class on pg_class.oid = conrelid
where {OURS} and contype = 'f' and confdeltype in ('c', 'n')
    and not exists (
        select
        from pg_index
        where indrelid = conrelid and indisvalid
            and (indpred is null or pg_get_expr(indpred, indrelid) ~ 'IS NOT NULL')
            and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey
    )
"""
BY_MONTH = "select partrelid::regclass::text from pg_partitioned_table where partstrat = 'r'"
SUFFIXES = {"p": "pkey", "u": "key", "f": "fkey"}


async def test_every_table_says_what_it_holds(db: Connection) -> None:
    """Each table has a comment."""
    assert [row[0] for row in await db.fetch(UNCOMMENTED)] == []


async def test_every_row_has_a_name(db: Connection) -> None:
    """Each table has a primary key, but for those that only take events."""
    assert {row[0] for row in await db.fetch(WITHOUT_PRIMARY_KEY)} == WITHOUT_KEY


async def test_names(db: Connection) -> None:
    """Constraints and indexes are named by their table, their columns and what they are."""
    wrong = []
    for table, name, kind, columns in [
        (row["relname"], row["conname"], row["kind"], row["columns"])
        for row in await db.fetch(CONSTRAINTS)
    ]:
        parts = [table] if kind == "p" else [table, *columns]
        expected = "_".join([*parts, SUFFIXES.get(kind, "")])
        if not (name.startswith(f"{table}_") if kind == "c" else name == expected):
            wrong.append(name)
    for table, name, unique, _ in await db.fetch(INDEXES):
        suffix = ("_key", "_pkey") if unique else "_idx"
        if not (name.startswith(f"{table}_") and name.endswith(suffix)):
            wrong.append(name)
    assert wrong == []


async def test_nothing_is_half_there(db: Connection) -> None:
    """Constraints hold for all rows, and indexes are complete."""
    assert all(row["convalidated"] for row in await db.fetch(CONSTRAINTS))
    assert all(row["indisvalid"] for row in await db.fetch(INDEXES))


async def test_types_that_last(db: Connection) -> None:
    """Ids don't run out, times know their zone, and text has no silent length."""
    columns = {f"{row[0]}.{row[1]}": row["type"] for row in await db.fetch(COLUMNS)}
    small = {
        name
        for name, kind in columns.items()
        if name.endswith(("_id", ".id", "seq")) and kind in ("integer", "smallint")
    }
    assert small == SMALL_IDS
    assert {
        name for name, kind in columns.items() if kind.startswith(("timestamp without",))
    } == set()
    assert not {"character varying", "character", "json", "money"} & set(columns.values())
    times = {kind for name, kind in columns.items() if name.endswith((".at", "_at"))}
    assert times == {"timestamp with time zone"}


async def test_references_say_what_a_deletion_means(db: Connection) -> None:
    """Each has its ON DELETE, and an index where the deletion goes on to the other end."""
    references = [row for row in await db.fetch(CONSTRAINTS) if row["kind"] == "f"]
    assert [row["conname"] for row in references if row["on_delete"] == "a"] == []
    assert [row[0] for row in await db.fetch(UNINDEXED_REFERENCES)] == []


async def test_no_table_runs_out_of_months(db: Connection) -> None:
    """Each table that is partitioned by time is kept ahead of it."""
    assert {row[0] for row in await db.fetch(BY_MONTH)} == set(TABLES)
