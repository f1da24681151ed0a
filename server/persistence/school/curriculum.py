"""Versions of the curriculum: drafted, reviewed, published, gone back to. History never changes.

As lyceum_staff, each deed a transaction of whoever does it. Who changes an item's history locks its
row of content_items first, so two at once come one after the other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from server.domain.school.content import Body, Part, differences, written
from server.domain.school.content import read as read_body
from server.errors import Conflict, NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchval
from server.persistence.school.allowed import allowed
from server.persistence.school.curriculum_parts import (
    Item,
    Place,
    find,
    locked,
    looked_at,
    make,
    show,
)
from server.persistence.school.permissions import acting, require
from server.persistence.types import Connection

MOST = 100  # versions of a page
FIRST = 1  # number of a version


async def create(
    connection: Connection, who: UserId, place: Place, body: Body, note: str = ""
) -> int:
    """Add a part to the curriculum, with a first draft; again it changes nothing.

    A new course is its maker's. Returns the draft's number, whatever came after it. Raises
    Forbidden, BadRequest, NotFound if what it is part of is not there, and Conflict if its slug or
    its position is taken.
    """
    async with acting(connection, who):
        owner: UserId | None = who
        if place.within is not None and place.part in WITHIN:
            owner = (await find(connection, WITHIN[place.part], place.within)).owner
        await require(connection, who, "course.write", owner)
        await make(connection, who, place, body.title)
        item = await _open(connection, who, place.part, place.id, "course.write")
        if item.last:
            return FIRST
        return await _add(connection, who, item, None, written(body), note)


WITHIN: dict[Part, Part] = {"MODULE": "COURSE", "LESSON": "MODULE", "QUIZ": "LESSON"}


async def draft(
    connection: Connection, who: UserId, part: Part, id: UUID, body: Body, note: str = ""
) -> int:
    """Keep a new version, which nobody sees yet; the newest again stays the newest.

    Returns its number. Raises Forbidden, BadRequest and NotFound.
    """
    async with acting(connection, who):
        item = await _open(connection, who, part, id, "course.write")
        text = written(body)
        newest = await fetchval(connection, BODY, item.number, item.last)
        if newest == text:
            return item.last
        return await _add(connection, who, item, newest, text, note)


async def _open(connection: Connection, who: UserId, part: Part, id: UUID, action: str) -> Item:
    """Lock the history of a part for somebody who may do something to it."""
    found = await find(connection, part, id)
    await require(connection, who, action, found.owner)
    return await locked(connection, part, found)


BODY = Query(
    "curriculum.body",
    Kind.READ,
    "select body from content_versions where item_id = $1 and version = $2",
)
RAISE = Query(
    "curriculum.raise",
    Kind.WRITE,
    """
    update content_items
    set last_version = last_version + 1, updated_at = now()
    where id = $1
    returning last_version
    """,
)
ADD = Query(
    "curriculum.add",
    Kind.WRITE,
    """
    insert into content_versions (item_id, version, body, sha256, author_id, note, changes)
    values ($1, $2, $3, sha256(convert_to($3, 'UTF8')), $4, $5, $6::jsonb)
    """,
)


async def _add(
    connection: Connection, who: UserId, item: Item, before: str | None, text: str, note: str
) -> int:
    version: int = await fetchval(connection, RAISE, item.number)
    changes = msgspec.json.encode(differences(before, text)).decode()
    with allowed():
        await execute(connection, ADD, item.number, version, text, who, note, changes)
    return version


async def _body(connection: Connection, item: Item, version: int) -> str:
    text: str | None = await fetchval(connection, BODY, item.number, version)
    if text is None:
        raise NotFound(f"There is no version {version}.")
    return text


REVIEW = Query(
    "curriculum.review",
    Kind.WRITE,
    """
    update content_items
    set review_version = $2, review_at = now(), updated_at = now()
    where id = $1 and review_version is distinct from $2
    """,
)
# What is published stays so while a new version of it is looked at.
COURSE_STATUS = Query(
    "curriculum.course_status",
    Kind.WRITE,
    "update courses set status = $3, updated_at = now() where id = $1 and status = $2",
)


async def send_to_review(
    connection: Connection, who: UserId, part: Part, id: UUID, version: int
) -> None:
    """Ask for a version to be published, in place of any other that waits for it.

    A course that was never published goes from DRAFT to REVIEW.
    """
    async with acting(connection, who):
        item = await _open(connection, who, part, id, "course.write")
        await _body(connection, item, version)
        await execute(connection, REVIEW, item.number, version)
        if part == "COURSE":
            await execute(connection, COURSE_STATUS, item.id, "DRAFT", "REVIEW")


END_REVIEW = Query(
    "curriculum.end_review",
    Kind.WRITE,
    """
    update content_items
    set review_version = null, review_at = null, updated_at = now()
    where id = $1 and review_version is not null
    """,
)


async def send_back(connection: Connection, who: UserId, part: Part, id: UUID) -> None:
    """Let nothing of a part wait for publication any more; for who may publish it."""
    async with acting(connection, who):
        item = await _open(connection, who, part, id, "course.publish")
        await execute(connection, END_REVIEW, item.number)
        if part == "COURSE":
            await execute(connection, COURSE_STATUS, item.id, "REVIEW", "DRAFT")


PUBLISH = Query(
    "curriculum.publish",
    Kind.WRITE,
    """
    update content_items
    set published_version = $2,
        review_version = case when review_version > $2 then review_version end,
        review_at = case when review_version > $2 then review_at end,
        updated_at = now()
    where id = $1
    """,
)


async def publish(
    connection: Connection,
    who: UserId,
    part: Part,
    id: UUID,
    version: int,
    instead_of: int | None,
) -> None:
    """Have a part show a version; once more changes nothing.

    instead_of: what whoever publishes believes to be published; None: nothing. Raises Forbidden,
    NotFound, BadRequest if it holds what is not allowed, and Conflict if somebody else published in
    the meantime or it is archived.
    """
    async with acting(connection, who):
        item = await _open(connection, who, part, id, "course.publish")
        if item.published != version:
            await _publish(connection, item, version, instead_of)


async def _publish(
    connection: Connection, item: Item, version: int, instead_of: int | None
) -> None:
    if item.published != instead_of:
        raise Conflict(f"Version {item.published} was published in the meantime.")
    await show(connection, item, await _body(connection, item, version))
    await execute(connection, PUBLISH, item.number, version)


async def roll_back(
    connection: Connection,
    who: UserId,
    part: Part,
    id: UUID,
    version: int,
    instead_of: int | None,
    note: str = "",
) -> int:
    """Publish what an older version held, as a new one, whose number it returns.

    Changes nothing if that is what is shown. Otherwise as `publish`.
    """
    async with acting(connection, who):
        item = await _open(connection, who, part, id, "course.publish")
        text = await _body(connection, item, version)
        if item.published and await _body(connection, item, item.published) == text:
            return item.published
        newest = await _body(connection, item, item.last)
        number = await _add(connection, who, item, newest, text, note)
        await _publish(connection, item, number, instead_of)
        return number


class Version(msgspec.Struct, frozen=True):
    """A version without its text. changes: what differs from the one before, as `differences`."""

    number: int
    author_id: UserId
    note: str
    created_at: datetime
    sha256: bytes
    characters: int
    published: bool
    changes: dict[str, list[Any] | None]


def _version(*fields: Any) -> Version:
    *told, changes = fields
    return Version(*(*told, msgspec.json.decode(changes)))


HISTORY = Query(
    "curriculum.history",
    Kind.READ,
    """
    select version, author_id, note, content_versions.created_at, sha256, length(body),
        version is not distinct from published_version, changes::text
    from content_versions
    join content_items on content_items.id = item_id
    where item_id = $1 and version < coalesce($2::integer, 2147483647)
    order by version desc
    limit $3
    """,
)


async def history(
    connection: Connection,
    who: UserId,
    part: Part,
    id: UUID,
    before: int | None = None,
    limit: int = 20,
) -> Sequence[Version]:
    """A page of a part's versions, newest first; before: the number of the last one seen."""
    item = await _look(connection, who, part, id)
    rows = await fetch(connection, HISTORY, item.number, before, min(limit, MOST))
    return [_version(*row) for row in rows]


async def _look(connection: Connection, who: UserId, part: Part, id: UUID) -> Item:
    found = await find(connection, part, id)
    await require(connection, who, "course.write", found.owner)
    return await looked_at(connection, part, found)


async def read(connection: Connection, who: UserId, part: Part, id: UUID, version: int) -> Body:
    """What a version holds; for who may write it."""
    item = await _look(connection, who, part, id)
    return read_body(part, await _body(connection, item, version))


async def compare(
    connection: Connection, who: UserId, part: Part, id: UUID, one: int, other: int
) -> dict[str, list[Any] | None]:
    """What another version has that one has not, as `differences`."""
    item = await _look(connection, who, part, id)
    return differences(await _body(connection, item, one), await _body(connection, item, other))
