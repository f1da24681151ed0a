"""Many people write and vote on the same things at once, and their connections are killed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from server.ids import UserId
from server.persistence.database import PASSING
from server.persistence.integrity import CHECKS, check_all
from server.persistence.school import comments, posts, votes
from server.persistence.types import Connection
from tests.school.campus import Campus, new_comment, new_post

WORKERS = 50
DEEDS = 4
KILL = """
select count(pg_terminate_backend(pid))
from (
    select pid
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
    order by random()
    limit 1
) as victims
"""
OURS = [check for check in CHECKS if check.name in ("scores", "comments", "community")]
VOTES = """
select posts.public_id as thing, user_id, value from votes join posts on posts.id = post_id
union all
select comments.public_id, user_id, value from votes join comments on comments.id = comment_id
"""


Deed = Callable[[Connection], Awaitable[object]]


class Worker:
    """Somebody who does random deeds, each until it is known to be done."""

    def __init__(self, campus: Campus, who: UserId, things: list[tuple[bool, UUID]]) -> None:
        self.campus, self.who, self.things = campus, who, things
        self.said: list[UUID] = []
        self.voted: dict[UUID, int] = {}
        self.kills = 0

    async def work(self, chance: random.Random) -> None:
        """Comment on, and vote for, against and neither on, few things that all others are at."""
        for _ in range(DEEDS):
            is_post, thing = chance.choice(self.things)
            if is_post and chance.random() < 0.4:
                new = new_comment(thing)
                await self.surely(lambda connection, new=new: self._say(connection, new))
                self.said.append(new.id)
            else:
                value = chance.choice([-1, 0, 1])
                vote = votes.vote_on_post if is_post else votes.vote_on_comment
                await self.surely(
                    lambda connection, thing=thing, value=value, vote=vote: vote(
                        connection, self.who, thing, value
                    )
                )
                self.voted[thing] = value
        for gone in self.said[::2]:
            await self.surely(lambda connection, gone=gone: self._take_back(connection, gone))

    async def _say(self, connection: Connection, new: comments.NewComment) -> object:
        return await comments.write(connection, self.who, new)

    async def _take_back(self, connection: Connection, gone: UUID) -> object:
        return await comments.delete(connection, self.who, gone)

    async def surely(self, deed: Deed) -> None:
        """Try again whenever the connection was lost, not knowing whether it was done."""
        while True:
            try:
                async with self.campus.app.as_user(self.who) as connection:
                    await deed(connection)
                return
            except asyncpg.DeadlockDetectedError:
                raise
            except PASSING:
                self.kills += 1


async def test_all_is_counted_once(campus: Campus) -> None:
    """Nobody deadlocks; at the end all that was done is there once, and all counters agree."""
    authors = [await campus.person() for _ in range(2)]
    things: list[tuple[bool, UUID]] = []
    for author in authors:
        new = new_post()
        async with campus.app.as_user(author) as connection:
            await posts.write(connection, author, new)
            answer = new_comment(new.id)
            await comments.write(connection, author, answer)
        things += [(True, new.id), (False, answer.id)]
    workers = [Worker(campus, await campus.person(), things) for _ in range(WORKERS)]
    working = asyncio.gather(
        *(worker.work(random.Random(number)) for number, worker in enumerate(workers))
    )
    killed = 0
    while not working.done():
        killed += await campus.superuser.fetchval(KILL)
        await asyncio.wait([working], timeout=0.1)
    await working
    assert killed > 0
    said = {id for worker in workers for id in worker.said}
    rows = await campus.superuser.fetch("select public_id, status from comments")
    assert {row[0] for row in rows} == said | {id for is_post, id in things if not is_post}
    gone = {id for worker in workers for id in worker.said[::2]}
    assert {row[0] for row in rows if row[1] == "DELETED"} == gone
    kept = {(row[0], row[1]): row[2] for row in await campus.superuser.fetch(VOTES)}
    assert kept == {
        (thing, worker.who): value
        for worker in workers
        for thing, value in worker.voted.items()
        if value
    }
    async with campus.superuser.transaction():
        assert [result.wrong async for result in check_all(campus.superuser, OURS)] == [[], [], []]
