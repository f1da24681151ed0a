"""People: registered with an encrypted e-mail address and a data key of their own, and found by it.

Keys and plaintext stay in this process: statements carry ciphertexts and blind indexes only, as
parameters. What opens something needs the keyring; what it lacks raises MissingKey or WrongKey.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from server.domain.envelope import DataKey, Kek, Keyring, place
from server.errors import Conflict, NotFound, Undecipherable
from server.ids import UserId
from server.persistence import encryption_keys
from server.persistence.types import Connection

Role = Literal["STUDENT", "INSTRUCTOR", "ADMIN", "MODERATOR"]
Status = Literal["ACTIVE", "SUSPENDED", "DELETED"]
SecretKind = Literal["legal_name", "phone", "address", "payment_reference", "preferences"]

TAKEN = {
    "users_subject_key": "There is somebody with this subject already.",
    "users_lower_username_key": "There is somebody with this name already.",
    "users_email_key_id_email_blind_key": "There is somebody with this e-mail address already.",
}


class NewPerson(NamedTuple):
    """Somebody to be registered. subject: what tokens call the person."""

    subject: str
    username: str
    email: str | None = None
    role: Role = "STUDENT"


class Person(NamedTuple):
    """Who somebody is, without what is secret."""

    id: UserId
    public_id: UUID
    subject: str
    username: str
    role: Role
    status: Status


def email_place(user: UserId) -> bytes:
    """Where a person's e-mail address belongs."""
    return place("users", "email", user)


def key_place(user: UserId) -> bytes:
    """Where a person's data key belongs."""
    return place("user_keys", "wrapped", user)


def secret_place(user: UserId, kind: str) -> bytes:
    """Where a secret of a person belongs."""
    return place("user_secrets", "value", user, kind)


NEXT_ID = "select nextval(pg_get_serial_sequence('users', 'id'))"

INSERT = """
insert into users (id, subject, username, email, email_key_id, email_blind, role)
overriding system value
values ($1, $2, $3, $4, $5, $6, $7)
returning id, public_id, subject, username, role, status
"""

INSERT_KEY = "insert into user_keys (user_id, key_id, wrapped) values ($1, $2, $3)"


async def register(connection: Connection, ring: Keyring, new: NewPerson) -> Person:
    """Add somebody, with a data key of their own, in one transaction.

    Raises Conflict if the subject, the name or the e-mail address is taken.
    """
    async with connection.transaction(isolation="read_committed"):
        kek = await encryption_keys.making(connection, ring)
        id = UserId(await connection.fetchval(NEXT_ID))
        key = DataKey.new()
        email = await _email(connection, ring, kek, key, id, new.email)
        try:
            row = await connection.fetchrow(INSERT, id, new.subject, new.username, *email, new.role)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from None
        await connection.execute(INSERT_KEY, id, kek.id, kek.wrap(key_place(id), key))
    assert row is not None
    return Person(*row)


Email = tuple[bytes | None, int | None, bytes | None]


async def _email(
    connection: Connection, ring: Keyring, kek: Kek, key: DataKey, user: UserId, email: str | None
) -> Email:
    """The three columns of an e-mail address; raises Conflict if another person has it.

    The unique key sees what is under the active KEK only: hence the look, for the others. None is
    added under those any more.
    """
    if email is None:
        return None, None, None
    found = await find_by_email(connection, ring, email)
    if found is not None and found.id != user:
        raise Conflict(TAKEN["users_email_key_id_email_blind_key"])
    return key.seal(email_place(user), email.strip().encode()), kek.id, kek.blind(email)


def _taken(error: asyncpg.UniqueViolationError) -> Conflict:
    return Conflict(TAKEN.get(str(error.constraint_name)))


LOCK_PERSON = """
select wrapped
from user_keys
join users on id = user_id
where user_id = $1
for update of users
"""

SET_EMAIL = """
update users
set email = $2, email_key_id = $3, email_blind = $4, updated_at = now()
where id = $1
"""


async def set_email(connection: Connection, ring: Keyring, user: UserId, email: str | None) -> None:
    """Give somebody another e-mail address, or None; raises NotFound, Conflict if it is taken."""
    async with connection.transaction(isolation="read_committed"):
        kek = await encryption_keys.making(connection, ring)
        wrapped = await connection.fetchval(LOCK_PERSON, user)
        key = await _unwrapped(connection, ring, user, wrapped)
        columns = await _email(connection, ring, kek, key, user, email)
        try:
            await connection.execute(SET_EMAIL, user, *columns)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from None


# One statement, so that somebody whose e-mail is just being taken over to a new key is found.
FIND = """
select encryption_keys.id, fingerprint,
    users.id, public_id, subject, username, role, users.status
from encryption_keys
left join unnest($1::integer[], $2::bytea[]) as wanted (key_id, blind)
    on key_id = encryption_keys.id
left join users on email_key_id = key_id and email_blind = blind
where encryption_keys.status <> 'RETIRED'
"""


async def find_by_email(connection: Connection, ring: Keyring, email: str) -> Person | None:
    """Who has this e-mail address, whichever live key its blind index was made with."""
    keys = list(ring)
    rows = await connection.fetch(
        FIND, [key.id for key in keys], [key.blind(email) for key in keys]
    )
    for row in rows:
        encryption_keys.check(ring, row[0], row[1])
    return next((Person(*row[2:]) for row in rows if row[2] is not None), None)


EMAIL = """
select email, wrapped
from users
left join user_keys on user_id = id
where id = $1
"""


async def email(connection: Connection, ring: Keyring, user: UserId) -> str | None:
    """Somebody's e-mail address, as it was written; raises NotFound, Undecipherable."""
    row = await connection.fetchrow(EMAIL, user)
    if row is None or row[0] is None:
        return None
    key = await _unwrapped(connection, ring, user, row[1])
    return key.open(email_place(user), row[0]).decode()


WRAPPED = "select wrapped from user_keys where user_id = $1"

# Not beside an erasure: it waits for that, and then finds no key.
KEEP = """
insert into user_secrets (user_id, kind, value)
select user_id, $2, $3
from user_keys
where user_id = $1
for key share
on conflict on constraint user_secrets_pkey do update
set value = excluded.value, updated_at = now()
returning true
"""


async def put_secret(
    connection: Connection, ring: Keyring, user: UserId, kind: SecretKind, value: str
) -> None:
    """Keep a secret of a person, in place of the one of that kind; raises NotFound."""
    key = await data_key(connection, ring, user)
    sealed = key.seal(secret_place(user, kind), value.encode())
    if not await connection.fetchval(KEEP, user, kind, sealed):
        raise NotFound("There is no such person.")


SECRETS = """
select kind, value, wrapped
from user_secrets
left join user_keys using (user_id)
where user_id = $1 and kind = any($2::text[])
order by kind
"""


async def secrets(
    connection: Connection, ring: Keyring, user: UserId, kinds: Sequence[SecretKind]
) -> dict[str, str]:
    """The secrets of a person that are of these kinds; raises NotFound, Undecipherable."""
    rows = await connection.fetch(SECRETS, user, list(kinds))
    if not rows:
        return {}
    key = await _unwrapped(connection, ring, user, rows[0][2])
    return {kind: key.open(secret_place(user, kind), value).decode() for kind, value, _ in rows}


async def data_key(connection: Connection, ring: Keyring, user: UserId) -> DataKey:
    """A person's own key; raises NotFound if there is none (any more)."""
    return await _unwrapped(connection, ring, user, await connection.fetchval(WRAPPED, user))


async def _unwrapped(
    connection: Connection, ring: Keyring, user: UserId, wrapped: bytes | None
) -> DataKey:
    if wrapped is None:
        raise NotFound("There is no such person, or nothing of it can be read any more.")
    try:
        return ring.unwrap(key_place(user), wrapped)
    except Undecipherable:
        await encryption_keys.live(connection, ring)  # says so if the keys are the wrong ones
        raise
