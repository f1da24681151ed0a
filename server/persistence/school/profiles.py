"""What people show of themselves: each their own, and others as far as they let themselves be seen.

One's own is read and changed as the person. Others' are read as lyceum_server, since row-level
security shows nobody else's.
"""

from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import UNSET, Struct, UnsetType, json
from msgspec.structs import replace

from server.errors import BadRequest, Conflict, NotFound
from server.persistence.people import TAKEN
from server.persistence.queries import Kind, Query, execute, fetchrow
from server.persistence.school.allowed import allowed
from server.persistence.types import Connection

Visibility = Literal["PUBLIC", "MEMBERS", "PRIVATE"]


class Shown(Struct, frozen=True):
    """What others see. streak: days in a row until now."""

    id: UUID
    username: str
    display_name: str
    bio: str
    avatar_url: str | None
    website: str | None
    level: int
    xp: int
    streak: int


class Own(Struct, frozen=True):
    """What the person sees beside that."""

    shown: Shown
    language: str
    time_zone: str
    wallet: str | None
    visibility: Visibility


class Changes(Struct, frozen=True, omit_defaults=True):
    """What is to be changed of a profile; the rest stays."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType = UNSET
    avatar_url: str | UnsetType | None = UNSET
    website: str | UnsetType | None = UNSET
    language: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    wallet: str | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET


OWN = Query(
    "profiles.own",
    Kind.READ,
    """
select public_id, username, coalesce(display_name, '') as display_name, coalesce(bio, '') as bio,
    avatar_url, website, level, xp,
    case
        when last_day >= (now() at time zone coalesce(time_zone, 'UTC'))::date - 1 then current
        else 0
    end as streak,
    coalesce(language, 'en') as language, coalesce(time_zone, 'UTC') as time_zone, wallet,
    coalesce(visibility, 'MEMBERS') as visibility
from users
left join user_profiles on user_profiles.user_id = users.id
left join streaks on streaks.user_id = users.id
where users.id = $1
""",
)


async def own(connection: Connection, user_id: int) -> Own:
    """The person's profile, with what holds for who never wrote one; raises NotFound."""
    row = await fetchrow(connection, OWN, user_id)
    if row is None:
        raise NotFound("There is no such person.")
    *shown, language, time_zone, wallet, visibility = row
    return Own(Shown(*shown), language, time_zone, wallet, visibility)


BEGIN = Query(
    "profiles.begin",
    Kind.WRITE,
    """
insert into user_profiles (user_id)
values ($1)
on conflict on constraint user_profiles_pkey do nothing
""",
)
# What is not among the changes comes from the row itself.
CHANGE = Query(
    "profiles.change",
    Kind.WRITE,
    """
update user_profiles as profile
set (
    display_name, bio, avatar_url, website, language, time_zone, wallet, visibility, updated_at
) = (
    select display_name, bio, avatar_url, website, language, time_zone, wallet, visibility, now()
    from jsonb_populate_record(profile, $2)
)
where user_id = $1
""",
)


async def change(connection: Connection, user_id: int, changes: Changes) -> Own:
    """Change the person's own profile, as the person; raises BadRequest for what is not allowed."""
    await execute(connection, BEGIN, user_id)
    if isinstance(changes.wallet, str):  # capital letters are a checksum of it (ERC-55)
        changes = replace(changes, wallet=changes.wallet.lower())
    try:
        with allowed():
            await execute(connection, CHANGE, user_id, json.encode(changes).decode())
    except asyncpg.InvalidParameterValueError:
        raise BadRequest(f"There is no time zone {changes.time_zone}.") from None
    return await own(connection, user_id)


RENAME = Query(
    "profiles.rename",
    Kind.WRITE,
    "update users set username = $2, updated_at = now() where id = $1",
)


async def rename(connection: Connection, user_id: int, username: str) -> None:
    """Give the person another name, as the person; raises Conflict if it is taken, BadRequest."""
    try:
        with allowed():
            await execute(connection, RENAME, user_id, username)
    except asyncpg.UniqueViolationError as error:
        raise Conflict(TAKEN[str(error.constraint_name)]) from None


# To members: $2 is a person's; to all: it is null.
SHOWN = Query(
    "profiles.shown",
    Kind.READ,
    """
select public_id, username, coalesce(display_name, '') as display_name, coalesce(bio, '') as bio,
    avatar_url, website, level, xp,
    case
        when last_day >= (now() at time zone coalesce(time_zone, 'UTC'))::date - 1 then current
        else 0
    end as streak
from users
left join user_profiles on user_profiles.user_id = users.id
left join streaks on streaks.user_id = users.id
where lower(username) = lower($1) and status = 'ACTIVE' and (
    visibility = 'PUBLIC'
    or users.id = $2
    or coalesce(visibility, 'MEMBERS') = 'MEMBERS' and $2 is not null
)
""",
)


async def shown(connection: Connection, username: str, reader: int | None) -> Shown:
    """What somebody shows to a member, or to a visitor (None); as lyceum_server.

    Raises NotFound, also for who does not want to be seen.
    """
    row = await fetchrow(connection, SHOWN, username, reader)
    if row is None:
        raise NotFound("There is no such person, or it shows no profile.")
    return Shown(*row)
