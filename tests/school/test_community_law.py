"""Any history of posts, comments and votes agrees with a plain model, and so do counters."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.domain.school.moderation import CHANGES
from server.errors import LyceumError, NotFound
from server.ids import UserId
from server.persistence.integrity import CHECKS, check_all
from server.persistence.school import comments, moderation, posts, votes
from server.persistence.types import Connection
from tests.school.campus import Campus, new_comment, new_post

OURS = [check for check in CHECKS if check.name in ("scores", "comments", "community")]
STATS = "select posts, comments, reputation from user_stats where user_id = $1"


class Thing:
    """A post or a comment of the model."""

    def __init__(self, author: UserId, post: "Thing | None", parent: "Thing | None") -> None:
        self.author, self.post, self.parent = author, post, parent
        self.votes: dict[UserId, int] = {}
        self.status = "VISIBLE"
        self.decided = False
        self.id: UUID | None = None

    @property
    def shown(self) -> bool:
        return self.status in ("VISIBLE", "FLAGGED")

    @property
    def score(self) -> int:
        return sum(self.votes.values())


class Model:
    """What was written, in order, and by whom."""

    def __init__(self, people: list[UserId], moderator: UserId) -> None:
        self.people, self.moderator = people, moderator
        self.things: list[Thing] = []

    def comments_of(self, post: Thing) -> int:
        return sum(thing.post is post and thing.shown for thing in self.things)

    def stats(self, person: UserId) -> tuple[int, int, int]:
        own = [thing for thing in self.things if thing.author == person]
        shown = [thing for thing in own if thing.shown]
        return (
            sum(thing.post is None for thing in shown),
            sum(thing.post is not None for thing in shown),
            sum(thing.score for thing in own),
        )


Deed = tuple[str, int, int, int]
KINDS = ["post", "comment", "vote", "edit", "delete", "flag", *CHANGES]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, "comment", "vote", "vote"]),
        st.integers(0, 2),
        st.integers(0, 20),
        st.integers(-1, 1),
    ),
    min_size=1,
    max_size=14,
)


async def do(campus: Campus, model: Model, deed: Deed) -> None:
    """Do a deed, and have the model do it if it is right; else it must be refused."""
    what, number, place, value = deed
    who = model.people[number]
    target = model.things[place % len(model.things)] if model.things else None
    if what == "post" or target is None:
        new = new_post()
        async with campus.app.as_user(who) as connection:
            await posts.write(connection, who, new)
        model.things.append(Thing(who, None, None))
        model.things[-1].id = new.id
        return
    try:
        if what in CHANGES:
            await _decide(campus, model.moderator, what, target)
            made = None
        else:
            async with campus.app.as_user(who) as connection:
                made = await _try(connection, who, what, target, value)
    except LyceumError:
        assert _is_refused(who, what, target)
        return
    assert not _is_refused(who, what, target)
    if made is not None:
        model.things.append(made)
    elif what == "vote":
        target.votes[who] = value
    elif what == "delete":
        target.status = "DELETED"
    elif what == "flag" and target.status == "VISIBLE":
        target.status = "FLAGGED"
    elif what in CHANGES:
        target.status, target.decided = CHANGES[what].after, True  # type: ignore[index]


async def _decide(campus: Campus, moderator: UserId, what: Any, target: Thing) -> None:
    assert target.id is not None
    kind: Any = "COMMENT" if target.post else "POST"
    await moderation.decide(campus.staff, moderator, kind, target.id, what, "For a reason.")


async def _try(
    connection: Connection, who: UserId, what: str, target: Thing, value: Any
) -> Thing | None:
    assert target.id is not None
    post = target.post or target
    assert post.id is not None
    family: Any = posts if target.post is None else comments
    match what:
        case "comment":
            parent = None if target is post else target
            new = new_comment(post.id, parent and parent.id)
            await comments.write(connection, who, new)
            made = Thing(who, post, parent)
            made.id = new.id
            return made
        case "vote" if target is post:
            await votes.vote_on_post(connection, who, target.id, value)
        case "vote":
            await votes.vote_on_comment(connection, who, target.id, value)
        case "edit":
            text = ("Gas", "Edited.") if target is post else ("Edited.",)
            await family.edit(connection, who, target.id, *text)
        case "flag":
            kind: Any = "POST" if target is post else "COMMENT"
            await moderation.flag(connection, who, kind, target.id, "Look at this.")
        case _:
            await family.delete(connection, who, target.id)
    return None


def _is_refused(who: UserId, what: str, target: Thing) -> bool:
    match what:
        case "comment":
            return not target.shown or (target.post is not None and not target.post.shown)
        case "vote":
            return not target.shown or target.author == who
        case "flag":
            return not target.shown
        case "edit":
            return target.status != "VISIBLE" or target.author != who
        case "delete":
            return target.status not in ("VISIBLE", "DELETED") or target.author != who
        case _:
            change = CHANGES[what]  # type: ignore[index]
            again = target.status == change.after and target.decided
            return target.status not in change.before and not again


async def agrees(campus: Campus, model: Model) -> None:
    """What is read is what the model has, and what is counted is."""
    reader = model.people[0]
    async with campus.app.as_user(reader) as connection:
        for thing in model.things:
            assert thing.id is not None
            if thing.status == "HIDDEN" and thing.author != reader:
                read: Any = posts.read if thing.post is None else comments.read
                with pytest.raises(NotFound):
                    await read(connection, reader, thing.id)
                continue
            if thing.post is None:
                post = await posts.read(connection, reader, thing.id)
                assert post.comments == model.comments_of(thing)
                found: posts.Post | comments.Comment = post
            else:
                found = await comments.read(connection, reader, thing.id)
            assert (found.score, found.my_vote) == (thing.score, thing.votes.get(reader, 0))
            assert (found.status, found.body is None) == (thing.status, thing.status == "DELETED")
    for person in model.people:
        row = await campus.superuser.fetchrow(STATS, person)
        assert tuple(row or (0, 0, 0)) == model.stats(person)


async def test_any_history_agrees_with_the_model(campus: Campus) -> None:
    """Scores, counts, texts and statistics, whoever wrote, voted and deleted in any order."""
    loop = asyncio.get_running_loop()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    moderator = await campus.person("MODERATOR")

    async def history(deeds: list[Deed]) -> None:
        model = Model([await campus.person() for _ in range(3)], moderator)
        for deed in deeds:
            await do(campus, model, deed)
        await agrees(campus, model)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DEEDS)
    def law(deeds: list[Deed]) -> None:
        run(history(deeds))

    await asyncio.to_thread(law)
    async with campus.superuser.transaction():
        assert [result.wrong async for result in check_all(campus.superuser, OURS)] == [[], [], []]
