"""Votes for and against posts and comments: one each, changed or taken back at will.

All of it runs in a person's own transaction (`Access.as_user`), one vote in each. A trigger brings
scores and reputation along; it locks what is voted on, then its author's statistics, so voters wait
for each other in one order. A vote says what is to be, not what is to change: it may be repeated.
"""

from typing import Literal
from uuid import UUID

import asyncpg

from server.errors import Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetchrow
from server.persistence.school.permissions import require
from server.persistence.types import Connection

Value = Literal[-1, 0, 1]

POST = Query(
    "votes.post",
    Kind.READ,
    """
    select id, author_id
    from posts
    where public_id = $1 and status in ('VISIBLE', 'FLAGGED')
    """,
)
COMMENT = Query(
    "votes.comment",
    Kind.READ,
    """
    select id, author_id
    from comments
    where public_id = $1 and status in ('VISIBLE', 'FLAGGED')
    """,
)
VOTE_ON_POST = Query(
    "votes.vote_on_post",
    Kind.WRITE,
    """
    insert into votes (user_id, post_id, value)
    values ($1, $2, $3)
    on conflict (post_id, user_id) do update
    set value = excluded.value, voted_at = now()
    where votes.value <> excluded.value
    """,
)
VOTE_ON_COMMENT = Query(
    "votes.vote_on_comment",
    Kind.WRITE,
    """
    insert into votes (user_id, comment_id, value)
    values ($1, $2, $3)
    on conflict (comment_id, user_id) do update
    set value = excluded.value, voted_at = now()
    where votes.value <> excluded.value
    """,
)
TAKE_BACK_FROM_POST = Query(
    "votes.take_back_from_post",
    Kind.WRITE,
    "delete from votes where user_id = $1 and post_id = $2",
)
TAKE_BACK_FROM_COMMENT = Query(
    "votes.take_back_from_comment",
    Kind.WRITE,
    "delete from votes where user_id = $1 and comment_id = $2",
)


async def vote_on_post(connection: Connection, voter: UserId, post: UUID, value: Value) -> None:
    """Be for (1) or against (-1) a post, or neither (0).

    Raises Forbidden for one's own, NotFound for what is not shown.
    """
    row = await fetchrow(connection, POST, post)
    id = await _votable(connection, voter, row)
    if value:
        await execute(connection, VOTE_ON_POST, voter, id, value)
    else:
        await execute(connection, TAKE_BACK_FROM_POST, voter, id)


async def vote_on_comment(
    connection: Connection, voter: UserId, comment: UUID, value: Value
) -> None:
    """The same for a comment."""
    row = await fetchrow(connection, COMMENT, comment)
    id = await _votable(connection, voter, row)
    if value:
        await execute(connection, VOTE_ON_COMMENT, voter, id, value)
    else:
        await execute(connection, TAKE_BACK_FROM_COMMENT, voter, id)


async def _votable(connection: Connection, voter: UserId, row: asyncpg.Record | None) -> int:
    await require(connection, voter, "post.vote")
    if row is None:
        raise NotFound("What you vote on is not there any more.")
    if row["author_id"] == voter:
        raise Forbidden("Nobody votes on what is their own.")
    return int(row["id"])
