"""Credentials on a chain: asked for, sent, observed there, verified by anybody, and listed.

What a person reads of their own runs in `Access.as_user`, all else as lyceum_server. Who sends
transactions and who watches the chain are programs of their own; what they tell may come late,
twice and in any order. Each deed locks one credential.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from server.domain.school.credentials import Observation, Status, Token
from server.domain.school.credentials import observed as after_observed
from server.domain.school.credentials import sent as after_sent
from server.errors import Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow
from server.persistence.school.permissions import acting
from server.persistence.types import Connection

MOST = 100  # credentials of a page


class Contract(NamedTuple):
    """Which contract issues credentials. chain: its EIP-155 id; address: lower-case, with 0x."""

    chain: int
    address: str


class Credential(msgspec.Struct, frozen=True):
    """A credential, without whose it is. number: its key, for paging; token: an uint256."""

    number: int
    id: UUID
    course_id: int
    status: Status
    chain: int
    contract: str
    recipient: str
    token: int | None
    transaction: str | None
    metadata: dict[str, Any]
    created_at: datetime
    confirmed_at: datetime | None
    revoked_at: datetime | None


COLUMNS = """
    id, public_id, course_id, status, chain_id, contract, recipient, token_id, transaction_hash,
    metadata::text, created_at, confirmed_at, revoked_at
"""


def _credential(row: asyncpg.Record) -> Credential:
    fields = list(row)
    fields[7] = None if fields[7] is None else int(fields[7])
    fields[9] = msgspec.json.decode(fields[9])
    return Credential(*fields)


ELIGIBLE = Query(
    "credentials.eligible",
    Kind.READ,
    """
    select users.status = 'ACTIVE' as active, wallet, enrollments.status = 'COMPLETED' as completed
    from users
    left join user_profiles on user_profiles.user_id = users.id
    left join enrollments on enrollments.user_id = users.id and course_id = $2
    where users.id = $1
    """,
)
REQUEST = Query(
    "credentials.request",
    Kind.WRITE,
    """
    insert into credentials (user_id, course_id, chain_id, contract, recipient, metadata)
    select $1, id, $3, $4, $5, jsonb_build_object(
        'course', title, 'slug', slug, 'version', version, 'difficulty', difficulty
    )
    from courses
    where id = $2
    on conflict (user_id, course_id) where status in ('PENDING', 'SENT', 'CONFIRMED') do nothing
    """,
)
# A try that failed is taken up again; its last transaction stays, to know late words of it.
AGAIN = Query(
    "credentials.again",
    Kind.WRITE,
    """
    update credentials
    set status = 'PENDING', recipient = $3, updated_at = now()
    where status = 'FAILED' and id = (
        select max(id) from credentials where user_id = $1 and course_id = $2
    )
    """,
)
CURRENT = Query(
    "credentials.current",
    Kind.READ,
    f"""
    select {COLUMNS}
    from credentials
    where user_id = $1 and course_id = $2 and status in ('PENDING', 'SENT', 'CONFIRMED')
    """,  # noqa: S608
)


async def request(
    connection: Connection, who: UserId, course_id: int, contract: Contract
) -> Credential:
    """Ask for the credential of a course that somebody completed; as lyceum_server.

    Again it gives the one there is; after a failure it tries again, after a revocation anew. Raises
    Forbidden for who is not active, Conflict if the course is not completed or no wallet is known.
    """
    async with acting(connection, who):
        row = await fetchrow(connection, ELIGIBLE, who, course_id)
        if row is None or not row["active"]:
            raise Forbidden("You may not ask for credentials.")
        if not row["completed"]:
            raise Conflict("The course is not completed.")
        if row["wallet"] is None:
            raise Conflict("Your profile has no wallet to issue it to.")
        current = await fetchrow(connection, CURRENT, who, course_id)
        if current is None:
            current = await _begin(connection, who, course_id, contract, row["wallet"])
        return _credential(current)


async def _begin(
    connection: Connection, who: UserId, course_id: int, contract: Contract, wallet: str
) -> asyncpg.Record:
    if await execute(connection, AGAIN, who, course_id, wallet) == "UPDATE 0":
        await execute(connection, REQUEST, who, course_id, *contract, wallet)
    current = await fetchrow(connection, CURRENT, who, course_id)
    assert current is not None
    return current


LOCK = Query(
    "credentials.lock",
    Kind.WRITE,
    """
    select status, transaction_hash, token_id, confirmed_at, revoked_at, observed
    from credentials
    where public_id = $1
    for no key update
    """,
)
CHANGE = Query(
    "credentials.change",
    Kind.WRITE,
    """
    update credentials
    set status = $2, transaction_hash = $3, token_id = $4, confirmed_at = $5, revoked_at = $6,
        observed = $7, updated_at = now()
    where public_id = $1
    """,
)


async def _change(connection: Connection, id: UUID, change: Callable[[Token], Token]) -> Token:
    async with connection.transaction():
        row = await fetchrow(connection, LOCK, id)
        if row is None:
            raise NotFound("There is no such credential.")
        status, transaction, token, *rest = row
        before = Token(status, transaction, None if token is None else int(token), *rest)
        after = change(before)
        if after != before:
            token = None if after.token is None else Decimal(after.token)
            fields = msgspec.structs.astuple(after)
            try:
                await execute(connection, CHANGE, id, *fields[:2], token, *fields[3:])
            except asyncpg.UniqueViolationError:
                raise Conflict(
                    "The token is another credential's, or the course is certified by a newer one."
                ) from None
    return after


async def sent(
    connection: Connection, id: UUID, transaction: str, instead_of: str | None = None
) -> Token:
    """Tell that a transaction was sent which makes a credential; returns what it is then.

    instead_of: the one that was there when it was made. Late or twice it changes nothing. As
    lyceum_server. Raises NotFound.
    """
    return await _change(connection, id, lambda before: after_sent(before, transaction, instead_of))


async def observed(connection: Connection, id: UUID, seen: Observation) -> Token:
    """Tell what the chain says of a credential; returns what it is then.

    Older news than what is known change nothing. As lyceum_server. Raises NotFound, and Conflict if
    its token is another one's, or a newer credential of the person and course is there.
    """
    return await _change(connection, id, lambda before: after_observed(before, seen))


WAITING = Query(
    "credentials.waiting",
    Kind.READ,
    f"""
    select {COLUMNS}
    from credentials
    where status in ('PENDING', 'SENT') and (status = $2 or $2 is null)
    order by updated_at
    limit $1
    """,  # noqa: S608
)


async def waiting(
    connection: Connection, limit: int = MOST, status: Literal["PENDING", "SENT"] | None = None
) -> Sequence[Credential]:
    """Credentials to be sent, or that wait for the chain, the longest waiting first; as the server.

    A program that sends asks for the PENDING ones, or it would see none behind many that are SENT.
    """
    rows = await fetch(connection, WAITING, min(limit, MOST), status)
    return [_credential(row) for row in rows]


BY_ID = Query(
    "credentials.by_id",
    Kind.READ,
    f"select {COLUMNS} from credentials where public_id = $1",  # noqa: S608
)
BY_TOKEN = Query(
    "credentials.by_token",
    Kind.READ,
    f"""
    select {COLUMNS}
    from credentials
    where chain_id = $1 and contract = $2 and token_id = $3
    """,  # noqa: S608
)


async def verify(connection: Connection, id: UUID) -> Credential:
    """What a credential certifies, for anybody who has its id; as lyceum_server. Raises NotFound.

    It holds if its status is CONFIRMED.
    """
    return _found(await fetchrow(connection, BY_ID, id))


async def verify_token(connection: Connection, contract: Contract, token: int) -> Credential:
    """The same for anybody who has the token; contract: in whatever case."""
    address = contract.address.lower()
    return _found(await fetchrow(connection, BY_TOKEN, contract.chain, address, Decimal(token)))


def _found(row: asyncpg.Record | None) -> Credential:
    if row is None:
        raise NotFound("There is no such credential.")
    return _credential(row)


OWN = Query(
    "credentials.own",
    Kind.READ,
    f"""
    select {COLUMNS}
    from credentials
    where user_id = $1 and id < coalesce($2::bigint, 9223372036854775807)
    order by id desc
    limit $3
    """,  # noqa: S608
)


async def own(
    connection: Connection, who: UserId, after: int | None = None, limit: int = 20
) -> Sequence[Credential]:
    """A page of somebody's credentials, newest first; after: the number of the last one seen.

    In the person's own transaction (`Access.as_user`).
    """
    rows = await fetch(connection, OWN, who, after, min(limit, MOST))
    return [_credential(row) for row in rows]
