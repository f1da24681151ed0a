"""The description of the schema is what the database says, and leaves nothing out."""

from pathlib import Path

from server.persistence.diagrams import CONTEXTS, Column, Key, Table, read, render
from server.persistence.types import Connection

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"


async def test_the_document_is_up_to_date(db: Connection) -> None:
    """docs/schema.md equals what a migrated database gives; `lyceum db schema` writes it."""
    assert DOCUMENT.read_text() == render(await read(db))


async def test_each_table_has_one_place(db: Connection) -> None:
    """No table is in two contexts or in none."""
    placed = [table for context in CONTEXTS for table in context.tables]
    assert len(placed) == len(set(placed))
    assert {table.name for table in await read(db)} - set(placed) == set()


def test_how_a_table_is_drawn() -> None:
    """Keys and types stand behind columns, a line says how many refer and what deletion does."""
    ids = (Key("p", ("id",), None, None), Key("u", ("slug", "at"), None, None))
    columns = (
        Column("id", "bigint", False, None),
        Column("slug", "numeric(78,0)", False, "What it is called."),
        Column("at", "timestamp with time zone", True, None),
    )
    references = (
        Key("f", ("id",), "other", "cascade"),
        Key("f", ("at",), "things", "set null"),
    )
    table = Table("things", "What there is.", "RANGE (at)", columns, ids + references)
    drawn = render([table], contexts=())
    assert "## Others" in drawn
    for line in [
        "        bigint id PK, FK",
        "        numeric slug",
        "        timestamptz at FK",
        '    other ||--o| things : "id: cascade"',
        '    things |o--o{ things : "at: set null"',
        "- **things** (partitioned by range (at)): What there is.",
        "  - `slug`: What it is called.",
    ]:
        assert line in drawn.splitlines()
