"""Rows that tests of the school begin with."""

from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from server.domain.school.achievements import Achievement
from server.persistence.types import Connection
from tests.schema.rows import insert

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# Two changes of the clock, here and there; months of their own for whatever is kept by month.
SPRING, AUTUMN = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)
MONTHS = """
create table {table}_2024_03 partition of {table}
    for values from ('2024-03-01Z') to ('2024-04-01Z');
create table {table}_2024_10 partition of {table}
    for values from ('2024-10-01Z') to ('2024-12-01Z');
"""
BY_MONTH = ("xp_events", "learning_analytics", "code_submissions")

# What can be achieved in all these tests.
CATALOGUE = [
    Achievement(1, "begun", {"lessons_completed": 1}, 5, 1),
    Achievement(2, "busy", {"lessons_completed": 3, "xp": 60}, 40),
    Achievement(3, "collector", {"achievements": 2}, 10),
    Achievement(4, "three-days", {"streak": 3}),
    Achievement(5, "climber", {"level": 3}, 15, 1),
    Achievement(6, "by-hand", {}, 1000),
]
ACHIEVEMENTS = """
insert into badges (slug, title) values ('beginner', 'Beginner');
insert into achievements (slug, title, criteria, xp, badge_id) values
    ('begun', 'Begun', '{"lessons_completed": 1}', 5, 1),
    ('busy', 'Busy', '{"lessons_completed": 3, "xp": 60}', 40, null),
    ('collector', 'Collector', '{"achievements": 2}', 10, null),
    ('three-days', 'Three days', '{"streak": 3}', 0, null),
    ('climber', 'Climber', '{"level": 3}', 15, 1),
    ('by-hand', 'By hand', '{}', 1000, null);
insert into achievements (slug, title, criteria, xp, status) values
    ('over', 'Over', '{"lessons_completed": 1}', 500, 'RETIRED');
"""


class Lesson(Struct, frozen=True):
    """A published lesson."""

    id: int
    public_id: UUID


class Course(Struct, frozen=True):
    """A published course and its lessons, in their order."""

    id: int
    public_id: UUID
    slug: str
    lessons: list[Lesson]


async def person(db: Connection, zone: str | None = None, **columns: object) -> int:
    """Somebody new, in a time zone; without one they have no profile."""
    user = await insert(db, "users", **columns)
    if zone is not None:
        await insert(db, "user_profiles", user_id=user["id"], time_zone=zone)
    return int(user["id"])


async def course(db: Connection, lessons: int = 3, xp: int = 20, **columns: object) -> Course:
    """A published course with so many published lessons, in two modules."""
    columns = {"status": "PUBLISHED", "version": 1, "published_at": LONG_AGO, **columns}
    made = await insert(db, "courses", **columns)
    modules = [
        await insert(db, "modules", course_id=made["id"], slug=f"m-{n}", position=n) for n in (1, 2)
    ]
    made_lessons = []
    for number in range(lessons):
        lesson = await insert(
            db,
            "lessons",
            course_id=made["id"],
            module_id=modules[number * 2 // lessons]["id"],
            slug=f"l-{number}",
            position=number + 1,
            status="PUBLISHED",
            xp=xp,
        )
        made_lessons.append(Lesson(lesson["id"], lesson["public_id"]))
    return Course(made["id"], made["public_id"], made["slug"], made_lessons)
