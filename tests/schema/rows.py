"""Right rows of every table, with all that they refer to."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import NamedTuple

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


def digest() -> bytes:
    """32 bytes, others each time."""
    return next(_numbers).to_bytes(32)


def in_a_day() -> datetime:
    """A moment that is yet to come."""
    return datetime.now(UTC) + timedelta(days=1)


Columns = Mapping[str | tuple[str, ...], object]

PERSON: Columns = {"user_id": Ref("users")}
CIPHERTEXT = bytes(33)

# By column, or by columns that refer together: a value, a function that makes one, or a row.
RIGHT: Mapping[str, Columns] = {
    "encryption_keys": {"id": lambda: next(_numbers), "fingerprint": digest, "status": "RETIRING"},
    "users": {"subject": text("subject"), "username": text("name")},
    "user_profiles": PERSON,
    "user_keys": {**PERSON, "key_id": Ref("encryption_keys"), "wrapped": CIPHERTEXT},
    "user_secrets": {**PERSON, "kind": "phone", "value": CIPHERTEXT},
    "auth_sessions": {**PERSON, "token_hash": digest, "expires_at": in_a_day},
    "role_grants": {**PERSON, "role": "INSTRUCTOR"},
}


async def insert(db: Connection, table: str, /, **values: object) -> asyncpg.Record:
    """Insert a right row, but for `values`; what it refers to and isn't given is made."""
    for columns, right in RIGHT[table].items():
        together = (columns,) if isinstance(columns, str) else columns
        if values.keys() & set(together):
            continue
        if isinstance(right, Ref):
            other = await insert(db, right.table)
            values |= zip(together, (other[column] for column in right.columns), strict=True)
        else:
            values[together[0]] = right() if callable(right) else right
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    row = await db.fetchrow(
        f"insert into {table} ({', '.join(values)}) values ({places}) returning *",
        *values.values(),
    )
    assert row is not None
    return row
