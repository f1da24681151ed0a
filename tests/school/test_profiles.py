"""Profiles: one's own, and what others may see of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from asyncpg import Range

from server.errors import BadRequest, Conflict, NotFound
from server.persistence.access import Access
from server.persistence.school import profiles
from server.persistence.school.profiles import Changes
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.make import person


async def name_of(db: Connection, user: int) -> str:
    name: str = await db.fetchval("select username from users where id = $1", user)
    return name


async def test_ones_own(superuser: Connection, access: Access) -> None:
    """Who never wrote one has one all the same; a change leaves all else as it is."""
    ann, bob = await person(superuser), await person(superuser)
    async with access.as_user(ann) as connection:
        fresh = await profiles.own(connection, ann)
        assert (fresh.visibility, fresh.time_zone, fresh.shown.bio) == ("MEMBERS", "UTC", "")
        assert fresh.shown.username == await name_of(superuser, ann)
        first = Changes(bio="Hello", website="https://ann.example", time_zone="Asia/Kathmandu")
        await profiles.change(connection, ann, first)
        now = await profiles.change(connection, ann, Changes(display_name="Ann", website=None))
        assert (now.shown.bio, now.shown.display_name) == ("Hello", "Ann")
        assert (now.shown.website, now.time_zone) == (None, "Asia/Kathmandu")
        wallet = "0x52908400098527886E0F7030069857D2E4169EE7"  # as wallets show it, with a checksum
        now = await profiles.change(connection, ann, Changes(wallet=wallet))
        assert now.wallet == wallet.lower()
        assert await profiles.own(connection, ann) == now
        with pytest.raises(NotFound):
            await profiles.own(connection, bob)


WRONG: list[tuple[Any, str]] = [
    (Changes(time_zone="Mars/Olympus"), "no time zone Mars/Olympus"),
    (Changes(bio="x" * 4001), "bio has at most 4,000"),
    (Changes(avatar_url="http://a.example/"), "avatar_url begins with https"),
    (Changes(language="Klingon"), "language is a tag"),
    (Changes(wallet="0xZZ"), "wallet is 0x and 40"),
    (Changes(bio="a\0b"), "NUL"),
]


@pytest.mark.parametrize(("changes", "why"), WRONG)
async def test_what_is_not_allowed(
    superuser: Connection, access: Access, changes: Changes, why: str
) -> None:
    """Is refused, with the field and what it takes, and nothing changes."""
    ann = await person(superuser)
    with pytest.raises(BadRequest, match=why):
        async with access.as_user(ann) as connection:
            await profiles.change(connection, ann, changes)
    assert not await superuser.fetchval(
        "select count(*) from user_profiles where user_id = $1", ann
    )


async def test_another_name(superuser: Connection, access: Access) -> None:
    """Unless somebody has it, in whatever case, or it is none."""
    ann, bob = await person(superuser), await person(superuser)
    taken = (await name_of(superuser, bob)).upper()
    for name, error in ((taken, Conflict), ("two words", BadRequest), ("", BadRequest)):
        with pytest.raises(error, match="name"):
            async with access.as_user(ann) as connection:
                await profiles.rename(connection, ann, name)
    async with access.as_user(ann) as connection:
        await profiles.rename(connection, ann, f"ann-{ann}")
    assert await name_of(superuser, ann) == f"ann-{ann}"


async def test_what_others_see(superuser: Connection, access: Access, server: Connection) -> None:
    """Members what is for members, visitors what is public; oneself always; the erased nobody."""
    reader = await person(superuser)
    seen = {}
    for visibility in (None, "PUBLIC", "MEMBERS", "PRIVATE"):
        user = await person(superuser, "UTC" if visibility else None)
        if visibility:
            await superuser.execute(
                "update user_profiles set visibility = $2, bio = 'Hi' where user_id = $1",
                user,
                visibility,
            )
        name = (await name_of(superuser, user)).upper()
        for who in (None, reader, user):
            try:
                shown = await profiles.shown(server, name, who)
                seen[visibility, "self" if who == user else who and "member"] = shown.bio
            except NotFound:
                pass
    assert seen == {
        (None, "member"): "",
        (None, "self"): "",
        ("PUBLIC", None): "Hi",
        ("PUBLIC", "member"): "Hi",
        ("PUBLIC", "self"): "Hi",
        ("MEMBERS", "member"): "Hi",
        ("MEMBERS", "self"): "Hi",
        ("PRIVATE", "self"): "Hi",
    }
    gone = await person(superuser, status="SUSPENDED")
    with pytest.raises(NotFound):
        await profiles.shown(server, await name_of(superuser, gone), gone)


async def test_a_streak_that_is_over(
    superuser: Connection, access: Access, server: Connection
) -> None:
    """Is none, from the second day on, also before the job has found out."""
    today: date = datetime.now(UTC).date()
    shown = []
    for ago in (0, 1, 2):
        user = await person(superuser)
        last = today - timedelta(days=ago)
        runs = [Range(last - timedelta(days=4), last + timedelta(days=1))]
        columns = {"current": 5, "longest": 5, "last_day": last, "days": runs}
        await insert(superuser, "streaks", user_id=user, **columns)
        async with access.as_user(user) as connection:
            mine = (await profiles.own(connection, user)).shown
        assert await profiles.shown(server, mine.username, user) == mine
        shown.append(mine.streak)
    assert shown == [5, 5, 0]
