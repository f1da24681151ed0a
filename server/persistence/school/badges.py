"""Badges: made, awarded and taken back by staff, earned with achievements, and worn by people.

What staff do runs as lyceum_staff, for somebody with the permission `badge.award`; what people do
with their own badges in their own transaction (`Access.as_user`). `earning` gives those that come
with achievements.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from server.errors import Conflict, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.school.permissions import acting, require
from server.persistence.types import Connection

Tier = Literal["BRONZE", "SILVER", "GOLD", "PLATINUM"]
MOST = 200  # badges or people of a page


class NewBadge(Struct, frozen=True):
    """What a badge is to be. slug: its name in addresses, for good."""

    slug: str
    title: str
    description: str = ""
    tier: Tier = "BRONZE"
    image_url: str | None = None


class Badge(NewBadge, frozen=True, kw_only=True):
    """A badge that there is."""

    id: int


class Had(Badge, frozen=True, kw_only=True):
    """A badge that somebody has. by_staff: awarded by somebody, not come with an achievement."""

    awarded_at: datetime
    reason: str
    by_staff: bool
    worn: bool


class Wearer(Struct, frozen=True):
    """Somebody who has a badge."""

    user_id: int
    public_id: UUID
    username: str
    awarded_at: datetime


MAKE = Query(
    "badges.make",
    Kind.WRITE,
    """
    insert into badges (slug, title, description, tier, image_url)
    values ($1, $2, $3, $4, $5)
    returning id
    """,
)
CHANGE = Query(
    "badges.change",
    Kind.WRITE,
    """
    update badges
    set title = $2, description = $3, tier = $4, image_url = $5
    where slug = $1
    returning id
    """,
)
ALL = Query(
    "badges.all",
    Kind.READ,
    """
    select slug, title, description, tier, image_url, id
    from badges
    where slug > $1
    order by slug
    limit $2
    """,
)


async def make(connection: Connection, who: UserId, new: NewBadge) -> Badge:
    """Add a badge, as staff; raises Conflict if its slug is taken, Forbidden."""
    async with acting(connection, who):
        await require(connection, who, "badge.award")
        try:
            with allowed():
                id = await fetchval(connection, MAKE, *_columns(new))
        except asyncpg.UniqueViolationError:
            raise Conflict(f"There is a badge {new.slug} already.") from None
        return _badge(new, id)


async def change(connection: Connection, who: UserId, new: NewBadge) -> Badge:
    """Change all but the slug of a badge, as staff; raises NotFound, Forbidden."""
    async with acting(connection, who):
        await require(connection, who, "badge.award")
        with allowed():
            id = await fetchval(connection, CHANGE, *_columns(new))
        if id is None:
            raise NotFound(f"There is no badge {new.slug}.")
        return _badge(new, id)


async def all_badges(connection: Connection, after: str = "", limit: int = MOST) -> list[Badge]:
    """Badges by their slugs, from behind one on; as anybody."""
    rows = await fetch(connection, ALL, after, min(limit, MOST))
    return [Badge(**row) for row in rows]


def _columns(new: NewBadge) -> tuple[object, ...]:
    return new.slug, new.title, new.description, new.tier, new.image_url


def _badge(new: NewBadge, id: int) -> Badge:
    return Badge(new.slug, new.title, new.description, new.tier, new.image_url, id=id)


# Not beside an erasure: it waits for that, and then finds nobody.
AWARD = Query(
    "badges.award",
    Kind.WRITE,
    """
    insert into user_badges (user_id, badge_id, awarded_by, reason)
    select users.id, badges.id, $3, $4
    from users
    cross join badges
    where users.id = $1 and users.status <> 'DELETED' and badges.slug = $2
    for key share of users
    on conflict on constraint user_badges_pkey do nothing
    returning true
    """,
)
HAS = Query(
    "badges.has",
    Kind.READ,
    """
    select exists (
        select from user_badges
        join badges on id = badge_id
        where user_id = $1 and slug = $2
    )
    """,
)
REVOKE = Query(
    "badges.revoke",
    Kind.WRITE,
    """
    delete from user_badges
    using badges
    where user_id = $1 and slug = $2 and badge_id = badges.id
    """,
)


async def award(
    connection: Connection, who: UserId, user_id: UserId, slug: str, reason: str = ""
) -> bool:
    """Give somebody a badge, as staff; whether it is new to the person.

    Raises NotFound if there is no such badge or person, Forbidden.
    """
    async with acting(connection, who):
        await require(connection, who, "badge.award")
        with allowed():
            if await fetchval(connection, AWARD, user_id, slug, who, reason):
                return True
        if await fetchval(connection, HAS, user_id, slug):
            return False
        raise NotFound(f"There is no such person, or no badge {slug}.")


async def revoke(connection: Connection, who: UserId, user_id: UserId, slug: str) -> bool:
    """Take a badge back, as staff; whether the person had it.

    One that came with an achievement doesn't come again: that is achieved once. Raises Forbidden.
    """
    async with acting(connection, who):
        await require(connection, who, "badge.award")
        return await execute(connection, REVOKE, user_id, slug) == "DELETE 1"


OF = Query(
    "badges.of",
    Kind.READ,
    """
    select slug, title, description, tier, image_url, id, awarded_at, reason,
        awarded_by is not null as by_staff, worn
    from user_badges
    join badges on id = badge_id
    where user_id = $1 and (worn or not $2)
    order by awarded_at desc, badge_id desc
    limit $3
    """,
)
WEAR = Query(
    "badges.wear",
    Kind.WRITE,
    """
    update user_badges
    set worn = badges.slug = any ($2::text[])
    from badges
    where user_id = $1 and badge_id = badges.id and worn <> (badges.slug = any ($2::text[]))
    """,
)
WEARERS = Query(
    "badges.wearers",
    Kind.READ,
    """
    select user_id, public_id, username, awarded_at
    from user_badges
    cross join lateral (
        select public_id, username from users where id = user_id and status = 'ACTIVE' offset 0
    ) as wearer
    where badge_id = (select id from badges where slug = $1) and worn and user_id > $2
    order by user_id
    limit $3
    """,
)


async def of(connection: Connection, user_id: UserId, worn: bool = False) -> list[Had]:
    """Somebody's badges, the newest first; worn: only those that the person shows.

    As the person, as staff, or as lyceum_server for others to see, which asks for the worn ones.
    """
    return [Had(**row) for row in await fetch(connection, OF, user_id, worn, MOST)]


async def wear(connection: Connection, user_id: UserId, slugs: Sequence[str]) -> None:
    """Show these of one's badges and no others; as the person."""
    await execute(connection, WEAR, user_id, list(slugs))


async def wearers(
    connection: Connection, slug: str, after: int = 0, limit: int = 50
) -> list[Wearer]:
    """Who shows a badge, by the numbers of people, from behind one on; as lyceum_server."""
    rows = await fetch(connection, WEARERS, slug, after, min(limit, MOST))
    return [Wearer(**row) for row in rows]
