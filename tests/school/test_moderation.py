"""Flags, the queue of moderators, what they decide, and whom they suspend."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.errors import BadRequest, Conflict, Forbidden, NotFound
from server.ids import UserId
from server.persistence.school import comments, moderation, posts, votes
from server.persistence.school.moderation import Flagged, Place
from tests.school.campus import Campus, new_comment, new_post

AUDITED = """
select actor, new ->> 'status' from audit_log
where table_name = $1 and row_key = jsonb_build_object('id', $2::bigint)
order by id
"""


async def written(campus: Campus, author: UserId, comment: bool = False) -> tuple[UUID, int]:
    """A post, or a comment on one: its id, and its key."""
    new = new_post()
    async with campus.app.as_user(author) as own:
        post = await posts.write(own, author, new)
        if not comment:
            return post.id, post.number
        said = await comments.write(own, author, new_comment(new.id))
        return said.id, said.number


async def flagged(campus: Campus, who: UserId, what: Any, id: UUID, reason: str = "") -> None:
    """Somebody flags something."""
    async with campus.app.as_user(who) as own:
        await moderation.flag(own, who, what, id, reason)


async def waiting(campus: Campus, moderator: UserId, limit: int = 2) -> list[Flagged]:
    """The whole queue, page by page."""
    found: list[Flagged] = []
    while True:
        place = Place(found[-1].since, found[-1].what, found[-1].number) if found else None
        page = await moderation.queue(campus.staff, moderator, place, limit)
        found += page
        if len(page) < limit:
            return found


async def test_the_queue(campus: Campus) -> None:
    """Posts and comments in the order in which they were flagged, with who flagged them how."""
    author, ann, ben = [await campus.person() for _ in range(3)]
    moderator = await campus.person("MODERATOR")
    post, _ = await written(campus, author)
    comment, _ = await written(campus, author, comment=True)
    later, _ = await written(campus, author)
    await flagged(campus, ann, "POST", later)
    await flagged(campus, ann, "COMMENT", comment, "Rude.")
    await flagged(campus, ben, "COMMENT", comment, "Very rude.")
    await flagged(campus, ben, "COMMENT", comment, "Too rude.")
    await flagged(campus, ann, "POST", post, "Spam.")
    queue = await waiting(campus, moderator)
    assert [(thing.what, thing.id, thing.flags, list(thing.reasons)) for thing in queue] == [
        ("POST", later, 1, [""]),
        ("COMMENT", comment, 2, ["Too rude.", "Rude."]),
        ("POST", post, 1, ["Spam."]),
    ]
    assert [thing.title for thing in queue] == ["Gas", None, "Gas"]
    await moderation.decide(campus.staff, moderator, "COMMENT", comment, "DISMISS", "It is not.")
    assert [thing.id for thing in await waiting(campus, moderator)] == [later, post]
    carol = await campus.person()
    await flagged(campus, carol, "COMMENT", comment, "Still rude.")
    (again,) = [thing for thing in await waiting(campus, moderator) if thing.what == "COMMENT"]
    assert (again.flags, list(again.reasons)) == (1, ["Still rude."])
    for thing in await waiting(campus, moderator):
        await moderation.decide(campus.staff, moderator, thing.what, thing.id, "HIDE", "Spam.")
    with pytest.raises(NotFound):
        await flagged(campus, carol, "COMMENT", comment)
    assert await waiting(campus, moderator) == []


async def test_decisions(campus: Campus) -> None:
    """Each is made once, by somebody else than the author, and stands in the audit log."""
    author, moderator = await campus.person("MODERATOR"), await campus.person("MODERATOR")
    post, number = await written(campus, author)
    staff = campus.staff
    await moderation.decide(staff, moderator, "POST", post, "HIDE", "Spam.")
    await moderation.decide(staff, moderator, "POST", post, "HIDE", "Spam.")
    with pytest.raises(Conflict, match="hidden by now"):
        await moderation.decide(staff, moderator, "POST", post, "DISMISS", "")
    with pytest.raises(Forbidden, match="your own"):
        await moderation.decide(staff, author, "POST", post, "RESTORE", "Mine.")
    with pytest.raises(NotFound):
        await moderation.decide(staff, moderator, "COMMENT", uuid4(), "HIDE", "")
    async with campus.app.as_user(author) as own:
        assert (await posts.read(own, author, post)).moderation_reason == "Spam."
    await moderation.decide(staff, moderator, "POST", post, "RESTORE", "It was none.")
    audited = await campus.superuser.fetch(AUDITED, "posts", number)
    assert [tuple(row) for row in audited] == [(moderator, "HIDDEN"), (moderator, "VISIBLE")]


async def test_reasons_that_are_too_long(campus: Campus) -> None:
    """Whoever flags, decides, suspends or reinstates is told how long one may be."""
    ann, moderator = await campus.person(), await campus.person("MODERATOR")
    id, _ = await written(campus, ann)
    much = "x" * 1001
    with pytest.raises(BadRequest, match="at most 1,000 characters"):
        async with campus.app.as_user(moderator) as own:
            await moderation.flag(own, moderator, "POST", id, much)
    staff = campus.staff
    with pytest.raises(BadRequest, match="at most 1,000 characters"):
        await moderation.decide(staff, moderator, "POST", id, "HIDE", much)
    with pytest.raises(BadRequest, match="at most 1,000 characters"):
        await moderation.suspend(staff, moderator, ann, much)
    await moderation.suspend(staff, moderator, ann, "Spam.")
    with pytest.raises(BadRequest, match="at most 1,000 characters"):
        await moderation.reinstate(staff, moderator, ann, much)


async def test_who_may_not(campus: Campus) -> None:
    """Others than moderators see no queue and decide nothing, whatever their login may do."""
    student, teacher = await campus.person(), await campus.person("INSTRUCTOR")
    post, _ = await written(campus, student)
    for who in (student, teacher):
        for refused in (
            moderation.queue(campus.staff, who),
            moderation.decide(campus.staff, who, "POST", post, "HIDE", "Spam."),
            moderation.suspend(campus.staff, who, await campus.person(), "Spam."),
            moderation.reinstate(campus.staff, who, await campus.person(), ""),
        ):
            with pytest.raises(Forbidden):
                await refused
    moderator = await campus.person("MODERATOR")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with campus.app.as_user(moderator) as own:
            await moderation.decide(own, moderator, "POST", post, "HIDE", "Spam.")


async def test_a_suspension(campus: Campus) -> None:
    """Ends sign-ins and tokens; the person can do nothing, is told why, and may come back."""
    moderator, ben = await campus.person("MODERATOR"), await campus.person()
    post, _ = await written(campus, await campus.person())
    await campus.superuser.execute(
        "insert into auth_sessions (user_id, token_hash, expires_at)"
        " values ($1, sha256('x'), now() + interval '1 day')",
        ben,
    )
    await moderation.suspend(campus.staff, moderator, ben, "Spam.")
    await moderation.suspend(campus.staff, moderator, ben, "Spam again.")
    one = await campus.superuser.fetchrow(
        """
        select status, revoked_at is not null, exists (
            select from revocations where user_id = subject
        )
        from users join auth_sessions on user_id = users.id
        where users.id = $1
        """,
        ben,
    )
    assert tuple(one) == ("SUSPENDED", True, True)
    async with campus.app.as_user(ben) as own:
        with pytest.raises(Forbidden):
            await votes.vote_on_post(own, ben, post, 1)
        (told,) = await moderation.suspensions(own, ben)
        assert (told.reason, told.suspended_by, told.lifted_at) == ("Spam.", moderator, None)
        assert await moderation.suspensions(own, moderator) == []
    await moderation.reinstate(campus.staff, moderator, ben, "Sorry.")
    await moderation.reinstate(campus.staff, moderator, ben, "Sorry.")
    async with campus.app.as_user(ben) as own:
        await votes.vote_on_post(own, ben, post, 1)
    await moderation.suspend(campus.staff, moderator, ben, "Once more.")
    newest, oldest = await moderation.suspensions(campus.staff, ben)
    assert (newest.reason, oldest.lift_reason, oldest.lifted_by) == (
        "Once more.",
        "Sorry.",
        moderator,
    )
    audited = await campus.superuser.fetch(AUDITED, "users", ben)
    assert [row[1] for row in audited][-3:] == ["SUSPENDED", "ACTIVE", "SUSPENDED"]
    assert {row[0] for row in audited[-3:]} == {moderator}


async def test_whom_nobody_suspends(campus: Campus) -> None:
    """Oneself; who has a role, but by who may grant roles; who is gone; and without a reason."""
    moderator, admin = await campus.person("MODERATOR"), await campus.person("ADMIN")
    teacher, gone = await campus.person("INSTRUCTOR"), await campus.person(status="DELETED")
    for who, person, error in (
        (moderator, moderator, Forbidden),
        (moderator, teacher, Forbidden),
        (moderator, admin, Forbidden),
        (admin, admin, Forbidden),
        (admin, gone, NotFound),
        (admin, UserId(2**40), NotFound),
    ):
        with pytest.raises(error):
            await moderation.suspend(campus.staff, who, person, "Spam.")
    with pytest.raises(BadRequest):
        await moderation.suspend(campus.staff, admin, teacher, " ")
    await moderation.suspend(campus.staff, admin, teacher, "Spam.")
