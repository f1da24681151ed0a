"""Keys are exchanged while people come, are found and read; nothing is lost, and it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from server.errors import MissingKey
from server.persistence import encryption_keys, people, rotation
from server.persistence.database import Database
from server.persistence.people import NewPerson
from server.persistence.rotation import Progress, rotate
from server.persistence.types import Connection
from tests.support.command import Command
from tests.support.people import WAITS, add, email_of, ring, written
from tests.support.waiting import eventually

ONE, TWO, BOTH = ring(1), ring(2), ring(1, 2)
HOLD = "select from user_keys where user_id % 2 = 0 for no key update"


async def fill(connection: Connection, number: int) -> list[people.Person]:
    """People under key 1, each with a secret."""
    return [await add(connection, ONE, f"p{n}", phone=f"phone {n}") for n in range(number)]


async def stands(connection: Connection) -> dict[int, tuple[str, int, int]]:
    """Status of each key, how many data keys it wraps, how many addresses it finds."""
    keys = await encryption_keys.everything(connection)
    return {key.id: (key.status, key.people, key.emails) for key in keys}


async def is_so(connection: Connection, key: int, stand: tuple[str, int, int]) -> bool:
    """Whether it stands so with a key."""
    return (await stands(connection)).get(key) == stand


async def check_all(connection: Connection, everybody: list[people.Person]) -> None:
    """With the new key alone everybody is found, and reads what was written before."""
    for person in everybody:
        assert await people.find_by_email(connection, TWO, email_of(person.username)) == person
        assert await people.email(connection, TWO, person.id) == email_of(person.username)
        secrets = await people.secrets(connection, TWO, person.id, ["phone"])
        assert secrets == {"phone": f"phone {person.username[1:]}"}


async def test_all_is_taken_over(connection: Connection) -> None:
    """In batches; then nothing needs the old key, which is retired, and a second run does
    nothing."""
    everybody = await fill(connection, 12)
    await people.register(connection, ONE, NewPerson("s", "without-address"))
    done = await rotate(connection, BOTH, batch=5)
    assert (done.active, done.people, done.retired, done.damaged) == (2, 13, [1], [])
    assert await stands(connection) == {1: ("RETIRED", 0, 0), 2: ("ACTIVE", 13, 12)}
    await check_all(connection, everybody)
    again = await rotate(connection, TWO)
    assert (again.active, again.people, again.retired) == (2, 0, [])


async def test_over_several_keys(connection: Connection) -> None:
    """A rotation that never ended is made good by the next one; before anybody is there, the
    newest key is simply the first."""
    done = await rotate(connection, ONE)
    assert (done.active, done.people, done.retired) == (1, 0, [])
    everybody = await fill(connection, 3)
    await encryption_keys.activate(connection, BOTH)
    everybody.append(await add(connection, BOTH, "p3", phone="phone 3"))
    done = await rotate(connection, ring(1, 2, 3))
    assert (done.active, done.people, done.retired) == (3, 4, [1, 2])
    assert await people.email(connection, ring(3), everybody[3].id) == email_of("p3")


async def test_many_share_the_work(database: Database) -> None:
    """Several at once take over everybody exactly once, and all of them end."""
    async with database.acquire() as connection:
        everybody = await fill(connection, 40)

    async def run() -> int:
        async with database.acquire() as connection:
            return (await rotate(connection, BOTH, batch=3)).people

    assert sum(await asyncio.gather(*(run() for _ in range(3)))) == 40
    async with database.acquire() as connection:
        assert await stands(connection) == {1: ("RETIRED", 0, 0), 2: ("ACTIVE", 40, 40)}
        await check_all(connection, everybody)


async def test_a_change_of_address_meanwhile(connection: Connection) -> None:
    """Made under the new key, while the data key is still wrapped by the old one."""
    ann, ben = await add(connection, ONE, "ann"), await add(connection, ONE, "ben")
    await encryption_keys.activate(connection, BOTH)
    await people.set_email(connection, BOTH, ann.id, "new@school.example")
    assert await stands(connection) == {1: ("RETIRING", 2, 1), 2: ("ACTIVE", 0, 1)}
    assert await people.find_by_email(connection, BOTH, "new@school.example") == ann
    assert await people.find_by_email(connection, BOTH, email_of("ben")) == ben
    assert (await rotate(connection, BOTH)).retired == [1]
    assert await people.find_by_email(connection, TWO, "new@school.example") == ann


async def test_an_address_that_was_left_behind(connection: Connection) -> None:
    """A data key that was taken over alone doesn't hide the address's old look-up."""
    ann = await add(connection, ONE, "ann")
    await rotate(connection, BOTH)
    await connection.execute(
        "update encryption_keys set status = 'RETIRING', retired_at = null where id = 1"
    )
    await connection.execute(
        "update users set email_key_id = 1, email_blind = $1", ONE.newest.blind(email_of("ann"))
    )
    done = await rotate(connection, BOTH)
    assert (done.people, done.retired) == (1, [1])
    assert await people.find_by_email(connection, TWO, email_of("ann")) == ann


async def test_what_can_not_be_decrypted(connection: Connection) -> None:
    """It is named and left, everybody else is taken over, and the key stays for it."""
    everybody = await fill(connection, 5)
    ann, ben = await add(connection, ONE, "ann"), await add(connection, ONE, "ben")
    await connection.execute(
        "update users set email = '\\x00'::bytea || email where id = $1", ann.id
    )
    await connection.execute(
        "update user_keys set wrapped = wrapped || '\\x00'::bytea where user_id = $1", ben.id
    )
    done = await rotate(connection, BOTH, batch=2)
    assert (done.people, done.retired, done.damaged) == (5, [], [ann.id, ben.id])
    assert await stands(connection) == {1: ("RETIRING", 2, 2), 2: ("ACTIVE", 5, 5)}
    assert await people.find_by_email(connection, BOTH, email_of("p1")) == everybody[1]


async def test_somebody_who_is_just_coming(database: Database) -> None:
    """Under the old key, not yet committed: is waited for, or the key would be retired too soon."""
    async with database.acquire() as connection, database.acquire() as other:
        await fill(connection, 1)
        async with other.transaction():
            ann = await add(other, ONE, "ann")
            rotating = asyncio.create_task(rotate(connection, BOTH))
            await eventually(lambda: other.fetchval(WAITS))
        assert (await rotating).people == 2
        assert await people.find_by_email(connection, TWO, email_of("ann")) == ann


async def test_a_person_whom_somebody_works_on(database: Database) -> None:
    """Is not waited for by the others, and comes last."""
    async with database.acquire() as connection, database.acquire() as other:
        await fill(connection, 4)
        async with connection.transaction():
            await connection.execute("select from users where username = 'p0' for update")
            rotating = asyncio.create_task(rotate(other, BOTH))
            await eventually(lambda: is_so(connection, 2, ("ACTIVE", 3, 3)))
            await asyncio.wait([rotating], timeout=2 * rotation.POLL_SECONDS)
            assert not rotating.done()
        assert (await rotating).retired == [1]


async def test_an_old_runner_stops(database: Database) -> None:
    """When a newer key comes, who was not given it can't go on."""
    async with database.acquire() as connection, database.acquire() as other:
        await fill(connection, 4)
        holder = connection.transaction()
        await holder.start()
        await connection.execute("select from users where username = 'p0' for update")
        old = asyncio.create_task(rotate(other, BOTH))
        await eventually(lambda: is_so(connection, 2, ("ACTIVE", 3, 3)))
        async with database.acquire() as third:
            await encryption_keys.activate(third, ring(1, 2, 3))
        with pytest.raises(MissingKey, match="key 3 is missing; only 1, 2 was given"):
            await old
        await holder.rollback()
        assert (await rotate(connection, ring(1, 2, 3))).retired == [1, 2]


async def test_who_does_not_see_everybody(connection: Connection) -> None:
    """Is refused: a key would else be retired that people whom it doesn't see still need."""
    await fill(connection, 2)
    await connection.execute("alter table user_keys enable row level security")
    async with role_without_policies(connection):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await rotate(connection, BOTH)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await encryption_keys.retire_unused(connection)
    assert (await rotate(connection, BOTH)).people == 2


@asynccontextmanager
async def role_without_policies(connection: Connection) -> AsyncIterator[None]:
    """Act as somebody who may do all, but on no row that a policy would have to allow."""
    await connection.execute(
        "create role narrow; grant usage on schema public to narrow;"
        "grant all on all tables in schema public to narrow; set role narrow"
    )
    try:
        yield
    finally:
        await connection.execute("reset role; drop owned by narrow; drop role narrow")


async def test_progress_is_told(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are done and left, how fast it goes and how long it will take."""
    monkeypatch.setattr(rotation, "TELL_SECONDS", 0)
    await fill(connection, 7)
    told: list[Progress] = []
    await rotate(connection, BOTH, told.append, batch=3)
    assert [(progress.done, progress.left) for progress in told] == [(3, 4), (6, 1), (7, 0)]
    assert all(progress.rate > 0 for progress in told)
    assert told[-1].seconds_left == 0
    assert Progress(0, 5, 0.0).seconds_left is None
    assert Progress(10, 5, 2.0).seconds_left == 1.0


@asynccontextmanager
async def load(database: Database, everybody: list[people.Person]) -> AsyncIterator[None]:
    """People come, change their address, are looked for, write and read, all the time."""
    numbers = count(len(everybody))
    over = asyncio.Event()

    async def come() -> None:
        number = next(numbers)
        async with database.acquire() as connection:
            everybody.append(await add(connection, BOTH, f"p{number}", phone=f"phone {number}"))

    async def look(number: int) -> None:
        person = everybody[number % len(everybody)]
        async with database.acquire() as connection:
            found = await people.find_by_email(connection, BOTH, email_of(person.username))
            assert found == person
            secret = f"phone {person.username[1:]}"
            secrets = await people.secrets(connection, BOTH, person.id, ["phone"])
            assert secrets == {"phone": secret}
            await people.put_secret(connection, BOTH, person.id, "phone", secret)
            await people.set_email(connection, BOTH, person.id, email_of(person.username))

    async def work(first: int) -> None:
        for number in count(first, 7):
            if over.is_set():
                return
            await look(number)
            if number % 3 == 0:
                await come()

    workers = [asyncio.create_task(work(first)) for first in range(3)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*workers)


async def test_under_load_and_killed(database: Database, tmp_path: Path, database_url: str) -> None:
    """The command is killed halfway and run again while people come, change and are looked up:
    everybody is found all the time, and in the end with the new key alone."""
    lyceum = Command(tmp_path, database_url=database_url, keys=written(1, 2))
    async with database.acquire() as connection:
        everybody = await fill(connection, 20)
        start = len(everybody)
        async with load(database, everybody), database.acquire() as holder:
            await eventually(lambda: len(everybody) > start)
            async with holder.transaction():
                # Keeps the rotation away from these, and nobody else.
                await holder.execute(HOLD)
                process = await lyceum.start("db", "rotate-keys")
                await eventually(lambda: is_half_done(connection), 30)
                process.kill()
                await process.wait()
            come = len(everybody)
            done = await lyceum("db", "rotate-keys", "--json")
            assert done.code == 0, done
            await eventually(lambda: len(everybody) > come)
        report = json.loads(done.output)
        assert (report["active"], report["retired"]) == (2, [1])
        assert report["people"] >= 10
        assert await is_so(connection, 1, ("RETIRED", 0, 0))
        await check_all(connection, everybody)


async def is_half_done(connection: Connection) -> bool:
    """Whether all people with odd ids are taken over, and some others are not."""
    left = await connection.fetch("select user_id % 2 from user_keys where key_id = 1 group by 1")
    keys = await stands(connection)
    return [row[0] for row in left] == [0] and keys[1][0] == "RETIRING" and keys[2][1] > 0
