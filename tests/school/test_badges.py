"""Badges: who may make and award them, who has them, and what others see."""

from datetime import UTC, datetime

import pytest

from server.errors import BadRequest, Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence import privacy
from server.persistence.school import badges
from server.persistence.school.badges import NewBadge
from server.persistence.school.earning import award
from tests.school.campus import Campus

LOGGED = """
select actor, table_name, action, coalesce(old, new) ->> 'reason' from audit_log
where table_name in ('badges', 'user_badges') and actor = any ($1)
order by id
"""
AUTHOR = "select awarded_by from user_badges where user_id = $1"


def slugs(found: list[badges.Had]) -> list[str]:
    """Which ones they are."""
    return [badge.slug for badge in found]


async def test_staff_make_and_change_badges(campus: Campus) -> None:
    """Each slug once; everybody sees them, by their slugs."""
    teacher = await campus.person("INSTRUCTOR")
    new = NewBadge("gas-saver", "Gas saver", tier="GOLD")
    made = await badges.make(campus.staff, teacher, new)
    assert (made.slug, made.title, made.tier) == ("gas-saver", "Gas saver", "GOLD")
    await badges.make(campus.staff, teacher, NewBadge("helper", "Helper"))
    with pytest.raises(Conflict, match="gas-saver"):
        await badges.make(campus.staff, teacher, new)
    changed = NewBadge("gas-saver", "Saver", "Spends little.", "SILVER", "https://a.example/s.png")
    assert (await badges.change(campus.staff, teacher, changed)).id == made.id
    with pytest.raises(NotFound):
        await badges.change(campus.staff, teacher, NewBadge("nothing", "Nothing"))
    with pytest.raises(BadRequest, match="slug has 1 to 100 small letters"):
        await badges.make(campus.staff, teacher, NewBadge("Gas Saver", "Gas saver"))
    with pytest.raises(BadRequest, match="title has 1 to 255"):
        await badges.change(campus.staff, teacher, NewBadge("helper", ""))
    async with campus.app.as_user(await campus.person()) as connection:
        seen = await badges.all_badges(connection, "gas")
        assert [(badge.slug, badge.title) for badge in seen[:2]] == [
            ("gas-saver", "Saver"),
            ("helper", "Helper"),
        ]
        assert await badges.all_badges(connection, "gas", 1) == seen[:1]


async def test_only_some_may(campus: Campus) -> None:
    """It takes the permission, which students and moderators lack."""
    ann, moderator = await campus.person(), await campus.person("MODERATOR")
    for who in (ann, moderator):
        with pytest.raises(Forbidden, match=r"badge\.award"):
            await badges.make(campus.staff, who, NewBadge("mine", "Mine"))
        with pytest.raises(Forbidden, match=r"badge\.award"):
            await badges.change(campus.staff, who, NewBadge("mine", "Mine"))
        with pytest.raises(Forbidden, match=r"badge\.award"):
            await badges.award(campus.staff, who, ann, "mine")
        with pytest.raises(Forbidden, match=r"badge\.award"):
            await badges.revoke(campus.staff, who, ann, "mine")


async def test_awarded_and_taken_back(campus: Campus) -> None:
    """Once a person, however often; the first one's name and reason stay until it is taken back."""
    teacher, other, ann = [await campus.person(r) for r in ("INSTRUCTOR", "ADMIN", "STUDENT")]
    ben = await campus.person()
    await badges.make(campus.staff, teacher, NewBadge("kind", "Kind"))
    await badges.make(campus.staff, teacher, NewBadge("steady", "Steady"))
    await badges.award(campus.staff, teacher, ben, "kind")
    assert await badges.award(campus.staff, teacher, ann, "kind", "Helps everybody.")
    assert not await badges.award(campus.staff, other, ann, "kind", "Again.")
    (had,) = await badges.of(campus.server, ann)
    assert (had.slug, had.reason, had.by_staff, had.worn) == (
        "kind",
        "Helps everybody.",
        True,
        True,
    )
    assert await campus.superuser.fetchval(AUTHOR, ann) == teacher
    await badges.award(campus.staff, teacher, ann, "steady")
    assert await badges.revoke(campus.staff, other, ann, "kind")
    assert not await badges.revoke(campus.staff, other, ann, "kind")
    assert slugs(await badges.of(campus.server, ann)) == ["steady"]
    assert slugs(await badges.of(campus.server, ben)) == ["kind"]
    with pytest.raises(NotFound):
        await badges.award(campus.staff, teacher, ann, "unknown")
    with pytest.raises(NotFound):
        await badges.award(campus.staff, teacher, UserId(0), "kind")


async def test_the_audit_log_has_what_staff_do(campus: Campus) -> None:
    """Who made, gave and took which badge, with reasons hidden; not what people earn and wear."""
    teacher, admin, ann = [await campus.person(r) for r in ("INSTRUCTOR", "ADMIN", "STUDENT")]
    badge = await badges.make(campus.staff, teacher, NewBadge("logged", "Logged"))
    await badges.award(campus.staff, teacher, ann, "logged", "Helps.")
    async with campus.app.as_user(ann) as connection:
        await badges.wear(connection, ann, [])
    await badges.revoke(campus.staff, admin, ann, "logged")
    await campus.superuser.execute(
        """insert into achievements (slug, title, criteria, badge_id)
        values ('logged', 'Logged', '{"xp": 9001}', $1)""",
        badge.id,
    )
    await award(campus.server, ann, 9001, "COMMUNITY", "a", None, datetime.now(UTC))
    assert [had.slug for had in await badges.of(campus.server, ann)] == ["logged"]
    rows = await campus.superuser.fetch(LOGGED, [teacher, admin, ann])
    assert [tuple(row)[:3] for row in rows] == [
        (teacher, "badges", "INSERT"),
        (teacher, "user_badges", "INSERT"),
        (admin, "user_badges", "DELETE"),
    ]
    assert all(row[3].startswith("hmac:") for row in rows[1:])


async def test_nobody_awards_who_was_erased(campus: Campus) -> None:
    """There is nobody to wear it."""
    teacher, ann = await campus.person("INSTRUCTOR"), await campus.person()
    await badges.make(campus.staff, teacher, NewBadge("late", "Late"))
    subject = await campus.superuser.fetchval("select subject from users where id = $1", ann)
    await privacy.erase(campus.superuser, await privacy.find(campus.superuser, subject))
    with pytest.raises(NotFound):
        await badges.award(campus.staff, teacher, ann, "late")


async def test_what_people_wear(campus: Campus) -> None:
    """A person shows some and keeps others to themselves; nobody's but one's own."""
    teacher = await campus.person("INSTRUCTOR")
    ann, ben = await campus.person(), await campus.person()
    for slug in ("red", "green", "blue"):
        await badges.make(campus.staff, teacher, NewBadge(slug, slug))
        for person in (ann, ben):
            await badges.award(campus.staff, teacher, person, slug)
    async with campus.app.as_user(ann) as connection:
        await badges.wear(connection, ann, ["red", "blue", "unknown"])
        await badges.wear(connection, ben, [])
        assert slugs(await badges.of(connection, ann)) == ["blue", "green", "red"]
    assert slugs(await badges.of(campus.server, ann, worn=True)) == ["blue", "red"]
    assert len(await badges.of(campus.server, ben, worn=True)) == 3
    async with campus.app.as_user(ann) as connection:
        await badges.wear(connection, ann, ["green"])
    assert slugs(await badges.of(campus.server, ann, worn=True)) == ["green"]
    green = await badges.wearers(campus.server, "green")
    assert [wearer.user_id for wearer in green] == [ann, ben]
    assert await badges.wearers(campus.server, "green", ann) == green[1:]
    assert await badges.wearers(campus.server, "green", limit=1) == green[:1]
    assert [w.user_id for w in await badges.wearers(campus.server, "red")] == [ben]
    await campus.superuser.execute("update users set status = 'SUSPENDED' where id = $1", ben)
    assert await badges.wearers(campus.server, "red") == []


async def test_one_that_comes_with_an_achievement(campus: Campus) -> None:
    """It is nobody's award, and doesn't come again when it was taken back."""
    teacher, ann = await campus.person("INSTRUCTOR"), await campus.person()
    badge = await badges.make(campus.staff, teacher, NewBadge("first-points", "First points"))
    await campus.superuser.execute(
        """insert into achievements (slug, title, criteria, badge_id)
        values ('first-points', 'First points', '{"xp": 7001}', $1)""",
        badge.id,
    )
    now = datetime.now(UTC)
    await award(campus.server, ann, 7001, "COMMUNITY", "a", None, now)
    (had,) = await badges.of(campus.server, ann)
    assert (had.slug, had.by_staff) == ("first-points", False)
    assert await badges.revoke(campus.staff, teacher, ann, "first-points")
    await award(campus.server, ann, 10, "COMMUNITY", "b", None, now)
    assert await badges.of(campus.server, ann) == []
