"""What needs somebody's attention: what is told of, to whom, in which order, and what is new."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.domain.school.content import Course
from server.ids import UserId
from server.persistence.school import attention, comments, curriculum, moderation, posts
from server.persistence.school.attention import Item, Place
from server.persistence.school.curriculum_parts import Place as Part
from tests.schema.rows import insert
from tests.school.campus import Campus, new_comment, new_post


async def everything(campus: Campus, who: UserId, limit: int = 3) -> list[Item]:
    """All that needs somebody's attention, page by page."""
    found: list[Item] = []
    while True:
        place = Place(found[-1].at, found[-1].what, found[-1].number) if found else None
        page = await attention.items(campus.server, who, place, limit)
        found += page
        if len(page) < limit:
            return found


async def kinds(campus: Campus, who: UserId) -> list[str]:
    """What kinds of things."""
    return [item.what for item in await everything(campus, who)]


async def mention(campus: Campus, who: UserId, removed: bool = False) -> str:
    """Somebody is mentioned in the chat of a new session, whose name is returned."""
    db = campus.superuser
    name = await db.fetchval("select gen_random_uuid()::text")
    id = await db.fetchval("insert into documents (name) values ($1) returning id", name)
    await db.execute("insert into collaboration_sessions (id, name) values ($1, $2)", id, name)
    await db.execute(
        """
        insert into chat_messages (
            session_id, seq, revision, name, client_message_id, body, mentions, sent_at
        )
        select $1, n, n, '', n, 'hello', case n when 2 then array[subject] else '{}' end, now()
        from users, generate_series(1, 3) as n
        where users.id = $2
        """,
        id,
        who,
    )
    if removed:
        await db.execute(
            "insert into session_participants (session_id, user_id, role)"
            " select $1, subject, 'none' from users where id = $2",
            id,
            who,
        )
    return str(name)


async def test_answers(campus: Campus) -> None:
    """To one's posts and comments by others, to whom it was said; not what is gone or one's own."""
    ann, ben, eve = [await campus.person() for _ in range(3)]
    new = new_post()
    async with campus.app.as_user(ann) as own:
        post = await posts.write(own, ann, new)
        await comments.write(own, ann, new_comment(new.id, body="I mean"))
    async with campus.app.as_user(ben) as own:
        first = await comments.write(own, ben, new_comment(new.id, body="Loops."))
        gone = await comments.write(own, ben, new_comment(new.id, body="Never mind."))
        await comments.delete(own, ben, gone.id)
    async with campus.app.as_user(eve) as own:
        answer = await comments.write(own, eve, new_comment(new.id, first.id, "Which?"))
    told = [
        [(item.id, item.about, item.note) for item in await everything(campus, who)]
        for who in (ann, ben, eve)
    ]
    assert told == [
        [(first.id, str(post.number), "Loops.")],
        [(answer.id, str(post.number), "Which?")],
        [],
    ]


async def learned(campus: Campus, who: UserId) -> dict[str, Any]:
    """A row of each kind that learning brings, an hour apart, and what is expected of each."""
    db = campus.superuser
    now = datetime.now(UTC)
    ago = [now - timedelta(hours=hours) for hours in range(1, 7)]
    judged = {"status": "FAILED", "judged_at": ago[0], "submitted_at": ago[0]}
    mine = {"user_id": who}
    submission = await insert(db, "code_submissions", **mine, **judged)
    await insert(db, "code_submissions", **mine)
    await insert(
        db,
        "quiz_attempts",
        **mine,
        points=1,
        max_points=1,
        passed=True,
        started_at=ago[1],
        submitted_at=ago[1],
    )
    await insert(db, "quiz_attempts", **mine)
    await insert(db, "user_badges", **mine, awarded_at=ago[2])
    await insert(db, "user_achievements", **mine, earned_at=ago[3])
    token = {"status": "CONFIRMED", "token_id": who, "transaction_hash": "0x" + 64 * "b"}
    await insert(db, "credentials", **mine, **token, confirmed_at=ago[4])
    await insert(db, "credentials", **mine)
    hidden = {"status": "HIDDEN", "moderated_at": ago[5], "moderation_reason": "Spam."}
    await insert(db, "posts", author_id=who, **hidden)
    await insert(db, "comments", author_id=who, **hidden)
    return {"submission": submission["public_id"], "now": now}


async def test_what_learning_brings(campus: Campus) -> None:
    """In the order in which it came, whatever the pages; and only to whom it belongs."""
    who, other = await campus.person(), await campus.person()
    made = await learned(campus, who)
    name = await mention(campus, who)
    await mention(campus, who, removed=True)
    items = await everything(campus, who, 2)
    assert [item.what for item in items] == [
        "MENTION",
        "SUBMISSION",
        "ATTEMPT",
        "BADGE",
        "ACHIEVEMENT",
        "CREDENTIAL",
        "HIDDEN_POST",
        "HIDDEN_COMMENT",
    ]
    assert (items[0].about, items[0].note, items[0].id) == (name, "2", None)
    assert (items[1].id, items[1].note) == (made["submission"], "FAILED")
    assert [items[n].note for n in (2, 3, 5, 6, 7)] == [
        "PASSED",
        "Gas saver",
        "CONFIRMED",
        "Spam.",
        "Spam.",
    ]
    assert items == await everything(campus, who, 100)
    assert await everything(campus, other) == []


async def test_what_is_new(campus: Campus) -> None:
    """What came after what was seen; that never goes back, and never beyond now."""
    who = await campus.person()
    made = await learned(campus, who)
    assert await attention.count_new(campus.server, who) == 7
    two_hours = made["now"] - timedelta(hours=2, minutes=30)
    await attention.seen(campus.server, who, two_hours)
    await attention.seen(campus.server, who, two_hours - timedelta(days=1))
    items = await everything(campus, who)
    assert [item.new for item in items] == [True, True, False, False, False, False, False]
    assert await attention.count_new(campus.server, who) == 2
    await attention.seen(campus.server, who, made["now"] + timedelta(days=1))
    assert await attention.count_new(campus.server, who) == 0
    await mention(campus, who)
    assert await attention.count_new(campus.server, who) == 1


async def test_what_is_old(campus: Campus) -> None:
    """After three months nothing needs attention any more."""
    who = await campus.person()
    old = datetime.now(UTC) - timedelta(days=91)
    await insert(campus.superuser, "user_badges", user_id=who, awarded_at=old)
    assert await everything(campus, who) == []
    assert await attention.count_new(campus.server, who) == 0


async def test_what_staff_should_look_at(campus: Campus) -> None:
    """Flags for moderators; reviews and code for teachers of their own courses, and for all."""
    author, teacher = await campus.person(), await campus.person("INSTRUCTOR")
    moderator, admin = await campus.person("MODERATOR"), await campus.person("ADMIN")
    new = new_post()
    async with campus.app.as_user(author) as own:
        await posts.write(own, author, new)
        said = await comments.write(own, author, new_comment(new.id))
    async with campus.app.as_user(teacher) as own:
        await moderation.flag(own, teacher, "POST", new.id, "Spam.")
        await moderation.flag(own, teacher, "COMMENT", said.id, "Spam.")
    place = Part("COURSE", said.id, slug=f"course-{said.id.hex}")
    await curriculum.create(campus.staff, teacher, place, Course("Solidity"))
    await curriculum.send_to_review(campus.staff, teacher, "COURSE", place.id, 1)
    waiting = await insert(campus.superuser, "code_submissions", user_id=author)
    assert set(await kinds(campus, moderator)) == {"FLAGGED_POST", "FLAGGED_COMMENT"}
    assert await kinds(campus, teacher) == ["REVIEW"]
    assert await kinds(campus, author) == []
    assert {"FLAGGED_POST", "FLAGGED_COMMENT", "REVIEW", "WAITING"} <= set(
        await kinds(campus, admin)
    )
    await campus.superuser.execute(
        "update courses set owner_id = $1 where id = $2", teacher, waiting["course_id"]
    )
    assert set(await kinds(campus, teacher)) == {"REVIEW", "WAITING"}
    (review,) = [i for i in await everything(campus, teacher) if i.what == "REVIEW"]
    assert (review.about, review.note) == ("COURSE", "1")
    await moderation.decide(campus.staff, moderator, "POST", new.id, "DISMISS", "")
    await moderation.decide(campus.staff, moderator, "COMMENT", said.id, "HIDE", "Rude.")
    await curriculum.publish(campus.staff, teacher, "COURSE", place.id, 1, None)
    assert await kinds(campus, moderator) == []
    assert await kinds(campus, teacher) == ["WAITING"]
    assert await kinds(campus, author) == ["HIDDEN_COMMENT"]


async def test_a_persons_connection_can_not_ask(campus: Campus) -> None:
    """It would see chats of others; the server asks for people."""
    who = await campus.person()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with campus.app.as_user(who) as own:
            await attention.items(own, who)
