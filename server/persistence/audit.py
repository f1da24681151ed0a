"""The audit log, which triggers write, and the seals over it, which the server writes."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from server.domain.audit import Row, Seal
from server.domain.merkle import HASH_BYTES
from server.persistence.types import Connection

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 500  # rows that a cursor fetches at once

# One server seals at a time; whoever finds the lock taken leaves it to the other.
LOCK_KEY = 7_523_094_288_207_667_811
TRY_LOCK = "select pg_try_advisory_xact_lock($1)"


async def try_lock(connection: Connection) -> bool:
    """Be the one who seals until the end of the transaction; False if another one is."""
    taken: bool = await connection.fetchval(TRY_LOCK, LOCK_KEY)
    return taken


# Shared by several statements, which is why these are put together (S608); nothing is from outside.
ROW_COLUMNS = """
    id, (extract(epoch from at) * 1000000)::bigint, transaction::text, actor, actor_role, login,
    request_id, table_name, row_key::text, action, old::text, new::text
"""
SEAL_COLUMNS = """
    number, ids::text, floor_id, row_count, root, previous,
    (extract(epoch from sealed_at) * 1000000)::bigint, key_id, signature
"""


class Sealed(NamedTuple):
    """A seal, and the hash of each of its rows as it was then."""

    seal: Seal
    leaves: list[bytes]


# Ids above the floor that no seal covers. Few: those of transactions that are under way or were
# rolled back, and everything behind the newest seal.
GAPS = """
gaps as (
    select unnest(
        int8multirange(int8range($1 + 1, null)) - coalesce(range_agg(ids), '{}'::int8multirange)
    ) as gap
    from audit_seals
    where upper(ids) > $1 + 1
)
"""
UNSEALED = f"""
with {GAPS}
select {ROW_COLUMNS}
from gaps
cross join lateral (
    select *
    from audit_log
    where id >= lower(gap) and id < coalesce(upper(gap), 9223372036854775807)
    order by id
    limit $2
) as waiting
order by id
limit $2
"""  # noqa: S608


async def unsealed(connection: Connection, floor: int, limit: int) -> list[Row]:
    """Rows that no seal covers, by id; floor: that of the newest seal."""
    return [Row(*row) for row in await connection.fetch(UNSEALED, floor, limit)]


WAITING = f"""
with {GAPS}
select count(*)
from (
    select
    from gaps
    cross join lateral (
        select
        from audit_log
        where id >= lower(gap) and id < coalesce(upper(gap), 9223372036854775807)
        limit $2
    ) as waiting
    limit $2
) as counted
"""  # noqa: S608


async def count_unsealed(connection: Connection, floor: int, most: int) -> int:
    """How many rows no seal covers; counts no further than `most`."""
    count: int = await connection.fetchval(WAITING, floor, most)
    return count


NEWEST = f"select {SEAL_COLUMNS} from audit_seals order by number desc limit 1"  # noqa: S608


async def newest_seal(connection: Connection) -> Seal | None:
    """The newest seal, if there is any."""
    row = await connection.fetchrow(NEWEST)
    return None if row is None else Seal(*row)


# Only one of the two columns tells whether the number was given already.
LAST_ID = "select case when is_called then last_value else 0 end from audit_log_id_seq"
TRANSACTION = "select pg_current_xact_id()::text::bigint"
OLDEST_RUNNING = "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


class Mark(NamedTuple):
    """Once no transaction before `transaction` runs any more, all rows up to `id` are there."""

    id: int
    transaction: int


async def mark(connection: Connection) -> Mark:
    """A mark of now, in a transaction.

    Whoever took an id so far had its transaction's number before that, so a smaller one than ours.
    """
    last_id: int = await connection.fetchval(LAST_ID)
    return Mark(last_id, await connection.fetchval(TRANSACTION))


async def oldest_running(connection: Connection) -> int:
    """All transactions before this one are over, and what they wrote is seen from now on."""
    oldest: int = await connection.fetchval(OLDEST_RUNNING)
    return oldest


ADD = """
insert into audit_seals (
    number, ids, floor_id, row_count, root, previous, sealed_at, key_id, signature, leaves
)
values ($1, $2::text::int8multirange, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def add_seal(connection: Connection, seal: Seal, leaves: Sequence[bytes]) -> None:
    """Write a seal; its number must be the next."""
    await connection.execute(
        ADD,
        seal.number,
        seal.ids,
        seal.floor,
        seal.rows,
        seal.root,
        seal.previous,
        moment(seal.sealed_at),
        seal.key,
        seal.signature,
        b"".join(leaves),
    )


SEALS_AFTER = f"select {SEAL_COLUMNS} from audit_seals where number > $1 order by number limit $2"  # noqa: S608


async def seals_after(connection: Connection, number: int, limit: int) -> list[Seal]:
    """Seals behind a number, in order."""
    return [Seal(*row) for row in await connection.fetch(SEALS_AFTER, number, limit)]


ALL_SEALS = f"select {SEAL_COLUMNS}, leaves from audit_seals order by number"  # noqa: S608


async def all_seals(connection: Connection) -> AsyncIterator[Sealed]:
    """All seals in order, a page at a time; needs a transaction."""
    async for row in connection.cursor(ALL_SEALS, prefetch=PAGE):
        yield _sealed(row)


ALL_ROWS = f"select {ROW_COLUMNS} from audit_log order by id"  # noqa: S608


async def all_rows(connection: Connection) -> AsyncIterator[Row]:
    """All rows of the log by id, a page at a time; needs a transaction."""
    async for row in connection.cursor(ALL_ROWS, prefetch=PAGE):
        yield Row(*row)


READ = f"select {ROW_COLUMNS} from audit_log where id = $1"  # noqa: S608
COVERING = f"""
select {SEAL_COLUMNS}, leaves
from audit_seals
where upper(ids) > $1 and ids @> $1::bigint
order by upper(ids)
limit 1
"""  # noqa: S608


async def read_row(connection: Connection, id: int) -> Row | None:
    """One row of the log."""
    row = await connection.fetchrow(READ, id)
    return None if row is None else Row(*row)


async def covering_seal(connection: Connection, id: int) -> Sealed | None:
    """The seal that covers a row."""
    row = await connection.fetchrow(COVERING, id)
    return None if row is None else _sealed(row)


def _sealed(row: Sequence[object]) -> Sealed:
    *fields, joined = row
    assert isinstance(joined, bytes)
    leaves = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
    return Sealed(Seal(*fields), leaves)  # type: ignore[arg-type]  # as the columns are


def moment(microseconds: int) -> datetime:
    """A moment that rows and seals give in microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(moment: datetime) -> int:
    """The other way round."""
    return (moment - EPOCH) // timedelta(microseconds=1)
