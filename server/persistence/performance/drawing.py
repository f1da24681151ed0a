"""How arguments of statements are drawn from a seeded database, the same from the same seed."""

from typing import Literal, NamedTuple

# What draws begin with: a person and a post (each as likely as the next), and a course and lesson
# (popular ones more often), the same from the same seed. $1: the seed; $2: how many.
DRAWN = """
with sizes as (
    select users, least(500, greatest(12, users / 2000)) as courses from seeding.runs
),
drawn as materialized (
    select n, person, post, course,
        (course - 1) * 32 + 1 + abs(hashint8extended(n, $1 + 4)) % 6 as lesson
    from (
        select n,
            1 + abs(hashint8extended(n, $1 + 1) % users) as person,
            1 + abs(hashint8extended(n, $1 + 2) % users) as post,
            floor(exp((abs(hashint8extended(n, $1 + 3)) % 1000000) / 1e6
                * ln(courses + 1)::float8))::bigint as course
        from sizes
        cross join generate_series(1, $2::bigint) as n
    ) as drawn
),
commented as (
    select n, person, id, public_id, post_id, author_id
    from drawn
    cross join lateral (
        select * from comments where id >= post * 64 order by id limit 1
    ) as comments
),
signed_in as (
    select n, user_id as person, public_id, token_hash
    from drawn
    cross join lateral (
        select * from auth_sessions where user_id >= person order by user_id limit 1
    ) as sessions
),
studied as (
    select n, user_id as person, lessons.id as lesson, lessons.course_id as course,
        lessons.public_id, progress.status
    from drawn
    cross join lateral (
        select * from user_progress where user_id >= person order by user_id limit 1
    ) as progress
    join lessons on lessons.id = lesson_id
),
tried as (
    select n, user_id as person, attempts.id as attempt, attempts.public_id, quizzes.id as quiz,
        quizzes.public_id as quiz_public_id, course_id as course, lesson_id as lesson
    from drawn
    cross join lateral (
        select * from quiz_attempts where user_id >= person order by user_id limit 1
    ) as attempts
    join quizzes on quizzes.id = quiz_id
    join lessons on lessons.id = lesson_id
),
coded as (
    select n, user_id as person, submissions.public_id, submitted_at, course_id as course,
        lessons.public_id as lesson_public_id, courses.public_id as course_public_id
    from drawn
    cross join lateral (
        select user_id, lesson_id, public_id, submitted_at
        from code_submissions
        where user_id >= person
        order by user_id
        limit 1
    ) as submissions
    join lessons on lessons.id = lesson_id
    join courses on courses.id = course_id
),
certified as (
    select n, user_id as person, id, public_id, course_id as course, chain_id, contract, token_id
    from drawn
    cross join lateral (
        select * from credentials where user_id >= person order by user_id limit 1
    ) as credentials
)
"""


class Draw(NamedTuple):
    """Who asks, and SQL for rows of arguments; for app and staff the first column is who asks."""

    role: Literal["server", "app", "staff"]
    sql: str


def server(sql: str) -> Draw:
    """What the server finds out itself."""
    return Draw("server", sql)


def app(sql: str) -> Draw:
    """What somebody does in their own name; the first column is the person."""
    return Draw("app", sql)


def staff(sql: str) -> Draw:
    """What somebody of the staff does; the first column is the person."""
    return Draw("staff", sql)
