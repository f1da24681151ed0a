"""Signing in: who has an e-mail address, and where somebody is signed in.

A session is a random token that only the person's device has; the database has its SHA-256. Whom a
request is from is found out as lyceum_server, as nobody is known before; sessions are opened,
listed and ended by the person.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from uuid import UUID

from server.domain.envelope import Keyring
from server.errors import Forbidden, NotFound, Unauthorized
from server.ids import UserId
from server.persistence import people
from server.persistence.people import Person, Role
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.types import Connection

LASTS = timedelta(days=30)
TOKEN_BYTES = 32
AGENT_CHARACTERS = 512
KEPT = timedelta(days=30)  # after its end
BATCH = 1000

Address = IPv4Address | IPv6Address


class Opened(NamedTuple):
    """A new session. token: to be told to the person's device, and kept nowhere."""

    id: UUID
    token: str
    expires_at: datetime


class SignedIn(NamedTuple):
    """Who a request is from."""

    session: UUID
    user_id: UserId
    user: UUID
    subject: str
    role: Role


class Session(NamedTuple):
    """Where somebody is signed in."""

    id: UUID
    user_agent: str
    address: Address | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


async def find(connection: Connection, ring: Keyring, email: str) -> Person:
    """Who has an e-mail address, whichever key in use it was indexed with; as lyceum_server.

    Raises Unauthorized if nobody does, and Forbidden for who is suspended.
    """
    person = await people.find_by_email(connection, ring, email)
    if person is None:
        raise Unauthorized("Nobody is known by this e-mail address.")
    if person.status != "ACTIVE":
        raise Forbidden("This person is suspended.")
    return person


def hashed(token: str) -> bytes:
    """A token as the database has it. It is long and random, so nothing else is needed."""
    return sha256(token.encode()).digest()


OPEN = Query(
    "sign_in.open",
    Kind.WRITE,
    """
insert into auth_sessions (user_id, token_hash, user_agent, address, expires_at)
select id, $2, $3, $4, now() + $5::interval
from users
where id = $1 and status = 'ACTIVE'
returning public_id, expires_at
""",
)


async def open_session(
    connection: Connection,
    user_id: int,
    user_agent: str = "",
    address: Address | None = None,
    lasts: timedelta = LASTS,
) -> Opened:
    """Sign somebody in, as that person; raises Forbidden for who is not active."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    agent = user_agent[:AGENT_CHARACTERS]
    row = await fetchrow(connection, OPEN, user_id, hashed(token), agent, address, lasts)
    if row is None:
        raise Forbidden("This person may not sign in.")
    return Opened(row["public_id"], token, row["expires_at"])


# Seen once a minute is enough: most requests then only read.
LOOK_UP = Query(
    "sign_in.look_up",
    Kind.WRITE,
    """
with found as (
    select auth_sessions.id, auth_sessions.public_id as session, users.id as user_id,
        users.public_id as person, subject, role,
        last_seen_at < now() - interval '1 minute' or address is distinct from $2 as is_news
    from auth_sessions
    join users on users.id = user_id
    where token_hash = $1 and revoked_at is null and expires_at > now() and status = 'ACTIVE'
),
seen as (
    update auth_sessions
    set last_seen_at = now(), address = $2
    from found
    where auth_sessions.id = found.id and is_news
)
select session, user_id, person, subject, role
from found
""",
)


async def look_up(connection: Connection, token: str, address: Address | None = None) -> SignedIn:
    """Who a token is of, and that it was used; as lyceum_server. Raises Unauthorized."""
    row = await fetchrow(connection, LOOK_UP, hashed(token), address)
    if row is None:
        raise Unauthorized("This sign-in is over.")
    return SignedIn(*row)


SESSIONS = Query(
    "sign_in.sessions",
    Kind.READ,
    """
select public_id, user_agent, address, created_at, last_seen_at, expires_at
from auth_sessions
where user_id = $1 and revoked_at is null and expires_at > now()
order by last_seen_at desc
limit 100
""",
)


async def sessions(connection: Connection, user_id: int) -> list[Session]:
    """Where the person is signed in, last used first, a hundred at most."""
    return [Session(*row) for row in await fetch(connection, SESSIONS, user_id)]


REVOKE = Query(
    "sign_in.revoke",
    Kind.WRITE,
    """
with mine as (
    select id
    from auth_sessions
    where user_id = $1 and public_id = $2
),
ended as (
    update auth_sessions
    set revoked_at = now()
    from mine
    where auth_sessions.id = mine.id and revoked_at is null
)
select exists (select from mine)
""",
)


async def revoke(connection: Connection, user_id: int, session: UUID) -> None:
    """Sign the person out in one place, at once; raises NotFound."""
    if not await fetchval(connection, REVOKE, user_id, session):
        raise NotFound("This person has no such sign-in.")


REVOKE_OTHERS = Query(
    "sign_in.revoke_others",
    Kind.WRITE,
    """
update auth_sessions
set revoked_at = now()
where user_id = $1 and public_id is distinct from $2 and revoked_at is null and expires_at > now()
""",
)


async def revoke_others(connection: Connection, user_id: int, keep: UUID | None = None) -> int:
    """Sign the person out everywhere but in one place; returns in how many."""
    return int((await execute(connection, REVOKE_OTHERS, user_id, keep)).split()[1])


FORGET = Query(
    "sign_in.forget",
    Kind.UPKEEP,
    """
delete from auth_sessions
where id = any (array(
    select id
    from auth_sessions
    where expires_at < now() - $1::interval
    order by expires_at
    limit $2
    for update skip locked
))
""",
)


async def forget_sessions(connection: Connection) -> dict[str, object]:
    """Forget sign-ins that expired a month ago, batch by batch; a job, as lyceum_server."""
    forgotten = 0
    while True:
        batch = int((await execute(connection, FORGET, KEPT, BATCH)).split()[1])
        forgotten += batch
        if batch < BATCH:
            return {"sessions": forgotten} if forgotten else {}
