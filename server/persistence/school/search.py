"""Search over what people write to each other; docs/search.md tells how posts are ranked."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.domain.school.highlights import Marked
from server.domain.school.search_terms import Wanted
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.school.searching import (
    MOST_HITS,
    RELEVANCE,
    Cursor,
    Page,
    language_of,
    marked,
    page_of,
    search,
)
from server.persistence.types import Connection

MOST = 300  # posts that are ranked, the newest of those that match; pages are of these
MOST_HIDDEN = 1000  # hidden posts that are looked through, the newest

PostKind = Literal["DISCUSSION", "QUESTION", "SHOWCASE", "ANNOUNCEMENT"]


class PostFilter(Struct, frozen=True):
    """Which posts. language: a tag, of which the region is not looked at; until: not any more."""

    course_id: int | None = None
    lesson_id: int | None = None
    kind: PostKind | None = None
    language: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ALL = PostFilter()


class PostHit(Struct, frozen=True):
    """A post that was found."""

    id: int
    public_id: UUID
    title: Marked
    excerpt: Marked
    kind: PostKind
    status: str
    language: str
    course_id: int | None
    lesson_id: int | None
    score: int
    comments: int
    created_at: datetime
    rank: float


# How well it matches, a little more for what many are for and for what is new.
RANK = """
relevance::double precision
    * (1 + ln(1 + greatest(0, votes)) / 8)
    * (0.5 + 0.5 / (1 + extract(epoch from until - posted_at) / (180 * 86400)))
"""
FIND_POSTS = """
with asked as materialized (
    select coalesce($8::timestamptz, clock_timestamp()) as until
), found as materialized (
    select post_id, posted_at, votes, relevance, about, until
    from asked
    cross join lateral search_posts(
        $3::text[]::tsquery[], $4::text::tsquery, $5::text[]::tsquery[], $7, until, {most}
    )
), hidden as materialized (
    select id, created_at, score, {relevance}, until
    from (
        select id, created_at, score, search_vector, until
        from asked
        cross join posts
        where status = 'HIDDEN'{whose}
            and ($9::bigint is null or course_id = $9)
            and ($10::bigint is null or lesson_id = $10)
            and ($11::text is null or kind = $11)
            and ($6::text is null or split_part(language, '-', 1) = $6)
            and ($7::timestamptz is null or created_at >= $7)
            and created_at < until
        order by created_at desc
        limit {most_hidden}
    ) as newest
    where search_vector @@ $1::text::tsquery
), ranked as (
    select post_id as id, until, {rank} as rank
    from (
        select post_id, posted_at, votes, relevance, until from found
        union all
        select * from hidden
    ) as matching (post_id, posted_at, votes, relevance, until)
), page as materialized (
    select *
    from ranked
    where $12::double precision is null or (rank, id) < ($12, $13::bigint)
    order by rank desc, id desc
    limit $14
)
select id, public_id, {title} as title, {body} as body, kind, status, language,
    course_id, lesson_id, score, comments, created_at, rank, until,
    coalesce((select max(about) from found), 0) + (select count(*) from hidden) as about
from page
join posts using (id)
order by rank desc, id desc
"""
PARTS = {
    "most": MOST,
    "most_hidden": MOST_HIDDEN,
    "relevance": RELEVANCE,
    "rank": RANK,
    "title": marked("title", "language", "$2::text::tsquery"),
    "body": marked("body", "language", "$2::text::tsquery"),
}
POSTS = Query(
    "search.posts",
    Kind.READ,
    FIND_POSTS.format(**PARTS, whose=" and author_id = (select current_user_id())"),
)
POSTS_FOR_STAFF = Query("search.posts_for_staff", Kind.READ, FIND_POSTS.format(**PARTS, whose=""))


async def posts(
    connection: Connection,
    typed: str,
    only: PostFilter = ALL,
    *,
    spoken: str = "en",
    staff: bool = False,
    after: Cursor | None = None,
    limit: int = 20,
) -> Page[PostHit]:
    """A page of the posts that have what was typed, best first.

    As lyceum_app through `Access.as_user`: of hidden posts the person's own. As lyceum_staff with
    staff=True: all. spoken: by who asks; after: a page's `more`. Raises BadRequest if a language is
    no tag.
    """
    language, limit = language_of(only.language), min(limit, MOST_HITS)
    labels = [
        f"'{name} {value}'"
        for name, value in [
            ("course", only.course_id),
            ("lesson", only.lesson_id),
            ("kind", only.kind),
            ("language", language),
        ]
        if value is not None
    ]

    async def find(wanted: Wanted) -> Page[PostHit]:
        rows = await queries.fetch(
            connection,
            POSTS_FOR_STAFF if staff else POSTS,
            wanted.whole,
            wanted.mentioned,
            list(wanted.all_of),
            wanted.exact,
            labels,
            language,
            only.since,
            after.at if after else only.until,
            only.course_id,
            only.lesson_id,
            only.kind,
            after.rank if after else None,
            after.id if after else None,
            limit + 1,
        )
        return page_of(rows, limit, PostHit)

    return await search(connection, typed, language, spoken, find, mend=after is None)
