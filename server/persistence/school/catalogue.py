"""What can be learned, with how far the person is who asks. All of it is read as that person."""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct, json

from server.errors import NotFound
from server.persistence.queries import Kind, Query, fetch, fetchrow
from server.persistence.types import Connection

Difficulty = Literal["BEGINNER", "INTERMEDIATE", "ADVANCED", "EXPERT"]
Enrolled = Literal["ACTIVE", "COMPLETED", "DROPPED"]
MOST = 50  # on a page


class Listed(Struct, frozen=True):
    """A course of a list. prerequisites, missing: slugs, the latter of those not completed.

    lessons, completed: how many there are, and how many of them the person completed.
    """

    id: UUID
    slug: str
    title: str
    summary: str
    difficulty: Difficulty
    language: str
    estimated_time: timedelta
    version: int
    published_at: datetime
    enrolled: Enrolled | None
    lessons: int
    completed: int
    prerequisites: list[str]
    missing: list[str]


class Lesson(Struct, frozen=True):
    """A lesson of a course, without its text. status: None if it was not begun."""

    id: UUID
    slug: str
    kind: Literal["READING", "VIDEO", "EXERCISE", "QUIZ", "PROJECT"]
    title: str
    xp: int
    minutes: int
    status: Literal["STARTED", "COMPLETED"] | None
    percent: int


class Module(Struct, frozen=True):
    """A chapter of a course."""

    id: UUID
    slug: str
    title: str
    summary: str
    lessons: list[Lesson]


class Course(Struct, frozen=True):
    """A whole course."""

    listed: Listed
    modules: list[Module]


class LessonText(Struct, frozen=True):
    """A lesson to be read. body: Markdown. quizzes: those about it."""

    id: UUID
    course: UUID
    kind: Literal["READING", "VIDEO", "EXERCISE", "QUIZ", "PROJECT"]
    title: str
    body: str
    exercise: Any
    language: str
    xp: int
    quizzes: list[UUID]


class Place(Struct, frozen=True):
    """Where a page begins: after this course."""

    published_at: datetime
    id: UUID


# The parts of the statements below.
SHOWN = """
public_id, slug, title, summary, difficulty, language, estimated_time, version, published_at,
    enrollments.status,
""".strip()
LESSONS = """
    (select count(*) from lessons where course_id = courses.id and lessons.status = 'PUBLISHED'),
    (
        select count(*)
        from user_progress as progress
        join lessons on lessons.id = progress.lesson_id and lessons.status = 'PUBLISHED'
        where progress.user_id = $1 and progress.course_id = courses.id
            and progress.status = 'COMPLETED'
    ),
""".rstrip()
NEEDED = """
    array(
        select other.slug
        from course_prerequisites as needed
        join courses as other on other.id = prerequisite_id
        where needed.course_id = courses.id
        order by other.slug
    )
""".strip()
MISSING = """
    array(
        select other.slug
        from course_prerequisites as needed
        join courses as other on other.id = prerequisite_id
        where needed.course_id = courses.id and not exists (
            select from enrollments as done
            where done.user_id = $1 and done.course_id = prerequisite_id
                and done.status = 'COMPLETED'
        )
        order by other.slug
    )
""".strip()
COURSES = Query(
    "catalogue.courses",
    Kind.READ,
    f"""
select {SHOWN}{LESSONS}
    {NEEDED},
    {MISSING}
from courses
left join enrollments on enrollments.user_id = $1 and enrollments.course_id = courses.id
where courses.status = 'PUBLISHED'
    and published_at <= coalesce($2, 'infinity'::timestamptz)
    and (published_at < $2 or $2 is null or public_id < $3)
    and (difficulty = $4 or $4 is null)
    and (language = $5 or $5 is null)
order by published_at desc, public_id desc
limit $6
""",  # noqa: S608  # of constants
)


async def courses(
    connection: Connection,
    user_id: int,
    after: Place | None = None,
    *,
    difficulty: Difficulty | None = None,
    language: str | None = None,
    limit: int = MOST,
) -> list[Listed]:
    """Published courses, newest first, page by page."""
    at, id = (None, None) if after is None else (after.published_at, after.id)
    arguments = (user_id, at, id, difficulty, language, min(limit, MOST))
    return [Listed(*row) for row in await fetch(connection, COURSES, *arguments)]


MINE = Query(
    "catalogue.mine",
    Kind.READ,
    f"""
select {SHOWN}{LESSONS}
    '{{}}'::text[],
    '{{}}'::text[]
from enrollments
join courses on courses.id = course_id
where user_id = $1 and enrollments.status = any($2) and published_at is not null
order by enrolled_at desc
limit $3
""",  # noqa: S608  # of constants
)


async def mine(
    connection: Connection, user_id: int, statuses: tuple[Enrolled, ...] = ("ACTIVE", "COMPLETED")
) -> list[Listed]:
    """The courses that the person takes or took, the newest of them; without prerequisites."""
    rows = await fetch(connection, MINE, user_id, list(statuses), MOST)
    return [Listed(*row) for row in rows]


COURSE = Query(
    "catalogue.course",
    Kind.READ,
    f"""
select {SHOWN}
    {NEEDED} as prerequisites,
    {MISSING} as missing,
    (
        select json_agg(
            json_build_object(
                'id', modules.public_id, 'slug', modules.slug, 'title', modules.title,
                'summary', modules.summary, 'lessons', coalesce(lessons, '[]')
            )
            order by modules.position
        )
        from modules
        left join (
            select module_id, json_agg(
                json_build_object(
                    'id', lessons.public_id, 'slug', slug, 'kind', kind, 'title', title, 'xp', xp,
                    'minutes', ceil(extract(epoch from lessons.estimated_time) / 60)::integer,
                    'status', progress.status, 'percent', coalesce(percent, 0)
                )
                order by lessons.position
            ) as lessons
            from lessons
            left join user_progress as progress
                on progress.user_id = $1 and progress.course_id = lessons.course_id
                and progress.lesson_id = lessons.id
            where lessons.course_id = courses.id and lessons.status = 'PUBLISHED'
            group by module_id
        ) as written on module_id = modules.id
        where modules.course_id = courses.id
    ) as modules
from courses
left join enrollments on enrollments.user_id = $1 and enrollments.course_id = courses.id
where slug = $2 and (
    courses.status = 'PUBLISHED'
    or courses.status = 'ARCHIVED' and enrollments.user_id is not null
)
""",  # noqa: S608  # of constants
)


async def course(connection: Connection, user_id: int, slug: str) -> Course:
    """A course with its modules, lessons and the person's state in them, in one round trip.

    Archived ones are there for who is or was in them. Raises NotFound.
    """
    row = await fetchrow(connection, COURSE, user_id, slug)
    if row is None:
        raise NotFound("There is no such course.")
    modules = json.decode(row["modules"] or "[]", type=list[Module])
    lessons = [lesson for module in modules for lesson in module.lessons]
    completed = sum(lesson.status == "COMPLETED" for lesson in lessons)
    state = (len(lessons), completed, row["prerequisites"], row["missing"])
    listed = Listed(*(*row[:10], *state))
    return Course(listed, modules)


LESSON = Query(
    "catalogue.lesson",
    Kind.READ,
    """
select lessons.public_id, courses.public_id, kind, lessons.title, body, exercise, lessons.language,
    xp,
    array(select quizzes.public_id from quizzes where lesson_id = lessons.id order by quizzes.id)
from lessons
join courses on courses.id = lessons.course_id
join enrollments
    on enrollments.user_id = $1 and enrollments.course_id = lessons.course_id
    and enrollments.status <> 'DROPPED'
where lessons.public_id = $2 and lessons.status = 'PUBLISHED'
""",
)


async def lesson(connection: Connection, user_id: int, id: UUID) -> LessonText:
    """A lesson of a course that the person takes; raises NotFound."""
    row = await fetchrow(connection, LESSON, user_id, id)
    if row is None:
        raise NotFound("There is no such lesson in a course that the person takes.")
    id, course, kind, title, body, exercise, language, xp, quizzes = row
    solve = None if exercise is None else json.decode(exercise)
    return LessonText(id, course, kind, title, body, solve, language, xp, quizzes)
