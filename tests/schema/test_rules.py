"""What the schema states beyond single rows: references that agree, history, deletion, search."""

import asyncio

import asyncpg
import pytest

from server.persistence.types import Connection
from tests.schema.rows import RIGHT, insert
from tests.support.journal import wait_blocked

OF_A_PERSON = [
    table
    for table, columns in RIGHT.items()
    if any("user_id" in ((name,) if isinstance(name, str) else name) for name in columns)
    and not table.startswith("analytics")
]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("lessons", "course_id"),
        ("user_progress", "course_id"),
        ("code_submissions", "course_id"),
        ("tutor_messages", "user_id"),
    ],
)
async def test_what_is_said_twice_agrees(db: Connection, table: str, column: str) -> None:
    """A lesson's course is its module's, progress is in the lesson's course, and the like."""
    right, other = await insert(db, table), await insert(db, table)
    change = f"update {table} set {column} = $1 where {column} = $2"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(change, other[column], right[column])


async def test_comments_answer_comments_of_their_post(db: Connection) -> None:
    """An answer stands under the same post as what it answers."""
    comment = await insert(db, "comments")
    await insert(db, "comments", post_id=comment["post_id"], parent_id=comment["id"])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await insert(db, "comments", parent_id=comment["id"])


async def test_prerequisites_never_go_in_a_circle(db: Connection) -> None:
    """However long; courses that need the same one are none."""
    a, b, c, d = [(await insert(db, "courses"))["id"] for _ in range(4)]
    for course, needed in [(a, b), (b, c), (a, c), (d, c)]:
        await insert(db, "course_prerequisites", course_id=course, prerequisite_id=needed)
    for course, needed in [(c, a), (b, a)]:
        with pytest.raises(asyncpg.CheckViolationError) as error:
            async with db.transaction():
                await insert(db, "course_prerequisites", course_id=course, prerequisite_id=needed)
        assert error.value.constraint_name == "course_prerequisites_no_circle"
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(
            "update course_prerequisites set prerequisite_id = $1 where course_id = $2", a, b
        )


async def test_two_halves_of_a_circle(database_url: str) -> None:
    """Of two who add one half each at the same moment, the second is refused."""
    one, two, observer = [await asyncpg.connect(database_url) for _ in range(3)]
    a, b = [(await insert(one, "courses"))["id"] for _ in range(2)]
    begun = one.transaction()
    await begun.start()
    await insert(one, "course_prerequisites", course_id=a, prerequisite_id=b)
    other = asyncio.create_task(insert(two, "course_prerequisites", course_id=b, prerequisite_id=a))
    await wait_blocked(observer, 1, other)
    await begun.commit()
    with pytest.raises(asyncpg.CheckViolationError):
        await other
    for connection in (one, two, observer):
        connection.terminate()


async def test_a_kept_version_of_a_document_goes_only_with_it(db: Connection) -> None:
    """It never changes."""
    version = await insert(db, "document_versions")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with db.transaction():
            await db.execute("update document_versions set payload = 'x'")
    await db.execute("delete from documents where id = $1", version["document_id"])
    assert not await is_filled(db, "document_versions")


@pytest.mark.parametrize(
    "change",
    [
        "update content_versions set note = 'never mind'",
        "delete from content_versions",
        "truncate content_versions cascade",
        "delete from content_items",
        "delete from courses",
        "delete from users",
    ],
)
async def test_history_of_content_stays(db: Connection, change: str) -> None:
    """Nobody changes a version or removes it, nor what it is of, nor who wrote it."""
    await insert(db, "content_versions")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await db.execute(change)


async def test_only_versions_that_exist_are_published(db: Connection) -> None:
    """The published version of an item is one of its own."""
    version = await insert(db, "content_versions")
    publish = "update content_items set last_version = 2, published_version = $1 where id = $2"
    await db.execute(publish, 1, version["item_id"])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await db.execute(publish, 2, version["item_id"])


async def test_a_person_is_removed_with_what_is_the_persons(db: Connection) -> None:
    """All that is theirs alone goes; what others read stays without a name."""
    person = (await insert(db, "users"))["id"]
    for table in OF_A_PERSON:
        await insert(db, table, user_id=person)
    left = {
        "posts": await insert(db, "posts", author_id=person, moderated_by=person),
        "comments": await insert(db, "comments", author_id=person),
        "courses": await insert(db, "courses", owner_id=person),
        "credentials": (await db.fetch("select * from credentials"))[0],
    }
    await db.execute("delete from users where id = $1", person)
    await db.execute("delete from user_stats where user_id <> $1", person)  # of other authors
    assert [table for table in OF_A_PERSON if await is_filled(db, table)] == ["credentials"]
    for table, row in left.items():
        kept = await db.fetchrow(f"select * from {table} where id = $1", row["id"])
        assert kept is not None
        assert person not in kept.values()


async def test_a_course_is_removed_while_nobody_has_taken_it(db: Connection) -> None:
    """With its lessons and quizzes; what was written about it stays."""
    course = (await insert(db, "courses"))["id"]
    lesson = (await insert(db, "lessons", course_id=course))["id"]
    quiz = (await insert(db, "quizzes", lesson_id=lesson))["id"]
    await insert(db, "quiz_questions", quiz_id=quiz)
    await insert(db, "course_prerequisites", course_id=course)
    await insert(db, "recommendations", course_id=course)
    await insert(db, "posts", course_id=course)
    await insert(db, "posts", lesson_id=lesson)
    await insert(db, "tutor_threads", lesson_id=lesson)
    await db.execute("delete from courses where id = $1", course)
    parts = ["modules", "lessons", "quizzes", "quiz_questions", "recommendations"]
    assert [table for table in parts if await is_filled(db, table)] == []
    left = "select count(*) from posts where course_id is null and lesson_id is null"
    assert await db.fetchval(left) == 2
    assert await db.fetchval("select lesson_id is null from tutor_threads")


@pytest.mark.parametrize(
    "table",
    [
        "enrollments",
        "user_progress",
        "code_submissions",
        "quiz_attempts",
        "xp_events",
        "leaderboard_periods",
        "credentials",
        "content_items",
    ],
)
async def test_a_course_stays_that_somebody_took(db: Connection, table: str) -> None:
    """It is archived instead, since what people did refers to it."""
    course = (await insert(db, "courses"))["id"]
    if table == "quiz_attempts":
        lesson = (await insert(db, "lessons", course_id=course))["id"]
        quiz = (await insert(db, "quizzes", lesson_id=lesson))["id"]
        await insert(db, table, quiz_id=quiz)
    else:
        await insert(db, table, course_id=course)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await db.execute("delete from courses where id = $1", course)


async def test_many_move_at_once(db: Connection) -> None:
    """Lessons trade places in one statement."""
    module = await insert(db, "modules")
    for position in (1, 2, 3):
        values = {"course_id": module["course_id"], "module_id": module["id"]}
        await insert(db, "lessons", **values, slug=f"l{position}", position=position)
    await db.execute("update lessons set position = 4 - position")
    slugs = await db.fetch("select slug from lessons order by position")
    assert [row[0] for row in slugs] == ["l3", "l2", "l1"]


@pytest.mark.parametrize(
    ("language", "title", "asked", "found"),
    [
        ("en", "Writing contracts", "contract", True),
        ("en-GB", "Writing contracts", "write", True),
        ("de", "Verträge schreiben", "Vertrag", True),
        ("tlh", "Writing contracts", "contracts", True),
        ("tlh", "Writing contracts", "contract", False),
    ],
)
async def test_search_knows_languages(
    db: Connection, language: str, title: str, asked: str, found: bool
) -> None:
    """Text is searched by the stems of its language, or by words as they stand."""
    for table in ("courses", "lessons", "posts"):
        await insert(db, table, language=language, title=title)
        query = (
            f"select search_vector @@ plainto_tsquery(search_config($1), $2) from {table}"
            " order by id desc limit 1"
        )
        assert await db.fetchval(query, language, asked) == found


async def test_leaderboard_shows_those_who_are_there(db: Connection) -> None:
    """Active people who have points, the equal ones of one rank; nobody who was suspended."""
    people = {"ada": 10, "bob": 30, "cyd": 10, "dan": 0, "eve": 20, "fay": 5}
    for name, xp in people.items():
        status = "SUSPENDED" if name == "eve" else "ACTIVE"
        await insert(db, "users", username=name, xp=xp, status=status)
    await db.execute("refresh materialized view mv_user_leaderboard")
    rows = await db.fetch("select place, rank, username from mv_user_leaderboard order by place")
    assert [tuple(row) for row in rows] == [
        (1, 1, "bob"),
        (2, 2, "cyd"),
        (3, 2, "ada"),
        (4, 4, "fay"),
    ]


async def is_filled(db: Connection, table: str) -> bool:
    return bool(await db.fetchval(f"select exists (select from {table})"))
