"""Cutting SQL into statements: a semicolon ends one only where Postgres thinks so too."""

import re

import pytest

from server.errors import DatabaseError
from server.persistence.statements import concurrent_index, split


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("", []),
        (" ; -- nothing\n; /* at; all */", []),
        ("select 1", ["select 1"]),
        ("select 1;\nselect 2;\n", ["select 1", "select 2"]),
        ("-- of; two\nselect 1; select 2", ["-- of; two\nselect 1", "select 2"]),
        ("select 'a;''b;'; select 2", ["select 'a;''b;'", "select 2"]),
        (r"select e'a\';'; select 2", [r"select e'a\';'", "select 2"]),
        (r"select type'a\'; select 2", [r"select type'a\'", "select 2"]),
        ('select ";""a"; select 2', ['select ";""a"', "select 2"]),
        ("do $$ begin; end $$; select 2", ["do $$ begin; end $$", "select 2"]),
        ("do $a$ $$;$$ $a$; select 2", ["do $a$ $$;$$ $a$", "select 2"]),
        ("select a$b$c; select d$b$", ["select a$b$c", "select d$b$"]),
        ("select '--'; select 2 -- it's", ["select '--'", "select 2 -- it's"]),
    ],
)
def test_split(sql: str, statements: list[str]) -> None:
    """Quotes of every kind and comments keep their semicolons; what says nothing is left out."""
    assert split(sql) == statements


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("create table a (); COMMIT; drop table a", "leave out 'COMMIT'"),
        ("-- first\nstart  transaction; select 1", "leave out 'start  transaction'"),
        ("create function f() returns int begin atomic select 1; end", "quote the body with $$"),
    ],
)
def test_what_a_migration_may_not_hold(sql: str, complaint: str) -> None:
    """Ends of its transaction, which would leave half of it, and bodies that can't be cut."""
    with pytest.raises(DatabaseError, match=re.escape(complaint)):
        split(sql)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("create index concurrently if not exists a on b (c)", ("create", True, "a")),
        ("-- why\nCREATE UNIQUE INDEX CONCURRENTLY a ON b (c)", ("CREATE", False, "a")),
        ('drop index concurrently if exists "a b"', ("drop", True, '"a b"')),
        ("create index a on b (c)", None),
        ("comment on table a is 'create index concurrently b'", None),
    ],
)
def test_concurrent_index(statement: str, found: tuple[str, bool, str] | None) -> None:
    """Only a statement that makes or drops an index concurrently is one."""
    index = concurrent_index(statement)
    assert (index and (index["verb"], bool(index["repeatable"]), index["name"])) == found
