"""`lyceum db schema`: the schema of the database that is there, for people and for programs."""

import json
from pathlib import Path

from tests.support.command import Command
from tests.support.postgres import PostgresInstance

DOCUMENT = Path(__file__).parents[2] / "docs" / "schema.md"


async def test_prints_the_schema(tmp_path: Path, database_url: str) -> None:
    """Markdown as in docs/, or one JSON object by table."""
    lyceum = Command(tmp_path, database_url=database_url)
    printed = await lyceum("db", "schema")
    assert (printed.code, printed.errors) == (0, "")
    assert printed.output.strip() == DOCUMENT.read_text().strip()
    tables = json.loads((await lyceum("db", "schema", "--json")).output)
    assert tables["user_progress"]["partitioned"] == "HASH (user_id)"
    assert tables["users"]["columns"][0] == {
        "name": "id",
        "type": "bigint",
        "nullable": False,
        "comment": None,
    }
    assert {
        "kind": "f",
        "columns": ["user_id"],
        "other": "users",
        "on_delete": "cascade",
    } in tables["enrollments"]["keys"]


async def test_a_database_without_schema(tmp_path: Path, postgres: PostgresInstance) -> None:
    """It says what to do first."""
    url = await postgres.create_empty_database()
    complaint = (await Command(tmp_path, database_url=url)("db", "schema")).complaint
    assert "`lyceum db migrate` makes it" in complaint
