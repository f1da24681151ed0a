"""Whatever somebody did, in any order and however often it was told: they have what it is worth."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asyncpg import CheckViolationError, Range
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.school.deeds import Deed
from server.domain.school.events import event_id
from server.errors import BadRequest, Conflict, NotFound
from server.persistence.school.earning import award, earn
from server.persistence.school.lapsing import end_streaks
from server.persistence.school.whole import in_time
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import AUTUMN, CATALOGUE, SPRING, person
from tests.school.model import Standing, standing
from tests.support.logins import connected

# Clocks change here by an hour, by half of one, at other times of the year, and never.
ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/St_Johns", "Pacific/Kiritimati",
)  # fmt: skip
HAS = """
select xp, level, streak, coalesce(current, 0) as current, coalesce(longest, 0) as longest,
    array(
        select slug from user_achievements join achievements on id = achievement_id
        where user_id = users.id
    ) as achievements,
    coalesce(lessons_completed, 0) as lessons_completed,
    coalesce(achievements, 0) as counted
from users
left join streaks on streaks.user_id = users.id
left join user_stats on user_stats.user_id = users.id
where users.id = $1
"""
LEDGER = "select key, amount from xp_events where user_id = $1"
KEYS = "select array_agg(key) from xp_event_keys where user_id = $1"


@st.composite
def deeds(draw: st.DrawFn) -> tuple[str, list[Deed]]:
    """A time zone, and what somebody does near its midnights when clocks change there."""
    zone = draw(st.sampled_from(ZONES))
    done = []
    for number in range(draw(st.integers(1, 8))):
        start = draw(st.sampled_from([SPRING, AUTUMN]))
        day = (start + timedelta(days=draw(st.integers(1, 25)))).date()
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        at = midnight.astimezone(UTC) + timedelta(minutes=draw(st.integers(-70, 70)))
        reason: Any = draw(st.sampled_from(["LESSON", "LESSON", "QUIZ", "COMMUNITY"]))
        amount = draw(st.integers(0, 150))
        counts = {"lessons_completed": 1} if reason == "LESSON" else {}
        done.append(Deed(f"{reason}:{number}".lower(), reason, amount, at, counts=counts))
    return zone, done


async def has(db: Connection, user: int) -> Standing:
    """How somebody stands, as the database says."""
    row = await db.fetchrow(HAS, user)
    assert row["streak"] == row["current"]
    assert row["counted"] == len(row["achievements"])
    return Standing(
        row["xp"],
        row["level"],
        row["current"],
        row["longest"],
        set(row["achievements"]),
        dict(await db.fetch(LEDGER, user)),
        {"lessons_completed": row["lessons_completed"]},
    )


@settings(max_examples=20, deadline=None)
@given(lived=deeds(), order=st.randoms())
async def test_any_order_comes_to_the_same(
    superuser: Connection, server: Connection, lived: tuple[str, list[Deed]], order: Any
) -> None:
    """Points, level, streaks, achievements and ledger are those of the set of deeds."""
    zone, done = lived
    user = await person(superuser, zone)
    arrivals = [*done, *done[::2]]
    order.shuffle(arrivals)
    for deed in arrivals:
        before = await has(superuser, user)
        earned = await earn(server, user, deed)
        after = await has(superuser, user)
        assert (earned.xp, earned.level, earned.streak) == (after.xp, after.level, after.current)
        assert earned.points == after.xp - before.xp
        assert earned.levels == after.level - before.level
        assert set(earned.achievements) == after.achievements - before.achievements
        assert earned.given or before == after
    expected = standing(done, zone, CATALOGUE)
    found = await has(superuser, user)
    keys = set(await superuser.fetchval(KEYS, user))
    assert keys == set(expected.ledger)
    worth = {key: amount for key, amount in expected.ledger.items() if amount}
    assert found == Standing(
        expected.xp,
        expected.level,
        expected.current,
        expected.longest,
        expected.achievements,
        worth,
        {"lessons_completed": expected.counts.get("lessons_completed", 0)},
    )


async def test_what_comes_with_an_achievement(superuser: Connection, server: Connection) -> None:
    """Its badge once, and an event for each thing that points were given for."""
    user = await person(superuser)
    one = Deed("lesson:1", "LESSON", 300, AUTUMN, None, 7, {"lessons_completed": 1}, {"try": 2})
    earned = await earn(server, user, one)
    assert earned.achievements == ("begun", "collector", "climber")
    assert (earned.points, earned.levels) == (330, 2)
    badges = (
        "select array_agg(slug) from user_badges join badges on id = badge_id where user_id = $1"
    )
    assert await superuser.fetchval(badges, user) == ["beginner"]
    told = await superuser.fetch(
        "select event_type, data, event_id, lesson_id, at from learning_analytics"
        " where user_id = $1 order by event_type desc, data ->> 'achievement'",
        user,
    )
    assert [(row["event_type"], row["data"]) for row in told] == [
        ("lesson.completed", '{"xp": 300, "try": 2}'),
        ("achievement.earned", '{"xp": 5, "achievement": "begun"}'),
        ("achievement.earned", '{"xp": 15, "achievement": "climber"}'),
        ("achievement.earned", '{"xp": 10, "achievement": "collector"}'),
    ]
    assert (told[0]["lesson_id"], told[0]["at"]) == (7, AUTUMN)
    assert told[0]["event_id"] == event_id(user, "lesson.completed", "lesson:1")


async def test_a_week_brings_a_bonus_once(superuser: Connection, server: Connection) -> None:
    """With the seventh day in a row, and not with the next week of days."""
    user = await person(superuser)
    points = []
    for day in [*range(8), *range(10, 18)]:
        earned = await award(
            server, user, 1, "QUIZ", f"quiz:{day}", None, AUTUMN + timedelta(days=day)
        )
        points.append(earned.points)
    assert points == [1] * 6 + [51] + [1] * 9


async def test_what_is_corrected(superuser: Connection, server: Connection) -> None:
    """Points can be taken back, with the level that they made, but not more than there are."""
    user = await person(superuser)
    await award(server, user, 120, "COMMUNITY", "post:1", None, AUTUMN)
    with pytest.raises(Conflict, match="takes 121 points of somebody who has 120"):
        await award(server, user, -121, "CORRECTION", "mistake:1", None, AUTUMN)
    earned = await award(server, user, -120, "CORRECTION", "mistake:1", None, AUTUMN)
    assert (earned.xp, earned.level, earned.points, earned.levels) == (0, 1, -120, -1)
    assert not (await award(server, user, -120, "CORRECTION", "mistake:1", None, AUTUMN)).given
    assert await superuser.fetchval("select streak from users where id = $1", user) == 0


async def test_all_or_nothing(superuser: Connection, server: Connection) -> None:
    """Within a caller's transaction that is undone, nothing was earned, and it can be again."""
    user = await person(superuser)
    transaction = server.transaction()
    await transaction.start()
    assert (await award(server, user, 50, "LESSON", "lesson:1", None, AUTUMN)).given
    await transaction.rollback()
    assert (await has(superuser, user)).xp == 0
    assert (await award(server, user, 50, "LESSON", "lesson:1", None, AUTUMN)).xp == 50


async def test_who_can_not_earn(superuser: Connection, server: Connection) -> None:
    """Nobody, the erased, and nobody in a month that was never made or is gone."""
    gone = await person(superuser, status="DELETED")
    for user in (gone, 2**40):
        with pytest.raises(NotFound, match="no such person"):
            await award(server, user, 1, "LESSON", "lesson:1", None, AUTUMN)
    user = await person(superuser)
    with pytest.raises(BadRequest, match="takes nothing"):
        await award(server, user, 1, "LESSON", "lesson:1", None, datetime(2019, 12, 31, tzinfo=UTC))
    assert (await has(superuser, user)).xp == 0


async def test_what_a_table_refuses_is_no_matter_of_months(connection: Connection) -> None:
    """A check that a row breaks is told as it is, and not as a month that takes nothing."""
    with pytest.raises(CheckViolationError, match="badges_slug_check"), in_time(AUTUMN):
        await connection.execute("insert into badges (slug, title) values ('No slug', 'x')")


async def test_a_streak_ends(superuser: Connection, server: Connection) -> None:
    """For who let a whole day go by where they are; who still can go on with it keeps it."""
    now = datetime.now(UTC)
    expected = {}
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):
        today = now.astimezone(ZoneInfo(zone)).date()
        for ago in range(4):
            user = await person(superuser, zone)
            last = today - timedelta(days=ago)
            runs = [Range(last - timedelta(days=1), last + timedelta(days=1))]
            columns = {"current": 2, "longest": 2, "last_day": last, "days": runs}
            await insert(superuser, "streaks", user_id=user, **columns)
            await superuser.execute("update users set streak = 2 where id = $1", user)
            expected[user] = 2 if ago < 2 else 0
    assert (await end_streaks(server, batch=4)).keys() == {"streaks"}
    assert await end_streaks(server) == {}
    shown = "select id, streak from users where id = any($1)"
    assert dict(await superuser.fetch(shown, list(expected))) == expected
    kept = "select user_id, current from streaks where user_id = any($1)"
    assert dict(await superuser.fetch(kept, list(expected))) == expected
    (over, *_) = (user for user, streak in expected.items() if not streak)
    earned = await award(server, over, 1, "COMMUNITY", "post:1", None, now)
    assert earned.xp == 1
    assert dict(await superuser.fetch(shown, [over])) == {over: 0}
    again = await award(server, over, 1, "QUIZ", "quiz:1", None, now)
    assert (again.streak, dict(await superuser.fetch(shown, [over]))) == (1, {over: 1})


async def test_a_streak_does_not_end_while_somebody_learns(
    superuser: Connection, server: Connection, server_url: str
) -> None:
    """Whose row is held by who earns is passed over, and not waited for."""
    today = datetime.now(UTC).date()
    user = await person(superuser, "UTC")
    last = today - timedelta(days=5)
    runs = [Range(last, last + timedelta(days=1))]
    columns = {"current": 1, "longest": 1, "last_day": last, "days": runs}
    await insert(superuser, "streaks", user_id=user, **columns)
    async with connected(server_url) as other:
        transaction = server.transaction()
        await transaction.start()
        await award(server, user, 1, "QUIZ", "quiz:1", None, datetime.now(UTC))
        await end_streaks(other)
        await transaction.commit()
        await end_streaks(other)
    assert await superuser.fetchval("select streak from users where id = $1", user) == 1
