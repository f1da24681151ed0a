"""Texts that tests search for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from server.ids import UserId
from server.persistence.school import search
from server.persistence.school.search import PostHit
from server.persistence.school.searching import Page
from server.persistence.types import Connection
from tests.school.campus import Campus

POST = """
insert into posts (
    author_id, title, body, language, status, kind, course_id, lesson_id, score, created_at,
    moderated_at
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, now()),
    case when $5 = 'HIDDEN' then now() end
)
returning id
"""
LESSON = """
with part as (
    insert into modules (course_id, slug, position, title)
    select $1::bigint, 'part-' || number, number, 'Part'
    from (select coalesce(max(position), 0) + 1 from modules where course_id = $1) as next (number)
    returning id
)
insert into lessons (module_id, course_id, slug, position, title, body, language, status, kind)
select id, $1, 'first', 1, $2, $3, $4, $5, $6 from part
returning id
"""


def ago(**span: float) -> datetime:
    """A moment before now."""
    return datetime.now(UTC) - timedelta(**span)


async def post(
    connection: Connection,
    author: UserId | None,
    title: str,
    body: str = "…",
    language: str = "en",
    status: str = "VISIBLE",
    kind: str = "DISCUSSION",
    course: int | None = None,
    lesson: int | None = None,
    score: int = 0,
    at: datetime | None = None,
) -> int:
    """A new post, by a superuser; returns its id."""
    id: int = await connection.fetchval(
        POST, author, title, body, language, status, kind, course, lesson, score, at
    )
    return id


async def lesson(
    connection: Connection,
    course: int,
    title: str,
    body: str = "",
    language: str = "en",
    status: str = "PUBLISHED",
    kind: str = "READING",
) -> int:
    """A new lesson in a module of its own, by a superuser; returns its id."""
    id: int = await connection.fetchval(LESSON, course, title, body, language, status, kind)
    return id


async def found(campus: Campus, who: UserId, typed: str, **how: Any) -> Page[PostHit]:
    """What somebody finds."""
    async with campus.app.as_user(who) as connection:
        return await search.posts(connection, typed, **how)


async def ids(campus: Campus, who: UserId, typed: str, **how: Any) -> list[int]:
    """Which posts somebody finds, best first."""
    return [hit.id for hit in (await found(campus, who, typed, **how)).hits]
