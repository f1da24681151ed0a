"""Posts and comments: what authors may do to them, what is refused, and pages of them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from server.errors import BadRequest, Conflict, Forbidden, LyceumError, NotFound
from server.ids import UserId
from server.persistence.school import comments, earning, posts, votes
from server.persistence.school.posts import Best, Newest, Of
from server.persistence.types import Connection
from tests.schema.rows import insert
from tests.school.campus import Campus, new_comment, new_post


async def test_an_id_is_posted_once(campus: Campus) -> None:
    """Again it gives what was posted first; of somebody else's it says that it is taken."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post(language="de")
    async with campus.app.as_user(ann) as own:
        first = await posts.write(own, ann, new)
        assert await posts.write(own, ann, msgspec.structs.replace(new, title="Other")) == first
        answer = new_comment(new.id)
        said = await comments.write(own, ann, answer)
        assert await comments.write(own, ann, answer) == said
    assert (first.title, first.language, first.comments) == ("Gas", "de", 0)
    async with campus.app.as_user(ben) as own:
        with pytest.raises(Conflict, match="taken"):
            await posts.write(own, ben, new)
        with pytest.raises(Conflict, match="taken"):
            await comments.write(own, ben, answer)
        assert (await posts.read(own, ben, new.id)).comments == 1


async def test_what_is_deleted_leaves_its_place(campus: Campus) -> None:
    """Without text, with its answers; nothing can be added to it or changed of it."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post()
    async with campus.app.as_user(ann) as own:
        post = await posts.write(own, ann, new)
        said = await comments.write(own, ann, new_comment(new.id))
        answer = await comments.write(own, ann, new_comment(new.id, said.id))
        edited = await comments.edit(own, ann, said.id, "Fewer loops.")
        assert (edited.body, edited.edited_at is not None) == ("Fewer loops.", True)
        await comments.delete(own, ann, said.id)
        assert (await comments.delete(own, ann, said.id)).body is None
        with pytest.raises(Conflict, match="deleted"):
            await comments.edit(own, ann, said.id, "Back again")
        thread = await comments.thread(own, ann, post.number)
        assert [(c.body, c.parent) for c in thread] == [(None, None), ("Loops.", said.number)]
        with pytest.raises(NotFound):
            await comments.write(own, ann, new_comment(new.id, said.id))
        await posts.delete(own, ann, new.id)
        gone = await posts.delete(own, ann, new.id)
        assert (gone.status, gone.title, gone.body, gone.comments) == ("DELETED", None, None, 1)
        with pytest.raises(Conflict, match="deleted"):
            await posts.edit(own, ann, new.id, "Back", "again")
        assert await posts.newest(own, ann, Of("AUTHOR", ann)) == []
    async with campus.app.as_user(ben) as own:
        for refused in (
            comments.write(own, ben, new_comment(new.id)),
            votes.vote_on_post(own, ben, new.id, 1),
            votes.vote_on_comment(own, ben, said.id, 1),
            posts.read(own, ben, uuid4()),
            comments.read(own, ben, uuid4()),
        ):
            with pytest.raises(NotFound):
                await refused
        await votes.vote_on_comment(own, ben, answer.id, 1)


async def test_others_things_are_theirs(campus: Campus) -> None:
    """Nobody edits or deletes what somebody else wrote, or votes on what is their own."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post()
    async with campus.app.as_user(ann) as own:
        await posts.write(own, ann, new)
        said = await comments.write(own, ann, new_comment(new.id))
        with pytest.raises(Forbidden, match="their own"):
            await votes.vote_on_post(own, ann, new.id, 1)
        with pytest.raises(Forbidden, match="their own"):
            await votes.vote_on_comment(own, ann, said.id, 1)
    async with campus.app.as_user(ben) as own:
        for refused in (
            posts.edit(own, ben, new.id, "Mine", "now"),
            posts.delete(own, ben, new.id),
            comments.edit(own, ben, said.id, "Mine"),
            comments.delete(own, ben, said.id),
        ):
            with pytest.raises(Forbidden, match="somebody else"):
                await refused
    async with campus.app.as_user(ann) as own:
        assert (await posts.read(own, ann, new.id)).title == "Gas"


async def test_suspended_people_say_nothing(campus: Campus) -> None:
    """They neither write nor edit nor vote."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post()
    async with campus.app.as_user(ann) as own:
        await posts.write(own, ann, new)
    async with campus.app.as_user(ben) as own:
        said = await comments.write(own, ben, new_comment(new.id))
    await campus.superuser.execute("update users set status = 'SUSPENDED' where id = $1", ben)
    async with campus.app.as_user(ben) as own:
        for refused in (
            posts.write(own, ben, new_post()),
            comments.write(own, ben, new_comment(new.id)),
            comments.edit(own, ben, said.id, "But"),
            votes.vote_on_post(own, ben, new.id, -1),
        ):
            with pytest.raises(Forbidden):
                await refused


async def test_announcements(campus: Campus) -> None:
    """Are made by whoever may write the course, and without a course by who may write all."""
    teacher, admin = await campus.person("INSTRUCTOR"), await campus.person("ADMIN")
    course, other = await campus.course(teacher), await campus.course()
    for who, where, allowed in (
        (teacher, course, True),
        (teacher, other, False),
        (teacher, None, False),
        (admin, other, True),
        (admin, None, True),
    ):
        async with campus.app.as_user(who) as own:
            new = new_post(kind="ANNOUNCEMENT", course_id=where)
            try:
                done = (await posts.write(own, who, new)).kind == "ANNOUNCEMENT"
            except Forbidden:
                done = False
        assert done is allowed


async def test_what_the_database_refuses_by_itself(campus: Campus) -> None:
    """A person's connection can't write scores."""
    ann = await campus.person()
    for statement in (
        "update posts set score = 1000",
        "update comments set score = 1000",
        "update user_stats set reputation = 1000",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with campus.app.as_user(ann) as own:
                await own.execute(statement)


async def test_what_is_no_post_or_comment(campus: Campus) -> None:
    """What is too long, in a course or lesson that is not there, or answers what is elsewhere."""
    ann, course = await campus.person(), await campus.course(status="PUBLISHED")
    teacher = await campus.person("INSTRUCTOR")
    theirs = await insert(campus.superuser, "lessons")
    one, two = new_post(), new_post()
    async with campus.app.as_user(ann) as own:
        await posts.write(own, ann, one)
        await posts.write(own, ann, two)
        said = await comments.write(own, ann, new_comment(one.id))
    own_course = await campus.course(teacher, "PUBLISHED")
    announced = new_post(kind="ANNOUNCEMENT", course_id=own_course, lesson_id=theirs["id"])
    refused: list[tuple[UserId, type[Exception], str, Callable[[Connection], Awaitable[object]]]]
    refused = [
        (ann, BadRequest, "title has 1 to 255", lambda c: posts.write(c, ann, new_post("x" * 256))),
        (ann, BadRequest, "post has 1 to", lambda c: posts.edit(c, ann, one.id, "Gas", "")),
        (ann, BadRequest, "NUL", lambda c: posts.edit(c, ann, one.id, "Gas", "\0")),
        (
            ann,
            NotFound,
            "no such course",
            lambda c: posts.write(c, ann, new_post(course_id=1 << 40)),
        ),
        (
            ann,
            NotFound,
            "no such lesson",
            lambda c: posts.write(c, ann, new_post(course_id=course, lesson_id=theirs["id"])),
        ),
        (teacher, NotFound, "no such lesson", lambda c: posts.write(c, teacher, announced)),
        (
            ann,
            BadRequest,
            "comment has 1 to",
            lambda c: comments.write(c, ann, new_comment(one.id, body="")),
        ),
        (ann, BadRequest, "comment has 1 to", lambda c: comments.edit(c, ann, said.id, "")),
        (
            ann,
            NotFound,
            "not there any more",
            lambda c: comments.write(c, ann, new_comment(two.id, said.id)),
        ),
    ]
    for who, error, why, deed in refused:
        with pytest.raises(error, match=why):
            async with campus.app.as_user(who) as own:
                await deed(own)
    right = new_post(course_id=theirs["course_id"], lesson_id=theirs["id"])
    async with campus.app.as_user(ann) as own:
        assert (await posts.write(own, ann, right)).lesson_id == theirs["id"]


async def test_what_is_written_can_be_an_achievement(campus: Campus) -> None:
    """It is looked at with the next deed, if only with one that is worth nothing."""
    ann = await campus.person()
    await campus.superuser.execute(
        "insert into achievements (slug, title, criteria) values ('writer', 'Writer', $1)",
        '{"posts": 1}',
    )
    new = new_post()
    async with campus.app.as_user(ann) as own:
        await posts.write(own, ann, new)
    deed = (ann, 0, "COMMUNITY", f"post:{new.id}", None, datetime.now(UTC))
    assert (await earning.award(campus.server, *deed)).achievements == ("writer",)
    assert not (await earning.award(campus.server, *deed)).given


async def test_pages(campus: Campus) -> None:
    """Newest and best, of all and of a course, a lesson and an author: no gap and no double."""
    ann, ben = await campus.person(), await campus.person()
    course = await campus.course()
    async with campus.app.as_user(ann) as own:
        written = [
            await posts.write(own, ann, new_post(str(n), course_id=course if n % 2 else None))
            for n in range(7)
        ]
    async with campus.app.as_user(ben) as own:
        for post in written[2:5]:
            await votes.vote_on_post(own, ben, post.id, 1)
        await votes.vote_on_post(own, ben, written[6].id, -1)

    async def titles(of: Of, order: type[Newest] | type[Best]) -> str:
        found: list[posts.Post] = []
        async with campus.app.as_user(ben) as own:
            while True:
                if order is Newest:
                    newest = Newest(found[-1].created_at, found[-1].number) if found else None
                    page = await posts.newest(own, ben, of, newest, 2)
                else:
                    best = Best(found[-1].score, found[-1].number) if found else None
                    page = await posts.best(own, ben, of, best, 2)
                found += page
                if len(page) < 2:
                    return "".join(post.title or "" for post in found if post.author_id == ann)

    for of, newest, best in (
        (Of(), "6543210", "4325106"),
        (Of("COURSE", course), "531", "351"),
        (Of("LESSON", 1), "", ""),
        (Of("AUTHOR", ann), "6543210", "4325106"),
    ):
        assert (await titles(of, Newest), await titles(of, Best)) == (newest, best)


async def test_pages_of_comments(campus: Campus) -> None:
    """As they came, the best first, and an author's newest first."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post()
    async with campus.app.as_user(ann) as own:
        post = await posts.write(own, ann, new)
        said = [await comments.write(own, ann, new_comment(new.id, body=str(n))) for n in range(5)]
    async with campus.app.as_user(ben) as own:
        await votes.vote_on_comment(own, ben, said[1].id, 1)
        await votes.vote_on_comment(own, ben, said[3].id, -1)
        first = await comments.thread(own, ben, post.number, limit=3)
        rest = await comments.thread(own, ben, post.number, first[-1].number)
        assert [c.body for c in (*first, *rest)] == ["0", "1", "2", "3", "4"]
        top = await comments.best(own, ben, post.number, limit=2)
        after = await comments.best(
            own, ben, post.number, Best(top[-1].score, top[-1].number), limit=9
        )
        assert [(c.body, c.my_vote) for c in (*top, *after)] == [
            ("1", 1),
            ("4", 0),
            ("2", 0),
            ("0", 0),
            ("3", -1),
        ]
        one = await comments.newest_of(own, ben, ann, limit=2)
        two = await comments.newest_of(own, ben, ann, (one[-1].created_at, one[-1].number))
        assert [c.body for c in (*one, *two)] == ["4", "3", "2", "1", "0"]


async def test_others_see_nothing_hidden(campus: Campus) -> None:
    """What a moderator hid its author sees, with the reason, and nobody else does."""
    ann, ben = await campus.person(), await campus.person()
    new = new_post()
    async with campus.app.as_user(ann) as own:
        await posts.write(own, ann, new)
    await campus.superuser.execute(
        "update posts set status = 'HIDDEN', moderated_at = now(), moderation_reason = 'Spam.'"
        " where public_id = $1",
        new.id,
    )
    async with campus.app.as_user(ann) as own:
        (mine,) = await posts.newest(own, ann, Of("AUTHOR", ann))
        assert (mine.status, mine.moderation_reason) == ("HIDDEN", "Spam.")
        with pytest.raises(LyceumError, match="moderator"):
            await posts.delete(own, ann, new.id)
    async with campus.app.as_user(ben) as own:
        assert await posts.newest(own, ben, Of("AUTHOR", ann)) == []
        with pytest.raises(NotFound):
            await posts.read(own, ben, new.id)
