"""What is told of values that the schema refuses, and what becomes of what jsonb can't hold."""

from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from server.persistence.school.allowed import CHECKS, REFERENCES, allowed, jsonb
from server.persistence.types import Connection

texts = st.text(st.sampled_from('\0\\u0"aé'))
values = st.recursive(texts | st.integers(), lambda of: st.lists(of) | st.dictionaries(texts, of))


def without_nul(value: Any) -> Any:
    """A value as jsonb can hold it."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(each) for name, each in value.items()}
    return value


@given(value=values)
def test_json_without_nul(value: Any) -> None:
    """Nothing but NUL is another then, whatever stands before it."""
    assert json.decode(jsonb(value)) == without_nul(value)


async def test_words_are_of_constraints_that_there_are(superuser: Connection) -> None:
    """One that is renamed would be told of in Postgres' words again."""
    rows = await superuser.fetch("select conname from pg_constraint")
    assert {*CHECKS, *REFERENCES} <= {row[0] for row in rows}


async def test_what_nobody_gave(superuser: Connection) -> None:
    """Goes through as it is: it is the program that is wrong."""
    with pytest.raises(asyncpg.UniqueViolationError), allowed():
        await superuser.execute("insert into permissions values ('ADMIN', 'post.hide', 'ANY')")
