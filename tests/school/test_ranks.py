"""Boards and ranks after any history: they are what a plain model of it says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.school.boards import ALL_TIME, Board, boards_of, course_board, week_of
from server.persistence import privacy
from server.persistence.school import ranks
from server.persistence.school.leaderboard import recount, refresh_leaderboard
from server.persistence.types import Connection
from tests.access.people import undone
from tests.schema.rows import insert
from tests.school.learners import give, learners, wrong
from tests.support.logins import connected
from tests.support.postgres import PostgresInstance

NOW = datetime.now(UTC).replace(microsecond=0)
MOMENTS = [NOW, NOW - timedelta(days=8), NOW.replace(day=1) - timedelta(days=1)]
PEOPLE = 5
person = st.integers(0, PEOPLE - 1)
# Few different amounts, so that many are equal, and some that reach another thousand.
points = st.sampled_from([1, 10, 10, 20, 990, 1000, 2500])
deed = st.one_of(
    st.tuples(st.just("give"), person, points, st.sampled_from([None, 0, 1]), st.integers(0, 2)),
    st.tuples(st.just("give"), person, points, st.sampled_from([None, 0, 1]), st.integers(0, 2)),
    st.tuples(st.just("take"), person, points, st.sampled_from([None, 0, 1]), st.integers(0, 2)),
    st.tuples(st.sampled_from(["SUSPENDED", "ACTIVE", "ACTIVE", "erase"]), person),
)


@pytest_asyncio.fixture(scope="module")
async def superuser(postgres: PostgresInstance) -> AsyncIterator[Connection]:
    """A superuser's connection to a database with people and two courses, for this file."""
    async with connected(await postgres.create_database()) as connection:
        await learners(connection, PEOPLE)
        for _ in range(2):
            await insert(connection, "courses")
        yield connection


class Model:
    """What a history comes to, by Python alone."""

    def __init__(self, people: list[int]) -> None:
        self.people = people
        self.status = dict.fromkeys(people, "ACTIVE")
        self.ledger: list[tuple[int, int, int | None, datetime]] = []

    def points(self, person: int, board: Board) -> int:
        """What somebody has on a board."""
        return sum(
            amount
            for who, amount, course, at in self.ledger
            if who == person and board in boards_of(at, course)
        )

    def board(self, board: Board) -> list[tuple[int, int, int]]:
        """Rank, person and points of everybody on it, in order."""
        all_of = {person: self.points(person, board) for person in self.people}
        on_it = {
            person: points
            for person, points in all_of.items()
            if points > 0 and self.status[person] == "ACTIVE"
        }
        order = sorted(on_it, key=lambda person: (on_it[person], person), reverse=True)
        return [
            (1 + sum(on_it[other] > on_it[person] for other in on_it), person, on_it[person])
            for person in order
        ]


async def replay(db: Connection, model: Model, history: list[tuple[Any, ...]]) -> None:
    """Do all of it in the database, each deed as the role that does it, and in the model."""
    courses = [row[0] for row in await db.fetch("select id from courses order by id")]
    for kind, number, *rest in history:
        who = model.people[number]
        if kind in ("give", "take"):
            amount, course, at = rest[0], rest[1], MOMENTS[rest[2]]
            course = None if course is None else courses[course]
            if kind == "take":
                amount = -min(amount, model.points(who, ALL_TIME))
            if amount and model.status[who] != "DELETED":
                await db.execute("set local role lyceum_server")
                await give(db, who, amount, course, at)
                model.ledger.append((who, amount, course, at))
        elif model.status[who] == "DELETED":
            continue
        elif kind == "erase":
            subject = await db.fetchval("select subject from users where id = $1", who)
            await privacy.erase(db, await privacy.find(db, subject))
            model.status[who] = "DELETED"
            model.ledger = [line for line in model.ledger if line[0] != who]
        else:
            await db.execute("set local role lyceum_staff")
            await db.execute("update users set status = $2 where id = $1", who, kind)
            model.status[who] = kind
        await db.execute("reset role; reset row_security")


def told(places: list[ranks.Place]) -> list[tuple[int, int, int]]:
    """Rank, person and points of each."""
    return [(place.rank, place.user_id, place.xp) for place in places]


async def agree(db: Connection, model: Model, board: Board) -> None:
    """The whole board, turned by pages, and everybody's own view of it are as the model says."""
    expected = model.board(board)
    pages: list[ranks.Place] = []
    while page := await ranks.top(db, board, 2, pages[-1] if pages else None):
        pages += page
    assert told(pages) == expected
    order = [person for _, person, _ in expected]
    for who in model.people:
        standing = await ranks.standing(db, board, who)
        rank = next((rank for rank, person, _ in expected if person == who), None)
        assert standing == ranks.Standing(rank, model.points(who, board), len(expected))
        around = told(await ranks.around(db, board, who, 1))
        at = order.index(who) if who in order else None
        assert around == ([] if at is None else expected[max(at - 1, 0) : at + 2])


@given(history=st.lists(deed, max_size=25))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_ranks_agree_with_a_model(
    superuser: Connection, history: list[tuple[Any, ...]]
) -> None:
    """Of points, corrections, suspensions and erasures: all boards, all ranks, all neighbours."""
    async with undone(superuser):
        people = [row[0] for row in await superuser.fetch("select id from users order by id")]
        model = Model(people)
        await replay(superuser, model, history)
        assert await wrong(superuser) == {}
        courses = [row[0] for row in await superuser.fetch("select id from courses")]
        boards = {board for at in MOMENTS for board in boards_of(at, None)}
        await superuser.execute("set local role lyceum_server")
        for board in boards | {course_board(course) for course in courses}:
            await agree(superuser, model, board)
        await refresh_leaderboard(superuser)
        await superuser.execute("set local role lyceum_app")
        assert told(await ranks.everybody(superuser)) == model.board(ALL_TIME)
        assert told(await ranks.everybody(superuser, 1, 2)) == model.board(ALL_TIME)[1:3]


async def test_all_is_counted_anew(superuser: Connection) -> None:
    """Boards that were lost, with their scores and histograms, come again from the ledger."""
    async with undone(superuser):
        people = [row[0] for row in await superuser.fetch("select id from users order by id")]
        model = Model(people)
        history = [("give", n, 10 * (n + 1), n % 2, n % 3) for n in range(PEOPLE)]
        await replay(superuser, model, [*history, ("SUSPENDED", 0), ("take", 4, 20, 0, 1)])
        await superuser.execute("delete from leaderboard_periods where kind <> 'ALL'")
        await superuser.execute("delete from leaderboard_scores")
        assert await wrong(superuser, "board-scores") != {}
        await recount(superuser)
        assert await wrong(superuser) == {}
        for at in MOMENTS:
            await agree(superuser, model, week_of(at))
