"""Search over what is taught: courses and lessons. docs/search.md tells how they are ranked."""

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

MOST_LESSONS = 200  # that are ranked, the newest: as many by their titles and by all of their text
MOST_COURSES = 500  # that are ranked, the newest

LessonKind = Literal["READING", "VIDEO", "EXERCISE", "QUIZ", "PROJECT"]
Difficulty = Literal["BEGINNER", "INTERMEDIATE", "ADVANCED", "EXPERT"]


class LessonFilter(Struct, frozen=True):
    """Which lessons. language: a tag, of which the region is not looked at; since: of a change."""

    course_id: int | None = None
    kind: LessonKind | None = None
    language: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ALL = LessonFilter()


class LessonHit(Struct, frozen=True):
    """A lesson that was found."""

    id: int
    public_id: UUID
    course_id: int
    title: Marked
    excerpt: Marked
    kind: LessonKind
    status: str
    language: str
    updated_at: datetime
    rank: float


# Not by the order that is wanted, however few the planner takes these for: hence the offset.
# Whether a title matches is a value, looked up in a hash: as a condition it would be a join, and
# one of all with all in a plan that is kept, which knows no numbers.
LESSONS = Query(
    "search.lessons",
    Kind.READ,
    f"""
with asked as materialized (
    select coalesce($6::timestamptz, clock_timestamp()) as until
), shown as materialized (
    select id from courses where $7 or status = 'PUBLISHED'
), titled as (
    select id
    from lessons
    where ts_filter(search_vector, '{{a}}') @@ $1::text::tsquery
    offset 0
), matching as materialized (
    select *, id in (select id from titled) as titled
    from (
        select id, course_id, kind, status, language, updated_at
        from lessons
        where search_vector @@ $1::text::tsquery
        offset 0
    ) as found
    where course_id in (select id from shown)
        and ($7 or status = 'PUBLISHED')
        and ($3::bigint is null or course_id = $3)
        and ($4::text is null or kind = $4)
        and ($8::text is null or split_part(language, '-', 1) = $8)
        and ($5::timestamptz is null or updated_at >= $5)
        and updated_at < (select until from asked)
), newest as (
    (select id from matching order by id desc limit {MOST_LESSONS})
    union
    (
        select id
        from matching
        where titled
        order by id desc
        limit {MOST_LESSONS}
    )
), ranked as (
    select id, {RELEVANCE}::double precision as rank
    from newest
    join lessons using (id)
), page as materialized (
    select *
    from ranked
    where $9::double precision is null or (rank, id) < ($9, $10::bigint)
    order by rank desc, id desc
    limit $11
)
select id, public_id, course_id, {marked("title", "language", "$2::text::tsquery")} as title,
    {marked("body", "language", "$2::text::tsquery")} as body, kind, status, language, updated_at,
    rank, (select until from asked) as until, (select count(*) from matching) as about
from page
join lessons using (id)
order by rank desc, id desc
""",  # noqa: S608  # of constants
)


async def lessons(
    connection: Connection,
    typed: str,
    only: LessonFilter = ALL,
    *,
    spoken: str = "en",
    staff: bool = False,
    after: Cursor | None = None,
    limit: int = 20,
) -> Page[LessonHit]:
    """A page of the lessons that have what was typed, best first.

    As lyceum_app; with staff=True, for lyceum_staff, also those that are not published or are of a
    course that is not. spoken: by who asks; after: a page's `more`. Raises BadRequest if a language
    is no tag.
    """
    language, limit = language_of(only.language), min(limit, MOST_HITS)

    async def find(wanted: Wanted) -> Page[LessonHit]:
        rows = await queries.fetch(
            connection,
            LESSONS,
            wanted.whole,
            wanted.mentioned,
            only.course_id,
            only.kind,
            only.since,
            after.at if after else only.until,
            staff,
            language,
            after.rank if after else None,
            after.id if after else None,
            limit + 1,
        )
        return page_of(rows, limit, LessonHit)

    return await search(connection, typed, language, spoken, find, mend=after is None)


class CourseHit(Struct, frozen=True):
    """A course that was found."""

    id: int
    public_id: UUID
    slug: str
    title: Marked
    excerpt: Marked
    difficulty: Difficulty
    status: str
    language: str
    rank: float


COURSES = Query(
    "search.courses",
    Kind.READ,
    f"""
with matching as materialized (
    select id, search_vector
    from (
        select id, status, difficulty, language, search_vector
        from courses
        where search_vector @@ $1::text::tsquery
        offset 0
    ) as found
    where ($3 or status = 'PUBLISHED')
        and ($4::text is null or difficulty = $4)
        and ($5::text is null or split_part(language, '-', 1) = $5)
), ranked as (
    select id, {RELEVANCE}::double precision as rank
    from (select * from matching order by id desc limit {MOST_COURSES}) as newest
), page as materialized (
    select *
    from ranked
    where $6::double precision is null or (rank, id) < ($6, $7::bigint)
    order by rank desc, id desc
    limit $8
)
select id, public_id, slug, {marked("title", "language", "$2::text::tsquery")} as title,
    {marked("summary", "language", "$2::text::tsquery")} as summary, difficulty, status, language,
    rank, now() as until, (select count(*) from matching) as about
from page
join courses using (id)
order by rank desc, id desc
""",  # noqa: S608  # of constants
)


async def courses(
    connection: Connection,
    typed: str,
    *,
    difficulty: Difficulty | None = None,
    language: str | None = None,
    spoken: str = "en",
    staff: bool = False,
    after: Cursor | None = None,
    limit: int = 20,
) -> Page[CourseHit]:
    """A page of the courses that have what was typed in title or summary, best first.

    As lyceum_app; with staff=True, for lyceum_staff, also those that are not published. spoken: by
    who asks; after: a page's `more`. Raises BadRequest if a language is no tag.
    """
    language, limit = language_of(language), min(limit, MOST_HITS)

    async def find(wanted: Wanted) -> Page[CourseHit]:
        rows = await queries.fetch(
            connection,
            COURSES,
            wanted.whole,
            wanted.mentioned,
            staff,
            difficulty,
            language,
            after.rank if after else None,
            after.id if after else None,
            limit + 1,
        )
        return page_of(rows, limit, CourseHit, "summary")

    return await search(connection, typed, language, spoken, find, mend=after is None)
