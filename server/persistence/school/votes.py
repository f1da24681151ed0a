"""Votes for and against posts and comments: one each, changed or taken back at will.

All of it runs in a person's own transaction (`Access.as_user`), one vote in each. A trigger brings
scores and reputation along; it locks what is voted on, then its author's statistics, so voters wait
for each other in one order. A vote says what is to be, not what is to change: it may be repeated.
"""

from typing import Literal
from uuid import UUID

from server.errors import Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetchrow
from server.persistence.school.permissions import require
from server.persistence.types import Connection

Value = Literal[-1, 0, 1]
What = Literal["post", "comment"]


def _look(what: What) -> Query:
    return Query(
        f"votes.{what}",
        Kind.READ,
        f"""
        select id, author_id
        from {what}s
        where public_id = $1 and status in ('VISIBLE', 'FLAGGED')
        """,  # noqa: S608  # of constants
    )


def _vote(what: What) -> Query:
    return Query(
        f"votes.vote_on_{what}",
        Kind.WRITE,
        f"""
        insert into votes (user_id, {what}_id, value)
        values ($1, $2, $3)
        on conflict ({what}_id, user_id) do update
        set value = excluded.value, voted_at = now()
        where votes.value <> excluded.value
        """,  # noqa: S608
    )


def _take_back(what: What) -> Query:
    return Query(
        f"votes.take_back_from_{what}",
        Kind.WRITE,
        f"delete from votes where user_id = $1 and {what}_id = $2",  # noqa: S608
    )


POST = _look("post")
COMMENT = _look("comment")
VOTE_ON_POST = _vote("post")
VOTE_ON_COMMENT = _vote("comment")
TAKE_BACK_FROM_POST = _take_back("post")
TAKE_BACK_FROM_COMMENT = _take_back("comment")
LOOK = {"post": POST, "comment": COMMENT}
VOTE = {"post": VOTE_ON_POST, "comment": VOTE_ON_COMMENT}
TAKE_BACK = {"post": TAKE_BACK_FROM_POST, "comment": TAKE_BACK_FROM_COMMENT}


async def vote_on_post(connection: Connection, voter: UserId, post: UUID, value: Value) -> None:
    """Be for (1) or against (-1) a post, or neither (0).

    Raises Forbidden for one's own, NotFound for what is not shown.
    """
    await _vote_on(connection, voter, "post", post, value)


async def vote_on_comment(
    connection: Connection, voter: UserId, comment: UUID, value: Value
) -> None:
    """The same for a comment."""
    await _vote_on(connection, voter, "comment", comment, value)


async def _vote_on(
    connection: Connection, voter: UserId, what: What, public_id: UUID, value: Value
) -> None:
    row = await fetchrow(connection, LOOK[what], public_id)
    await require(connection, voter, "post.vote")
    if row is None:
        raise NotFound("What you vote on is not there any more.")
    if row["author_id"] == voter:
        raise Forbidden("Nobody votes on what is their own.")
    if value:
        await execute(connection, VOTE[what], voter, row["id"], value)
    else:
        await execute(connection, TAKE_BACK[what], voter, row["id"])
