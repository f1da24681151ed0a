"""Leaderboards: scores by board, and ranks by a histogram that the scores' triggers keep.

Boards are those of all time, of weeks and months, and of courses. On a board are people who are
active and have points there. All runs as lyceum_server.
"""

from collections.abc import Sequence
from datetime import datetime

from server.domain.school.boards import Board, boards_of
from server.persistence import queries
from server.persistence.queries import Kind, Query
from server.persistence.types import Connection

MOVED = Query(
    "ranks.moved",
    Kind.WRITE,
    """
    with person as (
        select id, status = 'ACTIVE' as ranked
        from users
        where id = $1
        for no key update
    ),
    boards as (
        select period.id,
            case period.kind when 'COURSE' then $3::bigint else $2::bigint end as points
        from unnest($4::text[], $5::timestamptz[], $6::bigint[])
            as wanted (kind, starts_at, course_id)
        join leaderboard_periods as period
            on period.kind = wanted.kind
            and period.starts_at = coalesce(wanted.starts_at, '-infinity')
            and coalesce(period.course_id, 0) = coalesce(wanted.course_id, 0)
    ),
    scored as (
        insert into leaderboard_scores (period_id, user_id, xp, ranked)
        select boards.id, person.id, points, ranked
        from boards
        cross join person
        where (select count(*) from boards) = cardinality($4::text[])
        on conflict on constraint leaderboard_scores_pkey do update
        set xp = leaderboard_scores.xp + excluded.xp
    )
    select count(*) = cardinality($4::text[]) from boards
    """,
)
# Held by whoever makes boards until their commit. Without it two who make some in another order
# could wait for each other.
LOCK_BOARDS = Query(
    "ranks.lock_boards",
    Kind.WRITE,
    "select pg_advisory_xact_lock('leaderboard_periods'::regclass::bigint)",
)
MAKE_BOARDS = Query(
    "ranks.make_boards",
    Kind.WRITE,
    """
    insert into leaderboard_periods (kind, course_id, starts_at, ends_at)
    select kind, course_id, coalesce(starts_at, '-infinity'), coalesce(ends_at, 'infinity')
    from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[])
        as wanted (kind, course_id, starts_at, ends_at)
    on conflict do nothing
    """,
)


async def moved(
    connection: Connection,
    user_id: int,
    before: int,
    after: int,
    course_id: int | None,
    at: datetime,
    of_course: int | None = None,
) -> None:
    """Count on the boards that somebody's points changed; within the transaction that gave them.

    before, after: the person's points of all time. course_id: what they were for, if for a course;
    of_course: how many of them, if not all. at: when, which says the week and the month. Waits for
    nobody but who changes the same person.
    """
    boards = boards_of(at, course_id)
    arguments = (
        user_id,
        after - before,
        after - before if of_course is None else of_course,
        [board.kind for board in boards],
        [board.starts_at for board in boards],
        [board.course_id for board in boards],
    )
    if not await queries.fetchval(connection, MOVED, *arguments):
        await make_boards(connection, boards)
        await queries.fetchval(connection, MOVED, *arguments)


async def make_boards(connection: Connection, boards: Sequence[Board]) -> None:
    """Make the boards that are missing."""
    async with connection.transaction():
        await queries.execute(connection, LOCK_BOARDS)
        await queries.execute(
            connection,
            MAKE_BOARDS,
            [board.kind for board in boards],
            [board.course_id for board in boards],
            [board.starts_at for board in boards],
            [board.ends_at for board in boards],
        )
