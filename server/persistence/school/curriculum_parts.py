"""Courses, modules, lessons and quizzes as things that have versions: made, found, and shown.

As lyceum_staff. What each shows is its row; `curriculum` decides which version that is.
"""

from typing import NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct

from server.domain.school.content import Part
from server.errors import BadRequest, Conflict, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetchrow, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.types import Connection


class Place(Struct, frozen=True):
    """Where a new part goes.

    id: chosen by the client (a uuid v7), the same when it tries again. within: what it is part of:
    a module's course, a lesson's module, a quiz's lesson, by its public id. slug, position: None
    for what has none: a quiz has neither, a course no position.
    """

    part: Part
    id: UUID
    within: UUID | None = None
    slug: str | None = None
    position: int | None = None


MAKE_COURSE = Query(
    "curriculum.make_course",
    Kind.WRITE,
    """
    insert into courses (public_id, slug, title, owner_id)
    select $1, $3, $5, $6
    where ($2::uuid, $4::integer) is not distinct from (null::uuid, null::integer)
    on conflict (public_id) do nothing
    """,
)
MAKE_MODULE = Query(
    "curriculum.make_module",
    Kind.WRITE,
    """
    insert into modules (public_id, course_id, slug, position, title)
    select $1, id, $3, $4, $5
    from courses
    where public_id = $2 and $6::bigint is not null
    on conflict (public_id) do nothing
    """,
)
MAKE_LESSON = Query(
    "curriculum.make_lesson",
    Kind.WRITE,
    """
    insert into lessons (public_id, module_id, course_id, slug, position, title)
    select $1, id, course_id, $3, $4, $5
    from modules
    where public_id = $2 and $6::bigint is not null
    on conflict (public_id) do nothing
    """,
)
MAKE_QUIZ = Query(
    "curriculum.make_quiz",
    Kind.WRITE,
    """
    insert into quizzes (public_id, lesson_id, title)
    select $1, id, $5
    from lessons
    where public_id = $2 and $6::bigint is not null
        and ($3::text, $4::integer) is not distinct from (null::text, null::integer)
    on conflict (public_id) do nothing
    """,
)
MAKE_BY: dict[Part, Query] = {
    "COURSE": MAKE_COURSE,
    "MODULE": MAKE_MODULE,
    "LESSON": MAKE_LESSON,
    "QUIZ": MAKE_QUIZ,
}


async def make(connection: Connection, who: UserId, place: Place, title: str) -> None:
    """Add a part that shows nothing but a title; again it changes nothing.

    Raises BadRequest, and Conflict if the slug or the position is taken.
    """
    given = (place.id, place.within, place.slug, place.position, title, who)
    try:
        with allowed():
            await execute(connection, MAKE_BY[place.part], *given)
    except asyncpg.UniqueViolationError:
        raise Conflict("There is something of this name, or at this place, already.") from None


class Item(NamedTuple):
    """A part, and how far its history is. id: the part's key; number: the history's."""

    part: Part
    id: int
    owner: UserId | None
    number: int
    last: int
    published: int | None
    review: int | None


# Each part has one line that is carried out; the others are ruled out before they begin.
FIND = Query(
    "curriculum.find",
    Kind.READ,
    """
    select id, owner_id
    from courses
    where $1 = 'COURSE' and public_id = $2
    union all
    select modules.id, owner_id
    from modules
    join courses on courses.id = course_id
    where $1 = 'MODULE' and modules.public_id = $2
    union all
    select lessons.id, owner_id
    from lessons
    join courses on courses.id = course_id
    where $1 = 'LESSON' and lessons.public_id = $2
    union all
    select quizzes.id, owner_id
    from quizzes
    join lessons on lessons.id = lesson_id
    join courses on courses.id = course_id
    where $1 = 'QUIZ' and quizzes.public_id = $2
    """,
)


class Found(NamedTuple):
    """A part's key, and whose course it belongs to."""

    id: int
    owner: UserId | None


async def find(connection: Connection, part: Part, id: UUID) -> Found:
    """A part by its public id; raises NotFound."""
    row = await fetchrow(connection, FIND, part, id)
    if row is None:
        raise NotFound(f"There is no such {part.lower()}.")
    return Found(*row)


BEGIN = Query(
    "curriculum.begin",
    Kind.WRITE,
    """
    insert into content_items (course_id, module_id, lesson_id, quiz_id)
    select
        case $1 when 'COURSE' then $2::bigint end,
        case $1 when 'MODULE' then $2 end,
        case $1 when 'LESSON' then $2 end,
        case $1 when 'QUIZ' then $2 end
    on conflict do nothing
    """,
)


def _history(name: str, lock: str) -> Query:
    return Query(
        name,
        Kind.WRITE if lock else Kind.READ,
        f"""
        select id, last_version, published_version, review_version
        from content_items
        where ($1 = 'COURSE' and course_id = $2) or ($1 = 'MODULE' and module_id = $2)
            or ($1 = 'LESSON' and lesson_id = $2) or ($1 = 'QUIZ' and quiz_id = $2)
        {lock}
        """,  # noqa: S608
    )


ITEM = _history("curriculum.item", "")
LOCK = _history("curriculum.lock", "for no key update")


async def locked(connection: Connection, part: Part, found: Found) -> Item:
    """The history of a part, begun if there was none; others wait until the transaction ends."""
    row = await fetchrow(connection, LOCK, part, found.id)
    if row is None:
        await execute(connection, BEGIN, part, found.id)
        row = await fetchrow(connection, LOCK, part, found.id)
    assert row is not None
    return Item(part, found.id, found.owner, *row)


async def looked_at(connection: Connection, part: Part, found: Found) -> Item:
    """The same without waiting; raises NotFound if nothing was ever written."""
    row = await fetchrow(connection, ITEM, part, found.id)
    if row is None:
        raise NotFound(f"This {part.lower()} has no history.")
    return Item(part, found.id, found.owner, *row)


SHOW_COURSE = Query(
    "curriculum.show_course",
    Kind.WRITE,
    """
    update courses
    set title = given.title, summary = given.summary, language = given.language,
        difficulty = given.difficulty, estimated_time = make_interval(secs => given.seconds),
        metadata = given.metadata, status = 'PUBLISHED', version = version + 1,
        published_at = now(), updated_at = now()
    from jsonb_to_record($2::jsonb) as given (
        title text, summary text, language text, difficulty text, seconds float8, metadata jsonb
    )
    where id = $1 and status <> 'ARCHIVED'
    returning true
    """,
)
SHOW_MODULE = Query(
    "curriculum.show_module",
    Kind.WRITE,
    """
    update modules
    set title = given.title, summary = given.summary, updated_at = now()
    from jsonb_to_record($2::jsonb) as given (title text, summary text)
    where id = $1
    returning true
    """,
)
SHOW_LESSON = Query(
    "curriculum.show_lesson",
    Kind.WRITE,
    """
    update lessons
    set kind = given.kind, title = given.title, body = given.body, exercise = given.exercise,
        language = given.language, xp = given.xp,
        estimated_time = make_interval(secs => given.seconds),
        status = 'PUBLISHED', updated_at = now()
    from jsonb_to_record($2::jsonb) as given (
        kind text, title text, body text, exercise jsonb, language text, xp integer, seconds float8
    )
    where id = $1 and status <> 'ARCHIVED'
    returning true
    """,
)
SHOW_QUIZ = Query(
    "curriculum.show_quiz",
    Kind.WRITE,
    """
    update quizzes
    set title = given.title, pass_percent = given.pass_percent, max_attempts = given.max_attempts,
        time_limit = make_interval(secs => given.seconds), xp = given.xp, updated_at = now()
    from jsonb_to_record($2::jsonb) as given (
        title text, pass_percent smallint, max_attempts integer, seconds float8, xp integer
    )
    where id = $1
    returning true
    """,
)
SHOW_BY: dict[Part, Query] = {
    "COURSE": SHOW_COURSE,
    "MODULE": SHOW_MODULE,
    "LESSON": SHOW_LESSON,
    "QUIZ": SHOW_QUIZ,
}
DROP_QUESTIONS = Query(
    "curriculum.drop_questions",
    Kind.WRITE,
    """
    delete from quiz_questions
    where quiz_id = $1 and public_id not in (
        select (question ->> 'id')::uuid
        from jsonb_array_elements($2::jsonb -> 'questions') as question
    )
    """,
)
# Positions are compared when all have moved.
PUT_QUESTIONS = Query(
    "curriculum.put_questions",
    Kind.WRITE,
    """
    with given as (
        select *
        from rows from (
            jsonb_to_recordset($2::jsonb -> 'questions') as (
                id uuid, kind text, prompt text, choices jsonb, answer jsonb, explanation text,
                points integer
            )
        ) with ordinality as given (
            id, kind, prompt, choices, answer, explanation, points, position
        )
    ),
    put as (
        insert into quiz_questions (
            public_id, quiz_id, position, kind, prompt, choices, answer, explanation, points
        )
        select id, $1, position, kind, prompt, choices, answer, explanation, points
        from given
        on conflict (public_id) do update
        set position = excluded.position, kind = excluded.kind, prompt = excluded.prompt,
            choices = excluded.choices, answer = excluded.answer,
            explanation = excluded.explanation, points = excluded.points
        where quiz_questions.quiz_id = excluded.quiz_id
        returning public_id
    )
    select id from given where id not in (select public_id from put) limit 1
    """,
)


async def show(connection: Connection, item: Item, body: str) -> None:
    """Have a part show what a version holds.

    Raises BadRequest if that is not allowed, and Conflict if the part is archived or a question is
    another quiz's.
    """
    with allowed():
        if not await fetchval(connection, SHOW_BY[item.part], item.id, body):
            raise Conflict(f"This {item.part.lower()} is archived.")
        if item.part == "QUIZ":
            await execute(connection, DROP_QUESTIONS, item.id, body)
            try:
                left_out = await fetchval(connection, PUT_QUESTIONS, item.id, body)
            except asyncpg.CardinalityViolationError:
                raise BadRequest("Two questions of a quiz have the same id.") from None
            if left_out:
                raise Conflict(f"The question {left_out} is another quiz's.")
