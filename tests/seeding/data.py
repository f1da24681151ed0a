"""All that a database holds, as one text for each table."""

from tests.support.logins import connected

# What is encrypted is new each time, and what tells of the run itself.
RANDOM = ["email", "wrapped"]
NOT_DATA = (
    "schema_migrations",
    "encryption_keys",
    "audit_key",
    "audit_log",
    "audit_seals",
    "journal_writers",
)
TABLES = """
select relname::text
from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm') and not relispartition
    and relname <> all($1::text[])
order by 1
"""
SUM = """
select count(*), coalesce(md5(string_agg(row, '' order by row)), '')
from (select md5((to_jsonb({table}) - $1::text[])::text) as row from {table}) as hashed
"""


async def sums(url: str) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a hash over them."""
    async with connected(url) as connection:
        tables = [row[0] for row in await connection.fetch(TABLES, NOT_DATA)]
        return {
            table: tuple(await connection.fetchrow(SUM.format(table=table), RANDOM))
            for table in tables
        }
