"""A school with a login for each role, and ways to fill it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import NamedTuple
from uuid import UUID, uuid4

from server.ids import UserId
from server.persistence.access import Access
from server.persistence.school.comments import NewComment
from server.persistence.school.posts import NewPost
from server.persistence.types import Connection
from tests.support.logins import connected, login, migrated_by_owner
from tests.support.postgres import PostgresInstance

_numbers = count(1)


class Campus(NamedTuple):
    """A database as production has it, and ways in.

    url: a superuser's, as `superuser` is. app, staff, server: the way in for people, and
    connections of logins that are members of lyceum_staff and lyceum_server only.
    """

    url: str
    superuser: Connection
    app: Access
    staff: Connection
    server: Connection

    async def person(self, role: str = "STUDENT", status: str = "ACTIVE") -> UserId:
        """Somebody new, who was granted the role."""
        id: int = await self.superuser.fetchval(
            "insert into users (subject, username, role, status)"
            " values ($1, $1, $2, $3) returning id",
            f"person-{next(_numbers)}",
            role,
            status,
        )
        if role != "STUDENT":
            await self.superuser.execute(
                "insert into role_grants (user_id, role) values ($1, $2)", id, role
            )
        return UserId(id)

    async def course(self, owner: UserId | None = None, status: str = "DRAFT") -> int:
        """A new course."""
        id: int = await self.superuser.fetchval(
            "insert into courses (slug, title, owner_id, status, version, published_at)"
            " values ($1, 'Solidity', $2, $3, $4, case when $4 > 0 then now() end) returning id",
            f"course-{next(_numbers)}",
            owner,
            status,
            int(status == "PUBLISHED"),
        )
        return id


@asynccontextmanager
async def opened(postgres: PostgresInstance) -> AsyncIterator[Campus]:
    """A school for as long as the block runs."""
    url = await migrated_by_owner(postgres)
    async with AsyncExitStack() as stack:
        app = await Access.open(await login(url, "lyceum_app"))
        stack.push_async_callback(app.close)
        connections = [
            await stack.enter_async_context(connected(url))
            for url in (
                url,
                await login(url, "lyceum_staff"),
                await login(url, "lyceum_server"),
            )
        ]
        superuser, staff, server = connections
        yield Campus(url, superuser, app, staff, server)


def new_post(title: str = "Gas", body: str = "Why so much?", **values: object) -> NewPost:
    """Something to post."""
    return NewPost(uuid4(), title, body, **values)  # type: ignore[arg-type]


def new_comment(post: UUID, parent: UUID | None = None, body: str = "Loops.") -> NewComment:
    """Something to say about it."""
    return NewComment(uuid4(), post, body, parent)
