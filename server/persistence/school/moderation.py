"""Moderation: people flag what others wrote, and moderators decide about it.

Flagging runs in a person's own transaction (`Access.as_user`), all else as lyceum_staff; the audit
log has each decision with who made it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from server.domain.school.moderation import CHANGES, Decision
from server.errors import BadRequest, Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.school.permissions import acting, require
from server.persistence.types import Connection

What = Literal["POST", "COMMENT"]
MOST = 100  # things of a page
SINCE = "coalesce(flagged_at, created_at)"  # as in the index
REASONS = 10  # of those who flagged one thing that are shown

FLAG_POST = Query(
    "moderation.flag_post",
    Kind.WRITE,
    """
    insert into flags (user_id, post_id, reason)
    select $1, id, $3
    from posts
    where public_id = $2 and status in ('VISIBLE', 'FLAGGED')
    on conflict (post_id, user_id) do update set reason = excluded.reason
    returning true
    """,
)
FLAG_COMMENT = Query(
    "moderation.flag_comment",
    Kind.WRITE,
    """
    insert into flags (user_id, comment_id, reason)
    select $1, id, $3
    from comments
    where public_id = $2 and status in ('VISIBLE', 'FLAGGED')
    on conflict (comment_id, user_id) do update set reason = excluded.reason
    returning true
    """,
)
FLAG_BY = {"POST": FLAG_POST, "COMMENT": FLAG_COMMENT}


async def flag(connection: Connection, who: UserId, what: What, id: UUID, reason: str) -> None:
    """Ask moderators to look at something; raises NotFound if it is not shown.

    Each person flags a thing once: again it only changes the reason.
    """
    await require(connection, who, "post.flag")
    with allowed():
        found = await fetchval(connection, FLAG_BY[what], who, id, reason)
    if not found:
        raise NotFound("What you flag is not there any more.")


class Flagged(msgspec.Struct, frozen=True):
    """Something that waits for a decision. flags: since the last one; reasons: of the newest.

    title: None for a comment. number: its key in the database, for paging. since: when it was
    flagged first of those.
    """

    what: What
    number: int
    id: UUID
    author_id: UserId | None
    title: str | None
    body: str
    since: datetime
    flags: int
    reasons: Sequence[str]


class Place(NamedTuple):
    """A place in the queue: what was last seen."""

    since: datetime
    what: What
    number: int


def _flagged(what: What, title: str) -> str:
    return f"""
        select '{what}' as what, id, public_id, author_id, {title} as title, body, {SINCE} as since,
            moderated_at
        from {what.lower()}s
        where status = 'FLAGGED' and {SINCE} >= coalesce($1::timestamptz, '-infinity')
            and ({SINCE}, '{what}', id)
                > (coalesce($1::timestamptz, '-infinity'), coalesce($2::text, ''), coalesce($3, 0))
        order by {SINCE}, id
        limit $4
    """  # noqa: S608


def _flags(what: What) -> str:
    return f"""
        select reason, flagged_at
        from flags
        where {what.lower()}_id = page.id and page.what = '{what}'
            and flagged_at > coalesce(page.moderated_at, '-infinity')
    """  # noqa: S608


QUEUE = Query(
    "moderation.queue",
    Kind.READ,
    f"""
    select what, id, public_id, author_id, title, body, since, flags, reasons
    from (
        select *
        from (({_flagged("POST", "title")}) union all ({_flagged("COMMENT", "null")})) as each
        order by since, what, id
        limit $4
    ) as page
    cross join lateral (
        select count(*) as flags,
            coalesce((array_agg(reason order by flagged_at desc))[:{REASONS}], '{{}}') as reasons
        from ({_flags("POST")} union all {_flags("COMMENT")}) as raised
    ) as raised
    order by since, what, id
    """,  # noqa: S608
)


async def queue(
    connection: Connection, moderator: UserId, after: Place | None = None, limit: int = 20
) -> Sequence[Flagged]:
    """What was flagged and not decided, longest waiting first; after: the last thing seen."""
    await require(connection, moderator, "post.hide")
    place = after or (None, None, None)
    rows = await fetch(connection, QUEUE, *place, min(limit, MOST))
    return [Flagged(*row) for row in rows]


def _decide(what: What) -> Query:
    return Query(
        f"moderation.decide_{what.lower()}",
        Kind.WRITE,
        f"""
        update {what.lower()}s
        set status = $4, moderated_by = $1, moderated_at = clock_timestamp(),
            moderation_reason = $5
        where public_id = $2 and status = any($3::text[]) and author_id is distinct from $1
        returning true
        """,  # noqa: S608
    )


def _look(what: What) -> Query:
    return Query(
        f"moderation.look_{what.lower()}",
        Kind.READ,
        f"""
        select status, author_id, moderated_by, moderation_reason
        from {what.lower()}s
        where public_id = $1
        """,  # noqa: S608
    )


DECIDE_POST = _decide("POST")
DECIDE_COMMENT = _decide("COMMENT")
DECIDE_BY = {"POST": DECIDE_POST, "COMMENT": DECIDE_COMMENT}
LOOK_POST = _look("POST")
LOOK_COMMENT = _look("COMMENT")
LOOK_BY = {"POST": LOOK_POST, "COMMENT": LOOK_COMMENT}


async def decide(
    connection: Connection,
    moderator: UserId,
    what: What,
    id: UUID,
    decision: Decision,
    reason: str,
) -> None:
    """Hide, restore or dismiss what was flagged; the author is told the reason.

    The same decision again changes nothing. Raises Forbidden, also for what is the moderator's own,
    NotFound, and Conflict if somebody else decided, or its author deleted it, in the meantime.
    """
    change = CHANGES[decision]
    async with acting(connection, moderator):
        await require(connection, moderator, "post.hide")
        given = (moderator, id, sorted(change.before), change.after, reason)
        with allowed():
            done = await fetchval(connection, DECIDE_BY[what], *given)
        if done:
            return
        row = await fetchrow(connection, LOOK_BY[what], id)
        if row is None:
            raise NotFound("There is nothing to decide about.")
        if row["author_id"] == moderator:
            raise Forbidden("Somebody else decides about what is your own.")
        decided = (row["status"], row["moderated_by"], row["moderation_reason"])
        if decided == (change.after, moderator, reason):
            return
        raise Conflict(f"This is {row['status'].lower()} by now.")


LOCK = Query(
    "moderation.lock",
    Kind.WRITE,
    "select subject, role, status from users where id = $1 for no key update",
)
SET_STATUS = Query(
    "moderation.set_status",
    Kind.WRITE,
    "update users set status = $2, updated_at = now() where id = $1",
)
SUSPEND = Query(
    "moderation.suspend",
    Kind.WRITE,
    "insert into suspensions (user_id, reason, suspended_by) values ($1, $2, $3)",
)
SIGN_OUT = Query(
    "moderation.sign_out",
    Kind.WRITE,
    "update auth_sessions set revoked_at = now() where user_id = $1 and revoked_at is null",
)
REVOKE = Query(
    "moderation.revoke",
    Kind.WRITE,
    """
    insert into revocations (user_id, issued_before) values ($1, now())
    on conflict on constraint revocations_user_id_key do update
    set id = default, issued_before = now(), created_at = now()
    """,
)


async def suspend(connection: Connection, moderator: UserId, person: UserId, reason: str) -> None:
    """Let somebody do nothing any more; whoever is suspended already stays so.

    Ends sign-ins, and live sockets within a second. Raises NotFound, BadRequest without a reason,
    and Forbidden for oneself; somebody with a role is suspended by who may grant roles.
    """
    if not reason.strip():
        raise BadRequest("A suspension has a reason.")
    async with acting(connection, moderator):
        subject, status = await _lock(connection, moderator, person)
        if status == "SUSPENDED":
            return
        await execute(connection, SET_STATUS, person, "SUSPENDED")
        with allowed():
            await execute(connection, SUSPEND, person, reason, moderator)
        await execute(connection, SIGN_OUT, person)
        await execute(connection, REVOKE, subject)


async def _lock(connection: Connection, moderator: UserId, person: UserId) -> tuple[str, str]:
    """Subject and status of whom a moderator may suspend; raises as `suspend`."""
    await require(connection, moderator, "user.suspend")
    row = await fetchrow(connection, LOCK, person)
    if row is None or row["status"] == "DELETED":
        raise NotFound("There is no such person.")
    if person == moderator:
        raise Forbidden("Nobody decides about oneself.")
    if row["role"] != "STUDENT":
        await require(connection, moderator, "role.grant")
    return row["subject"], row["status"]


LIFT = Query(
    "moderation.lift",
    Kind.WRITE,
    """
    update suspensions
    set lifted_by = $2, lifted_at = now(), lift_reason = $3
    where user_id = $1 and lifted_at is null
    """,
)


async def reinstate(connection: Connection, moderator: UserId, person: UserId, reason: str) -> None:
    """Let somebody do everything again; changes nothing if that is so. Raises as `suspend`."""
    async with acting(connection, moderator):
        _, status = await _lock(connection, moderator, person)
        if status == "SUSPENDED":
            await execute(connection, SET_STATUS, person, "ACTIVE")
            with allowed():
                await execute(connection, LIFT, person, moderator, reason)


class Suspension(msgspec.Struct, frozen=True):
    """When somebody was suspended, why, and how it ended; lifted_at: None if it didn't."""

    reason: str
    suspended_by: UserId | None
    suspended_at: datetime
    lifted_by: UserId | None
    lifted_at: datetime | None
    lift_reason: str


SUSPENSIONS = Query(
    "moderation.suspensions",
    Kind.READ,
    """
    select reason, suspended_by, suspended_at, lifted_by, lifted_at, lift_reason
    from suspensions
    where user_id = $1
    order by suspended_at desc
    """,
)


async def suspensions(connection: Connection, person: UserId) -> Sequence[Suspension]:
    """Somebody's suspensions, newest first: as staff, or as the person itself."""
    return [Suspension(*row) for row in await fetch(connection, SUSPENSIONS, person)]
