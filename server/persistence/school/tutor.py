"""The AI tutor's threads and what is asked in them; `tutor_answers` has the other side.

People keep threads and ask in their own transactions (`Access.as_user`).
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from server.errors import Conflict, NotFound, TooLong
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow
from server.persistence.school.allowed import allowed
from server.persistence.school.whole import whole
from server.persistence.types import Connection

LONGEST = 200_000  # characters of a message
MOST = 200  # threads or messages of a page

Status = Literal["OPEN", "ARCHIVED"]


class Thread(Struct, frozen=True):
    """A conversation. number: its key in the database. lesson_id: what it is about, or None."""

    number: int
    id: UUID
    user_id: UserId
    lesson_id: int | None
    title: str
    status: Status
    created_at: datetime
    updated_at: datetime


class Message(Struct, frozen=True):
    """A question or an answer. number: its key in the database. model: None of a question.

    answers: the number of the question, None of one.
    """

    number: int
    id: UUID
    role: Literal["USER", "TUTOR"]
    body: str
    model: str | None
    answers: int | None
    sent_at: datetime


THREAD = "id as number, public_id as id, user_id, lesson_id, title, status, created_at, updated_at"
MESSAGE = "id as number, public_id as id, role, body, model, answers, sent_at"

OPEN = Query(
    "tutor.open",
    Kind.WRITE,
    """
    insert into tutor_threads (public_id, user_id, lesson_id, title)
    values ($1, $2, $3, $4)
    on conflict on constraint tutor_threads_public_id_key do nothing
    """,
)
READ = Query(
    "tutor.read",
    Kind.READ,
    f"select {THREAD} from tutor_threads where public_id = $1",  # noqa: S608
)
THREADS = Query(
    "tutor.threads",
    Kind.READ,
    f"""
    select {THREAD}
    from tutor_threads
    where user_id = $1 and status = $2
        and (updated_at, id) < (
            coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 9223372036854775807)
        )
    order by updated_at desc, id desc
    limit $5
    """,  # noqa: S608  # of constants
)
CHANGE = Query(
    "tutor.change",
    Kind.WRITE,
    f"""
    update tutor_threads
    set title = coalesce($2, title), status = coalesce($3, status)
    where public_id = $1
    returning {THREAD}
    """,  # noqa: S608
)
DELETE = Query("tutor.delete", Kind.WRITE, "delete from tutor_threads where public_id = $1")


async def open_thread(
    connection: Connection, user_id: UserId, id: UUID, title: str = "", lesson_id: int | None = None
) -> Thread:
    """Begin a thread, as the person; id: chosen by the client, the same when it tries again.

    Raises Conflict if another person has that id, BadRequest for a title that is too long, and
    NotFound if there is no such lesson.
    """
    with allowed():
        await execute(connection, OPEN, id, user_id, lesson_id, title)
    row = await fetchrow(connection, READ, id)
    if row is None:
        raise Conflict("There is a thread with this id already.")
    return Thread(**row)


async def read(connection: Connection, id: UUID) -> Thread:
    """A thread, as its person or as lyceum_server; raises NotFound."""
    return _thread(await fetchrow(connection, READ, id))


async def threads(
    connection: Connection,
    user_id: UserId,
    status: Status = "OPEN",
    after: Thread | None = None,
    limit: int = 50,
) -> list[Thread]:
    """Somebody's threads, what was last said something in first; as the person.

    after: the last one of the page before.
    """
    place = (after.updated_at, after.number) if after else (None, None)
    rows = await fetch(connection, THREADS, user_id, status, *place, min(limit, MOST))
    return [Thread(**row) for row in rows]


async def change(
    connection: Connection,
    id: UUID,
    title: str | UnsetType = UNSET,
    status: Status | UnsetType = UNSET,
) -> Thread:
    """Call a thread otherwise, archive it, or open it again; as the person. Raises NotFound."""
    given = [None if value is UNSET else value for value in (title, status)]
    with allowed():
        return _thread(await fetchrow(connection, CHANGE, id, *given))


async def delete(connection: Connection, id: UUID) -> bool:
    """Remove a thread with all that was said; as the person. Whether it was there."""
    return await execute(connection, DELETE, id) == "DELETE 1"


def _thread(row: object) -> Thread:
    if row is None:
        raise NotFound("There is no such thread.")
    return Thread(**row)  # type: ignore[arg-type]


# In a statement of its own: one that waited for the lock would not see what it waited for.
LOCK = Query(
    "tutor.lock",
    Kind.WRITE,
    "select id, user_id, status from tutor_threads where public_id = $1 for no key update",
)
ASK = Query(
    "tutor.ask",
    Kind.WRITE,
    f"""
    with before as (
        select *
        from tutor_messages
        where thread_id = $1 and user_id = $2 and public_id = $3
            and sent_at > now() - interval '1 day'
    ),
    asked as (
        insert into tutor_messages (thread_id, user_id, role, public_id, body)
        select $1, $2, 'USER', $3, $4
        where not exists (select from before)
        returning *
    ),
    touched as (
        update tutor_threads
        set updated_at = greatest(updated_at, now())
        where id = $1 and exists (select from asked)
    )
    select {MESSAGE} from asked
    union all
    select {MESSAGE} from before
    """,  # noqa: S608
)
# Partitions by month: none from before the thread began is looked at.
MESSAGES = Query(
    "tutor.messages",
    Kind.READ,
    f"""
    with thread as (
        select id, user_id, created_at from tutor_threads where public_id = $1
    )
    select {MESSAGE}
    from tutor_messages
    where thread_id = (select id from thread) and user_id = (select user_id from thread)
        and sent_at >= (select created_at from thread)
        and (sent_at, id) < (
            coalesce($2::timestamptz, 'infinity'), coalesce($3::bigint, 9223372036854775807)
        )
    order by sent_at desc, id desc
    limit $4
    """,  # noqa: S608
)


async def ask(connection: Connection, thread: UUID, id: UUID, body: str) -> Message:
    """Write a question, as the person; id: chosen by the client, the same when it tries again.

    Raises TooLong, BadRequest, NotFound, and Conflict if the thread is archived.
    """
    if len(body) > LONGEST:
        raise TooLong(f"A message has at most {LONGEST} characters.")
    async with whole(connection):
        row = await fetchrow(connection, LOCK, thread)
        if row is None:
            raise NotFound("There is no such thread.")
        if row["status"] != "OPEN":
            raise Conflict("This thread is archived; open it again to ask.")
        with allowed():
            asked = await fetchrow(connection, ASK, row["id"], row["user_id"], id, body)
    assert asked is not None  # it was written, now or before
    return Message(**asked)


async def messages(
    connection: Connection, thread: UUID, before: Message | None = None, limit: int = 50
) -> list[Message]:
    """What was said in a thread, the newest last; as the person, or as lyceum_server for a model.

    before: the first one of the page that is read already.
    """
    place = (before.sent_at, before.number) if before else (None, None)
    rows = await fetch(connection, MESSAGES, thread, *place, min(limit, MOST))
    return [Message(**row) for row in reversed(rows)]
