"""Leaderboards: scores by board, and ranks by a histogram that the scores' triggers keep.

Boards are those of all time, of weeks and months, and of courses. On a board are people who are
active and have points there. All runs as lyceum_server; `everybody` as anybody.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from server.domain.school.boards import Board, boards_of
from server.domain.school.boards import ranks as ranked
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
    boards as materialized (
        select (
                select id
                from leaderboard_periods as period
                where period.kind = wanted.kind
                    and period.starts_at = coalesce(wanted.starts_at, '-infinity')
                    and coalesce(period.course_id, 0) = coalesce(wanted.course_id, 0)
            ) as id,
            case kind when 'COURSE' then $3::bigint else $2::bigint end as points
        from unnest($4::text[], $5::timestamptz[], $6::bigint[])
            as wanted (kind, starts_at, course_id)
    ),
    scored as (
        insert into leaderboard_scores (period_id, user_id, xp, ranked)
        select boards.id, person.id, points, ranked
        from boards
        cross join person
        where (select count(id) = count(*) from boards)
        on conflict on constraint leaderboard_scores_pkey do update
        set xp = leaderboard_scores.xp + excluded.xp
    )
    select count(id) = count(*) from boards
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


class Place(Struct, frozen=True):
    """Somebody on a board; xp: points there. Who has the same points has the same rank."""

    rank: int
    user_id: int
    public_id: UUID
    username: str
    level: int
    xp: int
    streak: int


class Standing(Struct, frozen=True):
    """How somebody stands on a board, without the others.

    rank: None if the person isn't on it, for want of points or for not being active. people: how
    many are on it.
    """

    rank: int | None
    xp: int
    people: int


MOST = 200  # places that are given at once
BESIDE = 25  # above and below somebody

# The parts of the statements below. A rank is one more than there are people with more points: in
# higher thousands, and with more points within the same one. People are looked up one by one,
# however many Postgres expects when it plans once for all.
BOARD = """
    select id as period_id
    from leaderboard_periods
    where kind = $1 and starts_at = coalesce($2::timestamptz, '-infinity')
        and coalesce(course_id, 0) = coalesce($3::bigint, 0)
"""
RANK = """
    1 + (
        select coalesce(sum(people), 0)
        from xp_histogram as wide
        where wide.period_id = {of}.period_id and width = 1000 and bucket > {of}.xp / 1000
    ) + (
        select coalesce(sum(people), 0)
        from xp_histogram as narrow
        where narrow.period_id = {of}.period_id and width = 1
            and bucket > {of}.xp and bucket < ({of}.xp / 1000 + 1) * 1000
    )
"""
SHOWN = f"""
    select user_id, public_id, username, level, listed.xp, streak, first_rank::bigint, ties::bigint
    from listed
    cross join (
        select {RANK.format(of="first")} as first_rank,
            (
                select sum(people)
                from xp_histogram as histogram
                where histogram.period_id = first.period_id and width = 1 and bucket = first.xp
            ) as ties
        from (select period_id, max(xp) as xp from listed group by period_id) as first
    ) as first
    cross join lateral (
        select public_id, username, level, streak
        from users
        where users.id = user_id
        limit 1
    ) as person
    order by listed.xp desc, user_id desc
"""  # noqa: S608  # of constants

STANDING = Query(
    "ranks.standing",
    Kind.READ,
    f"""
    with board as ({BOARD})
    select coalesce(score.xp, 0) as xp,
        case when score.ranked and score.xp > 0 then {RANK.format(of="score")} end::bigint as rank,
        (
            select coalesce(sum(people), 0)
            from xp_histogram as histogram
            where histogram.period_id = board.period_id and width = 1000
        )::bigint as people
    from board
    left join leaderboard_scores as score
        on score.period_id = board.period_id and score.user_id = $4
    """,  # noqa: S608
)
TOP = Query(
    "ranks.top",
    Kind.READ,
    f"""
    with board as ({BOARD}),
    listed as materialized (
        select period_id, user_id, xp
        from leaderboard_scores
        where period_id = (select period_id from board) and ranked and xp > 0
            and (xp, user_id) < (
                coalesce($4::bigint, 9223372036854775807), coalesce($5::bigint, 9223372036854775807)
            )
        order by xp desc, user_id desc
        limit $6
    )
    {SHOWN}
    """,  # noqa: S608
)
AROUND = Query(
    "ranks.around",
    Kind.READ,
    f"""
    with board as ({BOARD}),
    me as (
        select period_id, xp
        from leaderboard_scores
        where user_id = $4 and period_id = (select period_id from board) and ranked and xp > 0
    ),
    listed as materialized (
        (
            select period_id, user_id, xp
            from leaderboard_scores
            where period_id = (select period_id from me) and ranked
                and (xp, user_id) > ((select xp from me), $4)
            order by xp, user_id
            limit $5
        )
        union all
        (
            select period_id, user_id, xp
            from leaderboard_scores
            where period_id = (select period_id from me) and ranked and xp > 0
                and (xp, user_id) <= ((select xp from me), $4)
            order by xp desc, user_id desc
            limit $5 + 1
        )
    )
    {SHOWN}
    """,  # noqa: S608
)
EVERYBODY = Query(
    "ranks.everybody",
    Kind.READ,
    """
    select rank, user_id, public_id, username, level, xp, streak
    from mv_user_leaderboard
    where place > $1
    order by place
    limit $2
    """,
)


async def standing(connection: Connection, board: Board, user_id: int) -> Standing:
    """How somebody stands now."""
    row = await queries.fetchrow(connection, STANDING, *_board(board), user_id)
    if row is None:  # nobody got points there yet
        return Standing(None, 0, 0)
    return Standing(row["rank"], row["xp"], row["people"])


async def top(
    connection: Connection, board: Board, limit: int = 100, after: Place | None = None
) -> list[Place]:
    """The first on a board as it is now, or those that follow a place that was given before."""
    start = (after.xp, after.user_id) if after is not None else (None, None)
    rows = await queries.fetch(connection, TOP, *_board(board), *start, min(limit, MOST))
    return _places(rows)


async def around(
    connection: Connection, board: Board, user_id: int, beside: int = 3
) -> list[Place]:
    """Somebody, and as many above and below; empty if the person isn't on the board."""
    rows = await queries.fetch(connection, AROUND, *_board(board), user_id, min(beside, BESIDE))
    return _places(rows)


async def everybody(connection: Connection, after: int = 0, limit: int = 100) -> list[Place]:
    """The board of all time from any place on, as of the last refresh; as lyceum_app, too.

    after: how many to pass over, however many.
    """
    rows = await queries.fetch(connection, EVERYBODY, after, min(limit, MOST))
    return [Place(**row) for row in rows]


def _board(board: Board) -> tuple[str, datetime | None, int | None]:
    return board.kind, board.starts_at, board.course_id


def _places(rows: Sequence[asyncpg.Record]) -> list[Place]:
    if not rows:
        return []
    ranks = ranked([row["xp"] for row in rows], rows[0]["first_rank"], rows[0]["ties"])
    shown = ("user_id", "public_id", "username", "level", "xp", "streak")
    return [
        Place(rank, **{name: row[name] for name in shown})
        for rank, row in zip(ranks, rows, strict=True)
    ]
