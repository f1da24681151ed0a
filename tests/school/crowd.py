"""Many at work at once on a school, whose connections are killed, and who then try again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import asyncpg

from server.config import Pooling
from server.errors import PoolExhausted, QueryTimeout
from server.ids import UserId
from server.persistence.access import Access
from server.persistence.database import Database
from server.persistence.school import comments, posts, votes
from server.persistence.types import Connection
from tests.school.campus import Campus, new_comment, new_post
from tests.support.logins import login

KILLED_EVERY = 7  # deeds
KILL = """
select count(pg_terminate_backend(pid))
from (
    select pid
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'
    order by random()
    limit 1
) as victims
"""
# Who gets one of these can't know whether it was done, and tries again. A deadlock is none of them.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.LockNotAvailableError,
    OSError,
    PoolExhausted,
    QueryTimeout,
)
Do = Callable[[], Awaitable[object]]
Work = Callable[[Connection], Awaitable[object]]


class School:
    """The ways in: for each role a pool, as in production, and fewer connections than workers.

    things: posts and comments that all vote on, and whether it is a post.
    """

    def __init__(self, campus: Campus, app: Access, server: Database, staff: Database) -> None:
        self.campus, self._app, self._server, self._staff = campus, app, server, staff
        self.things: list[tuple[bool, UUID]] = []

    async def as_server(self, work: Work) -> object:
        """Have it done by the server."""
        async with self._server.acquire() as connection:
            return await work(connection)

    async def as_staff(self, work: Work) -> object:
        """Have it done through the staff's login."""
        async with self._staff.acquire() as connection:
            return await work(connection)

    async def as_person(self, who: UserId, work: Work) -> object:
        """Have it done by a person, in a transaction."""
        async with self._app.as_user(who) as connection:
            return await work(connection)

    async def discuss(self) -> None:
        """Have something there to vote on and to answer."""
        for _ in range(2):
            author, post = await self.campus.person(), new_post()
            await self.as_person(author, partial(posts.write, author=author, new=post))
            said = new_comment(post.id)
            await self.as_person(author, partial(comments.write, author=author, new=said))
            self.things += [(True, post.id), (False, said.id)]

    def vote(self, who: UserId, is_post: bool, thing: UUID, value: votes.Value) -> Do:
        """A vote, as a deed."""
        work = (
            partial(votes.vote_on_post, voter=who, post=thing, value=value)
            if is_post
            else partial(votes.vote_on_comment, voter=who, comment=thing, value=value)
        )
        return partial(self.as_person, who, work)


@asynccontextmanager
async def open_to_all(campus: Campus) -> AsyncIterator[School]:
    """A school with its pools, for as long as the block runs."""
    app = await Access.open(await login(campus.url, "lyceum_app"), pooling=Pooling(15, 0.0))
    server = await Database.open(await login(campus.url, "lyceum_server"), Pooling(20, 0.0))
    staff = await Database.open(await login(campus.url, "lyceum_staff"), Pooling(5, 0.0))
    yield School(campus, app, server, staff)
    for pool in (app, server, staff):
        await pool.close()


class Crowd:
    """Who do deeds, each until it is acknowledged. lost: how often one had to be tried again."""

    def __init__(self, superuser: Connection) -> None:
        self._superuser = superuser
        self._killing = asyncio.Lock()
        self.done = self.killed = self.lost = 0

    async def do(self, deeds: list[Do], workers: int) -> None:
        """Do all of them, so many at a time."""
        left = iter(deeds)
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(left))

    async def _work(self, deeds: Iterator[Do]) -> None:
        """Do what is left; now and then somebody's connection is killed in the middle."""
        for deed in deeds:
            await self._surely(deed)
            self.done += 1
            if self.done % KILLED_EVERY == 0:
                async with self._killing:
                    self.killed += await self._superuser.fetchval(KILL)

    async def _surely(self, deed: Do) -> None:
        while True:
            try:
                await deed()
                return
            except LOST:
                self.lost += 1
