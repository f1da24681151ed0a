"""Which keys personal data is encrypted with: their numbers and fingerprints, never the keys.

The database says which key is ACTIVE; a process whose keyring lacks it, or has another key under
its number, is refused before it writes or misses anything. While keys are exchanged, RETIRING
ones still find and open what was not yet taken over; nothing new is made with them: whoever makes
something holds `making` until COMMIT, and `activate` waits for that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from server.domain.envelope import Kek, Keyring
from server.errors import KeysError, WrongKey
from server.persistence.database import unfiltered
from server.persistence.types import Connection

Status = Literal["ACTIVE", "RETIRING", "RETIRED"]
MAKING = 7_523_094_288_207_667_820


class StoredKey(NamedTuple):
    """What the database knows of a key; people, emails: how much needs it."""

    id: int
    fingerprint: bytes
    status: Status
    created_at: datetime
    retired_at: datetime | None
    people: int
    emails: int


LIVE = "select id, fingerprint, status from encryption_keys where status <> 'RETIRED' order by id"
LOCK_SHARED = "select pg_advisory_xact_lock_shared($1)"
LOCK = "select pg_advisory_xact_lock($1)"

REGISTER = """
insert into encryption_keys (id, fingerprint) values ($1, $2)
on conflict do nothing
"""


async def live(connection: Connection, ring: Keyring) -> list[Kek]:
    """The keys that something may be encrypted with, the active one last.

    None before the first is used. Raises MissingKey and WrongKey.
    """
    rows = await connection.fetch(LIVE)
    for id, fingerprint, _ in rows:
        check(ring, id, fingerprint)
    return [ring[id] for id, _, status in sorted(rows, key=lambda row: row[2] == "ACTIVE")]


def check(ring: Keyring, id: int, fingerprint: bytes) -> None:
    """Raise MissingKey or WrongKey unless the keyring has this key of the database's."""
    if ring[id].fingerprint != fingerprint:
        raise WrongKey(
            f"The encryption key {id} that was given is not the one that this database was filled"
            " with; give it the keys that it had, or a new key another number."
        )


async def making(connection: Connection, ring: Keyring) -> Kek:
    """The key to encrypt with, which stays the active one until this transaction ends.

    The first one ever is the newest of the keyring. Raises MissingKey and WrongKey.
    """
    await connection.execute(LOCK_SHARED, MAKING)
    if not (keys := await live(connection, ring)):
        await connection.execute(REGISTER, ring.newest.id, ring.newest.fingerprint)
        keys = await live(connection, ring)
    if not keys:
        raise KeysError(f"The encryption key {ring.newest.id} was retired; make a new one.")
    return keys[-1]


RETIRE_ACTIVE = "update encryption_keys set status = 'RETIRING' where status = 'ACTIVE'"
NEWEST = "select max(id) from encryption_keys"


async def activate(connection: Connection, ring: Keyring) -> Kek:
    """Make the newest key of the keyring the active one; those before it are retiring then.

    Nothing is made with another key once this has returned. Raises MissingKey and WrongKey, and
    KeysError if the database has seen a newer key.
    """
    async with connection.transaction():
        await connection.execute(LOCK, MAKING)
        keys = await live(connection, ring)
        newest = ring.newest
        if keys and keys[-1].id == newest.id:
            return newest
        seen = await connection.fetchval(NEWEST) or 0
        if seen >= newest.id:
            raise KeysError(
                f"The database knows encryption keys up to {seen}; the newest that was given,"
                f" {newest.id}, is no new one. `lyceum db new-key` makes one."
            )
        await connection.execute(RETIRE_ACTIVE)
        await connection.execute(REGISTER, newest.id, newest.fingerprint)
        return newest


RETIRE = """
update encryption_keys
set status = 'RETIRED', retired_at = now()
where status = 'RETIRING'
    and not exists (select from user_keys where key_id = encryption_keys.id)
    and not exists (select from users where email_key_id = encryption_keys.id)
returning id
"""


async def retire_unused(connection: Connection) -> Sequence[int]:
    """Retire what is retiring and needed by nothing any more; returns the ids."""
    async with unfiltered(connection):
        return [row[0] for row in await connection.fetch(RETIRE)]


ALL = """
select id, fingerprint, status, created_at, retired_at,
    (select count(*) from user_keys where key_id = encryption_keys.id),
    (select count(*) from users where email_key_id = encryption_keys.id)
from encryption_keys
order by id
"""


async def everything(connection: Connection) -> list[StoredKey]:
    """All keys that ever were, and what needs them."""
    return [StoredKey(*row) for row in await connection.fetch(ALL)]
