"""Points, and all that follows from them: the one way in which anybody earns anything.

What is given is given once a key: the ledger, points, level, streak, achievements with their
points and badges, counters, ranks and an event change together, or not at all. All of it needs a
connection of lyceum_server.

Locks are taken in this order: the person's row of users, then other rows of that person. Whoever
else changes two of them holds that first lock before, and no transaction earns for two people.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asyncpg import Range
from msgspec import Struct, json

from server.domain.school import events
from server.domain.school.achievements import Achievement
from server.domain.school.deeds import Deed, Line, Outcome, Person, outcome
from server.domain.school.streaks import DAY, Run, Streak
from server.domain.school.xp import Reason, level
from server.errors import NotFound
from server.persistence.queries import Kind, Query, execute, fetchrow, fetchval
from server.persistence.school import ranks
from server.persistence.school.whole import in_time, whole
from server.persistence.types import Connection

# Of user_stats: what is written here, and what triggers and progress write.
GIVEN = (
    "lessons_completed",
    "courses_completed",
    "quizzes_passed",
    "submissions",
    "submissions_passed",
    "achievements",
)
COUNTED = (*GIVEN, "posts", "comments", "reputation", "seconds")


class Earned(Struct, frozen=True):
    """What came of it, and how the person stands.

    given: False if the key was known, and nothing changed. points: with those of achievements and
    of the streak. levels: how many it went up. achievements: slugs of those that came with it.
    """

    given: bool
    xp: int
    level: int
    streak: int
    points: int = 0
    levels: int = 0
    achievements: tuple[str, ...] = ()


async def award(
    connection: Connection,
    user_id: int,
    amount: int,
    reason: Reason,
    key: str,
    course_id: int | None,
    at: datetime,
) -> Earned:
    """Give somebody points, once a key; raises as `earn`."""
    return await earn(connection, user_id, Deed(key, reason, amount, at, course_id))


async def earn(connection: Connection, user_id: int, deed: Deed) -> Earned:
    """Write down what somebody did, with all that follows from it.

    At once for one person and in any order, and again after an error: what is left is the same.
    Raises NotFound, Conflict if a correction takes more than there is, and BadRequest if `at` is
    in a month that takes nothing (any more).
    """
    async with whole(connection):
        await lock(connection, user_id)
        return await earn_locked(connection, user_id, deed)


async def earn_locked(connection: Connection, user_id: int, deed: Deed) -> Earned:
    """The same for who holds the person's lock already; raises Conflict and BadRequest."""
    person, known = await _person(connection, user_id, deed)
    if known:
        return Earned(False, person.xp, level(person.xp), person.streak.current)
    result = outcome(person, deed)
    await _write(connection, user_id, deed, result, result.streak != person.streak)
    if result.points or deed.amount:
        course = deed.course_id if deed.amount else None
        await ranks.moved(connection, user_id, person.xp, result.xp, course, deed.at, deed.amount)
    return Earned(
        True,
        result.xp,
        level(result.xp),
        result.streak.current,
        result.points,
        result.levels,
        tuple(achievement.slug for achievement in result.earned),
    )


LOCK = Query(
    "earning.lock",
    Kind.WRITE,
    """
select id
from users
where id = $1 and status <> 'DELETED'
for no key update
""",
)


async def lock(connection: Connection, user_id: int) -> None:
    """Have somebody's rows for oneself until this transaction ends; raises NotFound."""
    if await fetchval(connection, LOCK, user_id) is None:
        raise NotFound("There is no such person.")


# After the lock, in a statement of its own: one that waited for a row reads all others as they were
# before.
PERSON = Query(
    "earning.person",
    Kind.READ,
    """
select
    xp,
    ($2::timestamptz at time zone coalesce(time_zone, 'UTC'))::date as day,
    exists (select from xp_event_keys where user_id = $1 and key = $3) as known,
    days,
    coalesce(longest, 0) as longest,
    coalesce(lessons_completed, 0) as lessons_completed,
    coalesce(courses_completed, 0) as courses_completed,
    coalesce(quizzes_passed, 0) as quizzes_passed,
    coalesce(submissions, 0) as submissions,
    coalesce(submissions_passed, 0) as submissions_passed,
    coalesce(achievements, 0) as achievements,
    coalesce(posts, 0) as posts,
    coalesce(comments, 0) as comments,
    coalesce(reputation, 0) as reputation,
    coalesce(seconds, 0) as seconds,
    (
        select json_agg(
            json_build_object(
                'id', id, 'slug', slug, 'criteria', criteria, 'xp', xp, 'badge_id', badge_id
            )
            order by id
        )
        from achievements
        where status = 'ACTIVE' and not exists (
            select from user_achievements where user_id = $1 and achievement_id = id
        )
    ) as open
from users
left join user_profiles on user_profiles.user_id = users.id
left join user_stats on user_stats.user_id = users.id
left join streaks on streaks.user_id = users.id
where users.id = $1
""",
)


async def _person(connection: Connection, user_id: int, deed: Deed) -> tuple[Person, bool]:
    """How somebody stands, and whether the deed is known already."""
    row = await fetchrow(connection, PERSON, user_id, deed.at, deed.key)
    assert row is not None  # it is locked
    runs = tuple(Run(days.lower, days.upper - DAY) for days in row["days"] or ())
    person = Person(
        row["xp"],
        row["day"],
        Streak(runs, row["longest"]),
        {name: row[name] for name in COUNTED},
        json.decode(row["open"] or "[]", type=list[Achievement]),
    )
    return person, row["known"]


GIVE = Query(
    "earning.give",
    Kind.WRITE,
    """
with given as (
    select *
    from unnest(
        $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::bigint[], $8::text[],
        $9::uuid[], $10::jsonb[]
    ) as given (key, reason, amount, course_id, lesson_id, event_type, event_id, data)
),
keyed as (
    insert into xp_event_keys (user_id, key, at)
    select $1, key, $2
    from given
),
ledger as (
    insert into xp_events (user_id, amount, reason, course_id, key, at)
    select $1, amount, reason, course_id, key, $2
    from given
    where amount <> 0
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type, data)
    select $2, event_id, $1, course_id, lesson_id, event_type, data
    from given
),
counted as (
    insert into user_stats as stats (
        user_id, lessons_completed, courses_completed, quizzes_passed, submissions,
        submissions_passed, achievements
    )
    select $1, more[1], more[2], more[3], more[4], more[5], more[6]
    from (select $11::bigint[]) as counts (more)
    where 0 <> any (more)
    on conflict on constraint user_stats_pkey do update set
        lessons_completed = stats.lessons_completed + excluded.lessons_completed,
        courses_completed = stats.courses_completed + excluded.courses_completed,
        quizzes_passed = stats.quizzes_passed + excluded.quizzes_passed,
        submissions = stats.submissions + excluded.submissions,
        submissions_passed = stats.submissions_passed + excluded.submissions_passed,
        achievements = stats.achievements + excluded.achievements,
        updated_at = now()
),
learned as (
    insert into streaks (user_id, current, longest, last_day, days)
    select $1, $13, $14, $15, days
    from (select $12::datemultirange) as runs (days)
    where days is not null
    on conflict on constraint streaks_pkey do update set
        current = excluded.current,
        longest = excluded.longest,
        last_day = excluded.last_day,
        days = excluded.days,
        updated_at = now()
),
achieved as (
    insert into user_achievements (user_id, achievement_id, earned_at)
    select $1, unnest($16::bigint[]), $2
),
worn as (
    insert into user_badges (user_id, badge_id, awarded_at)
    select $1, unnest($17::bigint[]), $2
    on conflict on constraint user_badges_pkey do nothing
)
update users
set xp = $18, level = $19, streak = case when $12 is null then streak else $13 end,
    last_active_at = greatest(last_active_at, $2), updated_at = now()
where id = $1
""",
)


async def _write(
    connection: Connection, user_id: int, deed: Deed, result: Outcome, learned: bool
) -> None:
    more = {**deed.counts, "achievements": len(result.earned)}
    streak = result.streak
    with in_time(deed.at):
        await execute(
            connection,
            GIVE,
            user_id,
            deed.at,
            *_columns(user_id, result.lines),
            [more.get(name, 0) for name in GIVEN],
            [Range(run.first, run.last + DAY) for run in streak.runs] if learned else None,
            streak.current,
            streak.longest,
            streak.last_day,
            [achievement.id for achievement in result.earned],
            sorted({one.badge_id for one in result.earned if one.badge_id is not None}),
            result.xp,
            level(result.xp),
        )


def _columns(user_id: int, lines: Sequence[Line]) -> list[list[Any]]:
    """The ledger's lines and their events, column by column."""
    types = [events.EARNING[line.reason] for line in lines]
    return [
        [line.key for line in lines],
        [line.reason for line in lines],
        [line.amount for line in lines],
        [line.course_id for line in lines],
        [line.lesson_id for line in lines],
        types,
        [events.event_id(user_id, type, line.key) for type, line in zip(types, lines, strict=True)],
        [json.encode({"xp": line.amount, **line.data}).decode() for line in lines],
    ]
