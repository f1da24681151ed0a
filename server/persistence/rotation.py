"""Takes everybody's data key and e-mail look-up over to the newest key, while all goes on.

Everything is done in batches that are whole in themselves: killed at any moment, it goes on where
it stopped, and any number may do it at once. Ciphertexts of values stay, as they are sealed under
data keys, which are only wrapped anew.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from server.domain.envelope import Kek, Keyring
from server.errors import Undecipherable
from server.ids import UserId
from server.persistence import encryption_keys
from server.persistence.database import unfiltered
from server.persistence.people import email_place, key_place
from server.persistence.types import Connection

BATCH = 500  # people; their rows are locked for about 50 ms
TELL_SECONDS = 2.0
POLL_SECONDS = 0.2  # for rows that somebody else has locked


class Progress(NamedTuple):
    """How far it is. done: people, by this run. left: by anybody. seconds: since its start."""

    done: int
    left: int
    seconds: float

    @property
    def rate(self) -> float:
        """People a second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """About; None while nothing is known."""
        return self.left / self.rate if self.rate else None


class Rotated(NamedTuple):
    """What a rotation came to.

    active: the key that is used now. people: that this run took over. retired: keys that nothing
    needs any more. damaged: people whose rows can't be decrypted, so that a key can't be retired.
    """

    active: int
    people: int
    retired: list[int]
    damaged: list[int]
    seconds: float


Tell = Callable[[Progress], None]

RETIRING = "select id from encryption_keys where status = 'RETIRING' order by id"

# Both ids are bounded: a merge of the two tables would else begin with the first person each time.
WRAPPED_BY = """
select users.id, wrapped, email, email_key_id
from user_keys
join users on users.id = user_id
where key_id = $1 and user_id > $2 and users.id > $2
order by user_id
limit $3
for update skip locked
"""

FOUND_BY = """
select users.id, wrapped, email, email_key_id
from users
join user_keys on user_id = users.id
where email_key_id = $1 and users.id > $2 and user_id > $2
order by users.id
limit $3
for update skip locked
"""

REWRAP = """
update user_keys
set key_id = $1, wrapped = anew.wrapped, updated_at = now()
from unnest($2::bigint[], $3::bytea[]) as anew (user_id, wrapped)
where user_keys.user_id = anew.user_id
"""

REINDEX = """
update users
set email_key_id = $1, email_blind = anew.blind
from unnest($2::bigint[], $3::bytea[]) as anew (user_id, blind)
where users.id = anew.user_id
"""

LEFT = """
select count(*)
from (
    select user_id from user_keys where key_id = any($1::integer[])
    union
    select id from users where email_key_id = any($1::integer[])
) as concerned (user_id)
where user_id <> all($2::bigint[])
"""

# As good as always the same number, and read off one index.
ABOUT_LEFT = "select count(*) from user_keys where key_id = any($1::integer[])"


async def rotate(
    connection: Connection, ring: Keyring, tell: Tell = lambda _: None, batch: int = BATCH
) -> Rotated:
    """Make the newest key the active one, take everybody over, and retire the keys before it.

    Raises MissingKey and WrongKey, and KeysError if the newest key is none that is new.
    """
    active = await encryption_keys.activate(connection, ring)
    run = _Run(connection, ring, tell, batch)
    while await run.is_some_left():
        before = run.done
        for old in await run.retiring():
            await run.take_over(WRAPPED_BY, old)
            await run.take_over(FOUND_BY, old)
        if run.done == before and await run.is_some_left():
            await asyncio.sleep(POLL_SECONDS)
    retired = sorted(await encryption_keys.retire_unused(connection))
    return Rotated(active.id, run.done, retired, sorted(run.damaged), run.seconds)


class _Run:
    def __init__(self, connection: Connection, ring: Keyring, tell: Tell, batch: int) -> None:
        self._connection = connection
        self._ring = ring
        self._tell = tell
        self._batch = batch
        self._started = self._told = time.monotonic()
        self.done = 0
        self.damaged: set[UserId] = set()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    async def retiring(self) -> list[int]:
        """The keys that people are to be taken over from."""
        return [row[0] for row in await self._connection.fetch(RETIRING)]

    async def is_some_left(self) -> bool:
        """Whether anybody is to be taken over still, and can be."""
        async with unfiltered(self._connection):
            damaged = list(self.damaged)
            return bool(await self._connection.fetchval(LEFT, await self.retiring(), damaged))

    async def take_over(self, statement: str, old: int) -> None:
        """Go through all whom a statement finds under an old key and nobody has locked."""
        after = 0
        while True:
            async with unfiltered(self._connection):
                kek = await encryption_keys.making(self._connection, self._ring)
                rows = await self._connection.fetch(statement, old, after, self._batch)
                if not rows:
                    return
                await self._exchange(rows, kek)
            after = rows[-1][0]
            if time.monotonic() - self._told >= TELL_SECONDS:
                self._told = time.monotonic()
                left = await self._connection.fetchval(ABOUT_LEFT, await self.retiring())
                self._tell(Progress(self.done, left, self.seconds))

    async def _exchange(self, rows: Sequence[Any], kek: Kek) -> None:
        keys: list[tuple[UserId, bytes]] = []
        emails: list[tuple[UserId, bytes]] = []
        for user, wrapped, email, email_key_id in rows:
            try:
                key = self._ring.unwrap(key_place(user), wrapped)
                if email_key_id not in (None, kek.id):
                    address = key.open(email_place(user), email).decode()
                    emails.append((user, kek.blind(address)))
            except Undecipherable:
                self.damaged.add(user)
                continue
            keys.append((user, kek.wrap(key_place(user), key)))
        for statement, anew in ((REWRAP, keys), (REINDEX, emails)):
            users, values = [pair[0] for pair in anew], [pair[1] for pair in anew]
            await self._connection.execute(statement, kek.id, users, values)
        self.done += len(keys)
