"""Posts: written, edited and deleted by their authors, and read page by page.

All of it runs in a person's own transaction (`Access.as_user`). Triggers count; the
migration `community` has them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from server.errors import Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.school.permissions import require
from server.persistence.types import Connection

PostKind = Literal["DISCUSSION", "QUESTION", "SHOWCASE", "ANNOUNCEMENT"]
Status = Literal["VISIBLE", "FLAGGED", "HIDDEN", "DELETED"]


class NewPost(msgspec.Struct, frozen=True):
    """What somebody wants to post.

    id: chosen by the client (a uuid v7), the same when it tries again. course_id, lesson_id: where
    it belongs; None: to none.
    """

    id: UUID
    title: str
    body: str
    kind: PostKind = "DISCUSSION"
    course_id: int | None = None
    lesson_id: int | None = None
    language: str = "en"


class Post(msgspec.Struct, frozen=True):
    """A post. number: its key in the database, for paging. my_vote: the reader's; 0: none."""

    number: int
    id: UUID
    author_id: UserId | None
    course_id: int | None
    lesson_id: int | None
    kind: PostKind
    status: Status
    title: str | None
    body: str | None
    language: str
    score: int
    comments: int
    created_at: datetime
    edited_at: datetime | None
    moderation_reason: str
    my_vote: int


# Shared by several statements, which is why these are put together (S608); nothing is from outside.
KEPT = """
    id, public_id, author_id, course_id, lesson_id, kind, status, title, body, language, score,
    comments, created_at, edited_at, moderation_reason
"""
COLUMNS = f"""{KEPT},
    coalesce((select value from votes where post_id = posts.id and user_id = $1), 0)
"""  # noqa: S608
SHOWN = "status in ('VISIBLE', 'FLAGGED')"

WRITE = Query(
    "posts.write",
    Kind.WRITE,
    """
    insert into posts (author_id, public_id, title, body, kind, course_id, lesson_id, language)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (public_id) do nothing
    """,
)
IN_COURSE = Query(
    "posts.in_course",
    Kind.READ,
    "select exists (select from lessons where id = $1 and course_id = $2)",
)
OWNER = Query("posts.course_owner", Kind.READ, "select owner_id from courses where id = $1")


async def write(connection: Connection, author: UserId, new: NewPost) -> Post:
    """Post something; the same id again changes nothing and gives what was posted.

    An announcement takes the permission to write the course, or all courses where it is in none.
    Raises Forbidden, BadRequest for a text that is too long, NotFound if there is no such course or
    the lesson is not of it, and Conflict if the id is somebody else's.
    """
    await require(connection, author, "post.write", author)
    if new.kind == "ANNOUNCEMENT":
        await require(
            connection, author, "course.write", await fetchval(connection, OWNER, new.course_id)
        )
    place = (new.course_id, new.lesson_id)
    if new.lesson_id is not None and not await fetchval(connection, IN_COURSE, *reversed(place)):
        raise NotFound("There is no such lesson in this course.")
    text = (new.title, new.body, new.kind)
    with allowed():
        await execute(connection, WRITE, author, new.id, *text, *place, new.language)
    post = await _find(connection, author, new.id)
    if post is None or post.author_id != author:
        raise Conflict("This id is taken.")
    return post


READ = Query("posts.read", Kind.READ, f"select {COLUMNS} from posts where public_id = $2")  # noqa: S608


async def read(connection: Connection, reader: UserId, id: UUID) -> Post:
    """One post: of a deleted one only the place is left; raises NotFound for a hidden one."""
    post = await _find(connection, reader, id)
    if post is None:
        raise NotFound("There is no such post.")
    return post


async def _find(connection: Connection, reader: UserId, id: UUID) -> Post | None:
    row = await fetchrow(connection, READ, reader, id)
    return None if row is None else Post(*row)


EDIT = Query(
    "posts.edit",
    Kind.WRITE,
    """
    update posts
    set title = $3, body = $4, edited_at = case
        when (title, body) is distinct from ($3, $4) then now() else edited_at
    end
    where public_id = $2 and author_id = $1 and status = 'VISIBLE'
    returning true
    """,
)


async def edit(connection: Connection, author: UserId, id: UUID, title: str, body: str) -> Post:
    """Change what one posted; raises as `write`, Forbidden for others', Conflict if it can't be.

    What somebody flagged stays as it is until a moderator saw it.
    """
    await require(connection, author, "post.write", author)
    with allowed():
        done = await fetchval(connection, EDIT, author, id, title, body)
    post = await read(connection, author, id)
    return post if done else _refuse(post, author)


DELETE = Query(
    "posts.delete",
    Kind.WRITE,
    """
    update posts
    set status = 'DELETED', title = null, body = null
    where public_id = $2 and author_id = $1 and status = 'VISIBLE'
    returning true
    """,
)


async def delete(connection: Connection, author: UserId, id: UUID) -> Post:
    """Take back what one posted: the text goes, the place stays, with its comments.

    Once more changes nothing. Raises as `edit`.
    """
    done = await fetchval(connection, DELETE, author, id)
    post = await read(connection, author, id)
    gone = post.author_id == author and post.status == "DELETED"
    return post if done or gone else _refuse(post, author)


def _refuse(post: Post, author: UserId) -> Post:
    if post.author_id != author:
        raise Forbidden("This was written by somebody else.")
    raise Conflict("This post is deleted or in the hands of a moderator.")


class Of(NamedTuple):
    """Which posts: all, or those of a course, a lesson or an author, by its key."""

    what: Literal["ALL", "COURSE", "LESSON", "AUTHOR"] = "ALL"
    id: int = 0


EVERYTHING = Of()
MOST = 100  # posts of a page
# The best are those of the newest so many. All of them lie side by side; those of one course,
# lesson or author lie apart, so each costs a page.
WINDOW = 1000
WINDOW_OF_ONE = 200


class Newest(NamedTuple):
    """A place in a list that goes from the newest on: the post that was last seen."""

    created_at: datetime
    number: int


class Best(NamedTuple):
    """A place in a list that goes from the best on: the post that was last seen."""

    score: int
    number: int


def _newest(name: str, where: str) -> Query:
    """$1: the reader; $2, $3: the place; $4: how many; $5: of what."""
    return Query(
        name,
        Kind.READ,
        f"""
        select {COLUMNS}
        from posts
        where {where}
            and (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::bigint, 0))
        order by created_at desc, id desc
        limit $4
        """,  # noqa: S608
    )


NEWEST = _newest("posts.newest", f"{SHOWN} and $5::bigint = 0")
NEWEST_OF_COURSE = _newest("posts.newest_of_course", f"{SHOWN} and course_id = $5")
NEWEST_OF_LESSON = _newest("posts.newest_of_lesson", f"{SHOWN} and lesson_id = $5")
# The author's own list has what a moderator hid, too; policies keep that from others.
NEWEST_OF_AUTHOR = _newest("posts.newest_of_author", "status <> 'DELETED' and author_id = $5")

NEWEST_BY = {
    "ALL": NEWEST,
    "COURSE": NEWEST_OF_COURSE,
    "LESSON": NEWEST_OF_LESSON,
    "AUTHOR": NEWEST_OF_AUTHOR,
}


async def newest(
    connection: Connection,
    reader: UserId,
    of: Of = EVERYTHING,
    after: Newest | None = None,
    limit: int = 20,
) -> Sequence[Post]:
    """A page of posts, newest first; after: where the page before ended. At most MOST."""
    place = after or (None, None)
    query = NEWEST_BY[of.what]
    rows = await fetch(connection, query, reader, *place, min(limit, MOST), of.id)
    return [Post(*row) for row in rows]


def _best(name: str, where: str, window: int = WINDOW_OF_ONE) -> Query:
    """$1: the reader; $2, $3: the place; $4: how many; $5: of what."""
    return Query(
        name,
        Kind.READ,
        f"""
        select {COLUMNS}
        from (
            select {KEPT}
            from posts
            where {SHOWN} and {where}
            order by created_at desc, id desc
            limit {window}
        ) as posts
        where $2::bigint is null or (score, id) < ($2, $3)
        order by score desc, id desc
        limit $4
        """,  # noqa: S608
    )


# An index on score would have each vote write all indexes of the post anew.
BEST = _best("posts.best", "$5::bigint = 0", WINDOW)
BEST_OF_COURSE = _best("posts.best_of_course", "course_id = $5")
BEST_OF_LESSON = _best("posts.best_of_lesson", "lesson_id = $5")
BEST_OF_AUTHOR = _best("posts.best_of_author", "author_id = $5")

BEST_BY = {
    "ALL": BEST,
    "COURSE": BEST_OF_COURSE,
    "LESSON": BEST_OF_LESSON,
    "AUTHOR": BEST_OF_AUTHOR,
}


async def best(
    connection: Connection,
    reader: UserId,
    of: Of = EVERYTHING,
    after: Best | None = None,
    limit: int = 20,
) -> Sequence[Post]:
    """A page of the best among the newest posts (see WINDOW), best first; as `newest`."""
    place = after or (None, None)
    rows = await fetch(connection, BEST_BY[of.what], reader, *place, min(limit, MOST), of.id)
    return [Post(*row) for row in rows]
