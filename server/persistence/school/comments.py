"""Comments: answers to posts and to each other, as threads.

All of it runs in a person's own transaction (`Access.as_user`). Triggers count.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from server.errors import Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.school.permissions import require
from server.persistence.school.posts import MOST, Best, Status
from server.persistence.types import Connection

WINDOW = 1000


class NewComment(msgspec.Struct, frozen=True):
    """What somebody wants to say. id: chosen by the client, the same when it tries again.

    parent: the comment that is answered; None: the post itself.
    """

    id: UUID
    post: UUID
    body: str
    parent: UUID | None = None


class Comment(msgspec.Struct, frozen=True):
    """A comment. number, parent: keys in the database, a parent's always the smaller.

    post: the post's. my_vote: the reader's; 0: none.
    """

    number: int
    id: UUID
    post: int
    parent: int | None
    author_id: UserId | None
    status: Status
    body: str | None
    score: int
    created_at: datetime
    edited_at: datetime | None
    moderation_reason: str
    my_vote: int


# Shared by several statements, which is why these are put together (S608); nothing is from outside.
KEPT = """
    id, public_id, post_id, parent_id, author_id, status, body, score, created_at, edited_at,
    moderation_reason
"""
COLUMNS = f"""{KEPT},
    coalesce((select value from votes where comment_id = comments.id and user_id = $1), 0)
"""  # noqa: S608

WRITE = Query(
    "comments.write",
    Kind.WRITE,
    """
    insert into comments (author_id, public_id, post_id, parent_id, body)
    select $1, $2, posts.id, parents.id, $5
    from posts
    left join comments as parents
        on parents.public_id = $4 and parents.post_id = posts.id
        and parents.status in ('VISIBLE', 'FLAGGED')
    where posts.public_id = $3 and posts.status in ('VISIBLE', 'FLAGGED')
        and (parents.id is null) = ($4::uuid is null)
    on conflict (public_id) do nothing
    """,
)


async def write(connection: Connection, author: UserId, new: NewComment) -> Comment:
    """Say something; the same id again changes nothing and gives what was said.

    Raises Forbidden, BadRequest for a text that is too long, Conflict if the id is somebody else's,
    and NotFound if the post, or the comment of it that is answered, is not shown.
    """
    await require(connection, author, "comment.write", author)
    with allowed():
        await execute(connection, WRITE, author, new.id, new.post, new.parent, new.body)
    comment = await _find(connection, author, new.id)
    if comment is None:
        raise NotFound("What this answers is not there any more.")
    if comment.author_id != author:
        raise Conflict("This id is taken.")
    return comment


READ = Query(
    "comments.read",
    Kind.READ,
    f"select {COLUMNS} from comments where public_id = $2",  # noqa: S608
)


async def _find(connection: Connection, reader: UserId, id: UUID) -> Comment | None:
    row = await fetchrow(connection, READ, reader, id)
    return None if row is None else Comment(*row)


async def read(connection: Connection, reader: UserId, id: UUID) -> Comment:
    """One comment: of a deleted one only the place is left; raises NotFound for a hidden one."""
    comment = await _find(connection, reader, id)
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment


EDIT = Query(
    "comments.edit",
    Kind.WRITE,
    """
    update comments
    set body = $3, edited_at = case when body is distinct from $3 then now() else edited_at end
    where public_id = $2 and author_id = $1 and status = 'VISIBLE'
    returning true
    """,
)


async def edit(connection: Connection, author: UserId, id: UUID, body: str) -> Comment:
    """Change what one said; raises as `write`, Forbidden for others', Conflict if it can't be.

    What somebody flagged stays as it is until a moderator saw it.
    """
    await require(connection, author, "comment.write", author)
    with allowed():
        done = await fetchval(connection, EDIT, author, id, body)
    comment = await read(connection, author, id)
    return comment if done else _refuse(comment, author)


DELETE = Query(
    "comments.delete",
    Kind.WRITE,
    """
    update comments
    set status = 'DELETED', body = null
    where public_id = $2 and author_id = $1 and status = 'VISIBLE'
    returning true
    """,
)


async def delete(connection: Connection, author: UserId, id: UUID) -> Comment:
    """Take back what one said: the text goes, the place stays, with what answers it.

    Once more changes nothing. Raises as `edit`.
    """
    done = await fetchval(connection, DELETE, author, id)
    comment = await read(connection, author, id)
    gone = comment.author_id == author and comment.status == "DELETED"
    return comment if done or gone else _refuse(comment, author)


def _refuse(comment: Comment, author: UserId) -> Comment:
    if comment.author_id != author:
        raise Forbidden("This was written by somebody else.")
    raise Conflict("This comment is deleted or in the hands of a moderator.")


THREAD = Query(
    "comments.thread",
    Kind.READ,
    f"""
    select {COLUMNS}
    from comments
    where post_id = $2 and id > $3
    order by id
    limit $4
    """,  # noqa: S608
)


async def thread(
    connection: Connection, reader: UserId, post: int, after: int = 0, limit: int = 50
) -> Sequence[Comment]:
    """A page of a post's comments in the order in which they came, so a parent before its answers.

    post: its number. after: the number of the last one of the page before. Deleted ones are among
    them, without text. At most MOST.
    """
    rows = await fetch(connection, THREAD, reader, post, after, min(limit, MOST))
    return [Comment(*row) for row in rows]


# As for posts: an index on score would make votes dear.
BEST = Query(
    "comments.best",
    Kind.READ,
    f"""
    select {COLUMNS}
    from (
        select {KEPT}
        from comments
        where post_id = $2
        order by id desc
        limit {WINDOW}
    ) as comments
    where status in ('VISIBLE', 'FLAGGED') and ($3::bigint is null or (score, id) < ($3, $4))
    order by score desc, id desc
    limit $5
    """,  # noqa: S608
)


async def best(
    connection: Connection, reader: UserId, post: int, after: Best | None = None, limit: int = 20
) -> Sequence[Comment]:
    """A page of the best among a post's newest WINDOW comments; after: the last one seen."""
    rows = await fetch(connection, BEST, reader, post, *(after or (None, None)), min(limit, MOST))
    return [Comment(*row) for row in rows]


NEWEST_OF_AUTHOR = Query(
    "comments.newest_of_author",
    Kind.READ,
    f"""
    select {COLUMNS}
    from comments
    where author_id = $2 and status <> 'DELETED'
        and (created_at, id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
    order by created_at desc, id desc
    limit $5
    """,  # noqa: S608
)


async def newest_of(
    connection: Connection,
    reader: UserId,
    author: UserId,
    after: tuple[datetime, int] | None = None,
    limit: int = 20,
) -> Sequence[Comment]:
    """A page of what somebody said, newest first; after: time and number of the last one seen."""
    place = after or (None, None)
    rows = await fetch(connection, NEWEST_OF_AUTHOR, reader, author, *place, min(limit, MOST))
    return [Comment(*row) for row in rows]
