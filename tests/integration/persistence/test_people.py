"""People are found by their e-mail address, and nothing of them is readable without the keys."""

import asyncio
from base64 import b64encode

import asyncpg
import pytest

from server.domain.envelope import Keyring
from server.errors import Conflict, KeysError, MissingKey, NotFound, Undecipherable, WrongKey
from server.ids import UserId
from server.persistence import encryption_keys, people
from server.persistence.database import Database
from server.persistence.people import NewPerson
from server.persistence.rotation import rotate
from server.persistence.types import Connection
from tests.support.people import MATERIAL, WAITS, add, email_of, ring
from tests.support.postgres import PostgresInstance
from tests.support.waiting import eventually

ONE, TWO, BOTH = ring(1), ring(2), ring(1, 2)
WRONG = Keyring({1: b"x" * 32})


async def test_a_person_is_found_however_the_address_is_written(connection: Connection) -> None:
    """And it is given back as it was written at first."""
    ann = await add(connection, ONE, "Änn")
    for email in ("Änn@School.example", " änn@school.EXAMPLE ", "A\u0308NN@SCHOOL.EXAMPLE"):
        assert await people.find_by_email(connection, ONE, email) == ann
    assert await people.find_by_email(connection, ONE, "ann@school.example") is None
    assert await people.email(connection, ONE, ann.id) == "Änn@School.example"
    assert (ann.username, ann.role, ann.status) == ("Änn", "STUDENT", "ACTIVE")


async def test_an_address_may_be_changed_and_given_up(connection: Connection) -> None:
    """It is free then for somebody else; many may have none."""
    ann = await add(connection, ONE, "ann")
    await people.set_email(connection, ONE, ann.id, "new@school.example")
    assert await people.find_by_email(connection, ONE, email_of("ann")) is None
    assert await people.find_by_email(connection, ONE, "NEW@school.example") == ann
    await people.set_email(connection, ONE, ann.id, "New@school.example")
    assert await people.email(connection, ONE, ann.id) == "New@school.example"
    await people.set_email(connection, ONE, ann.id, None)
    assert await people.email(connection, ONE, ann.id) is None
    await people.register(connection, ONE, NewPerson("s", "ben", "new@school.example"))
    await people.register(connection, ONE, NewPerson("t", "cem"))


async def test_what_is_taken(connection: Connection) -> None:
    """Subject, name and address are each one person's; who is refused leaves nothing behind."""
    ann = await add(connection, ONE, "ann")
    ben = await add(connection, ONE, "ben")
    for new, what in (
        (NewPerson(ann.subject, "x"), "this subject"),
        (NewPerson("s", "ANN"), "this name"),
        (NewPerson("s", "x", "ANN@school.example"), "this e-mail address"),
    ):
        with pytest.raises(Conflict, match=what):
            await people.register(connection, ONE, new)
    with pytest.raises(Conflict, match="this e-mail address"):
        await people.set_email(connection, ONE, ben.id, email_of("ann"))
    assert await people.email(connection, ONE, ben.id) == email_of("ben")
    assert await connection.fetchval("select count(*) from users") == 2


async def test_two_who_want_the_same_address_at_once(database: Database) -> None:
    """One gets it, registering or changing; the other hears why it does not."""
    async with database.acquire() as one, database.acquire() as other:
        dan = await add(one, ONE, "dan")
        async with other.transaction():
            await people.register(other, ONE, NewPerson("s", "ann", "one@school.example"))
            late = asyncio.create_task(people.set_email(one, ONE, dan.id, "one@school.example"))
            await eventually(lambda: other.fetchval(WAITS))
        with pytest.raises(Conflict, match="this e-mail address"):
            await late
        async with other.transaction():
            await people.set_email(other, ONE, dan.id, "two@school.example")
            new = NewPerson("t", "ben", "two@school.example")
            too_late = asyncio.create_task(people.register(one, ONE, new))
            await eventually(lambda: other.fetchval(WAITS))
        with pytest.raises(Conflict, match="this e-mail address"):
            await too_late


async def test_one_address_under_two_keys(connection: Connection) -> None:
    """While keys are exchanged, an address under the old one is taken all the same."""
    await add(connection, ONE, "ann")
    await encryption_keys.activate(connection, BOTH)
    with pytest.raises(Conflict, match="this e-mail address"):
        await people.register(connection, BOTH, NewPerson("s", "x", email_of("ANN")))


async def test_secrets(connection: Connection) -> None:
    """Each kind is kept once, and only those that are asked for are given."""
    ann = await add(connection, ONE, "ann", phone="1234", legal_name="Ann Önder")
    await people.put_secret(connection, ONE, ann.id, "phone", "5678")
    secrets = await people.secrets(connection, ONE, ann.id, ["phone", "legal_name", "address"])
    assert secrets == {"phone": "5678", "legal_name": "Ann Önder"}
    assert await people.secrets(connection, ONE, ann.id, ["phone"]) == {"phone": "5678"}
    assert await people.secrets(connection, ONE, ann.id, []) == {}


async def test_nobody(connection: Connection) -> None:
    """Who is not there is not found, has no secrets, and can't be given any."""
    nobody = UserId(4711)
    assert await people.find_by_email(connection, ONE, "ann@school.example") is None
    assert await encryption_keys.everything(connection) == []
    assert await people.email(connection, ONE, nobody) is None
    assert await people.secrets(connection, ONE, nobody, ["phone"]) == {}
    for attempt in (
        people.put_secret(connection, ONE, nobody, "phone", "1"),
        people.set_email(connection, ONE, nobody, "a@b.example"),
        people.data_key(connection, ONE, nobody),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_secret_that_comes_too_late(database: Database) -> None:
    """Who is erased meanwhile gets no secret any more."""
    async with database.acquire() as one, database.acquire() as other:
        ann = await add(one, ONE, "ann")
        async with other.transaction():
            await other.execute("delete from user_keys")
            late = asyncio.create_task(people.put_secret(one, ONE, ann.id, "phone", "1"))
            await eventually(lambda: other.fetchval(WAITS))
        with pytest.raises(NotFound):
            await late
        assert await one.fetchval("select count(*) from user_secrets") == 0


SWAPS = [
    "update users set email = value from user_secrets where user_id = id",
    "update users set email = ben.email from users ben"
    " where ben.username = 'ben' and users.username = 'ann'",
    "update user_secrets set value = email from users where user_id = id",
    "update user_secrets set value = other.value from user_secrets other"
    " where other.kind = 'address'",
    "update user_keys set wrapped = other.wrapped from user_keys other"
    " where other.user_id <> user_keys.user_id",
]


async def test_a_ciphertext_that_was_moved(connection: Connection) -> None:
    """From another row, column or kind, or with another's key: it doesn't decrypt."""
    ann = await add(connection, ONE, "ann", phone="1234", address="Elsewhere 1")
    await add(connection, ONE, "ben")

    async def read() -> None:
        await people.email(connection, ONE, ann.id)
        await people.secrets(connection, ONE, ann.id, ["phone"])

    for swap in SWAPS:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(swap)
        with pytest.raises(Undecipherable):
            await read()
        await transaction.rollback()
    await read()


async def test_wrong_keys_are_refused(connection: Connection) -> None:
    """Another key under a known number: nothing is written, looked up or read with it."""
    ann = await add(connection, ONE, "ann", phone="1234")
    for attempt in (
        people.register(connection, WRONG, NewPerson("s", "x")),
        people.find_by_email(connection, WRONG, email_of("ann")),
        people.set_email(connection, WRONG, ann.id, "x@y.example"),
        people.email(connection, WRONG, ann.id),
        people.secrets(connection, WRONG, ann.id, ["phone"]),
        people.put_secret(connection, WRONG, ann.id, "phone", "1"),
        encryption_keys.activate(connection, WRONG),
    ):
        with pytest.raises(WrongKey, match="key 1 that was given is not the one"):
            await attempt
    assert await connection.fetchval("select count(*) from users") == 1


async def test_missing_keys_are_refused(connection: Connection) -> None:
    """A look-up that could miss somebody is no answer: it says which key is missing."""
    ann = await add(connection, ONE, "ann", phone="1234")
    for attempt in (
        people.register(connection, TWO, NewPerson("s", "x")),
        people.find_by_email(connection, TWO, email_of("ann")),
        people.email(connection, TWO, ann.id),
        people.data_key(connection, TWO, ann.id),
        encryption_keys.activate(connection, TWO),
    ):
        with pytest.raises(MissingKey, match="key 1 is missing; only 2 was given"):
            await attempt
    await rotate(connection, BOTH)
    with pytest.raises(MissingKey, match="key 2 is missing; only 1 was given"):
        await people.find_by_email(connection, ONE, "nobody@school.example")


async def test_a_key_that_was_retired_is_not_used_again(connection: Connection) -> None:
    """Nor is one whose number is not above all others'."""
    await add(connection, ONE, "ann")
    await rotate(connection, BOTH)
    await connection.execute("delete from user_keys; delete from users")
    await connection.execute("delete from encryption_keys where id = 2")
    with pytest.raises(KeysError, match="key 1 was retired"):
        await add(connection, ONE, "ben")
    with pytest.raises(KeysError, match="up to 1; the newest that was given, 1, is no new one"):
        await encryption_keys.activate(connection, ONE)


async def test_of_two_first_keys_one_is_the_first(database: Database) -> None:
    """Servers that start with different newest keys agree on one, or hear what they lack."""
    async with database.acquire() as one, database.acquire() as other:
        async with other.transaction():
            assert (await encryption_keys.making(other, TWO)).id == 2
            late = asyncio.create_task(add(one, ONE, "ann"))
            await eventually(lambda: other.fetchval(WAITS))
        with pytest.raises(MissingKey, match="key 2 is missing"):
            await late


async def test_neither_keys_nor_plaintext_reach_postgres(postgres: PostgresInstance) -> None:
    """With every statement and parameter in its log: no address, secret or key, in any form."""
    url = await postgres.create_database()
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set log_statement = 'all'")
    await connection.execute(f"alter database {name} set log_parameter_max_length_on_error = -1")
    await connection.close()
    connection = await asyncpg.connect(url)
    before = postgres.log.stat().st_size

    ann = await add(connection, ONE, "ann", phone="sesame-phone")
    ben = await people.register(connection, ONE, NewPerson("s", "ben", "sesame@school.example"))
    with pytest.raises(Conflict):
        await people.register(connection, ONE, NewPerson("s", "cem", "Sesame-2@school.example"))
    with pytest.raises(asyncpg.PostgresError):
        await people.put_secret(connection, ONE, ann.id, "nonsense", "sesame-kind")  # type: ignore[arg-type]
    await people.find_by_email(connection, ONE, "sesame@school.example")
    await rotate(connection, BOTH)
    await people.set_email(connection, BOTH, ben.id, "sesame@other.example")
    assert await people.secrets(connection, BOTH, ann.id, ["phone"]) == {"phone": "sesame-phone"}
    data_key = (await people.data_key(connection, BOTH, ann.id))._material
    await connection.close()

    log = postgres.log.read_bytes()[before:].lower()
    assert log.count(b"insert into users") >= 3
    assert b"parameters: $1" in log
    hidden = [b"sesame", b"School.example", *MATERIAL.values(), data_key]
    for value in hidden:
        for form in (value.lower(), value.hex().encode(), b64encode(value).lower()):
            assert form not in log
