"""What the AI tutor answers, and how much somebody may ask of it in a day. As lyceum_server.

It reserves a request before a model is called, and writes the answer, whose tokens count for the
day of the request. Locks are taken in this order: the thread, then the day's usage.
"""

from datetime import date, datetime

from msgspec import Struct

from server.domain.school.tutoring import Limits, Usage, day_of, seconds_left
from server.errors import TooFast
from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch, fetchrow, fetchval
from server.persistence.school.tutor import LOCK, MESSAGE, Message, Thread
from server.persistence.school.whole import whole
from server.persistence.types import Connection


class Answer(Struct, frozen=True):
    """What a model gave for a question."""

    body: str
    model: str
    input_tokens: int
    output_tokens: int


# Whoever comes at the same moment waits for this row, and then sees what it has become.
RESERVE = Query(
    "tutor_answers.reserve",
    Kind.WRITE,
    """
    insert into ai_usage_daily as usage (user_id, day, requests)
    select $1, $2, 1
    where $3 > 0 and $4 > 0
    on conflict on constraint ai_usage_daily_pkey do update
    set requests = usage.requests + 1
    where usage.requests < $3 and usage.input_tokens + usage.output_tokens < $4
    returning day, requests, input_tokens, output_tokens
    """,
)
GIVE_BACK = Query(
    "tutor_answers.give_back",
    Kind.WRITE,
    """
    update ai_usage_daily
    set requests = requests - 1
    where user_id = $1 and day = $2 and requests > 0
    """,
)
ANSWER = Query(
    "tutor_answers.answer",
    Kind.WRITE,
    f"""
    with before as (
        select *
        from tutor_messages
        where thread_id = $1 and user_id = $2 and sent_at >= $4 and answers = $3
    ),
    answered as (
        insert into tutor_messages
            (thread_id, user_id, role, answers, body, model, input_tokens, output_tokens)
        select $1, $2, 'TUTOR', $3, $5, $6, $7, $8
        where not exists (select from before)
        returning *
    ),
    touched as (
        update tutor_threads
        set updated_at = greatest(updated_at, now())
        where id = $1 and exists (select from answered)
    ),
    counted as (
        insert into ai_usage_daily as usage (user_id, day, input_tokens, output_tokens)
        select $2, $9, $7, $8
        where exists (select from answered)
        on conflict on constraint ai_usage_daily_pkey do update
        set input_tokens = usage.input_tokens + excluded.input_tokens,
            output_tokens = usage.output_tokens + excluded.output_tokens
    )
    select {MESSAGE} from answered
    union all
    select {MESSAGE} from before
    """,  # noqa: S608
)
COUNT = Query(
    "tutor_answers.count",
    Kind.WRITE,
    """
    insert into ai_usage_daily as usage (user_id, day, input_tokens, output_tokens)
    select id, $2, $3, $4
    from users
    where id = $1
    on conflict on constraint ai_usage_daily_pkey do update
    set input_tokens = usage.input_tokens + excluded.input_tokens,
        output_tokens = usage.output_tokens + excluded.output_tokens
    """,
)
USAGE = Query(
    "tutor_answers.usage",
    Kind.READ,
    """
    select day, requests, input_tokens, output_tokens
    from ai_usage_daily
    where user_id = $1 and day between $2 and $3
    order by day
    """,
)


async def reserve(connection: Connection, user_id: UserId, limits: Limits, at: datetime) -> Usage:
    """Take one of somebody's requests of the day, before a model is called; as lyceum_server.

    However many do so at once, no more are given than there are. Raises TooFast, with the seconds
    to the next day, if there is none left or the tokens are used up.
    """
    row = await fetchrow(connection, RESERVE, user_id, day_of(at), limits.requests, limits.tokens)
    if row is None:
        raise TooFast("That was all that you can ask of the tutor today.", seconds_left(at))
    return Usage(**row)


async def give_back(connection: Connection, user_id: UserId, day: date) -> None:
    """Give a reserved request back that came to nothing; as lyceum_server."""
    await execute(connection, GIVE_BACK, user_id, day)


async def answer(
    connection: Connection, thread: Thread, question: Message, given: Answer, day: date
) -> Message | None:
    """Write an answer and count its tokens, once a question; as lyceum_server.

    day: of the reservation. Returns the answer that stands, or None if the thread was deleted
    meanwhile: the tokens count all the same, each time.
    """
    async with whole(connection):
        if await fetchval(connection, LOCK, thread.id) is None:
            tokens = (given.input_tokens, given.output_tokens)
            await execute(connection, COUNT, thread.user_id, day, *tokens)
            return None
        row = await fetchrow(
            connection,
            ANSWER,
            thread.number,
            thread.user_id,
            question.number,
            question.sent_at,
            given.body,
            given.model,
            given.input_tokens,
            given.output_tokens,
            day,
        )
    assert row is not None  # it was written, now or before
    return Message(**row)


async def usage(connection: Connection, user_id: UserId, first: date, last: date) -> list[Usage]:
    """What somebody asked for, day by day, but for days of nothing; as the person, too."""
    return [Usage(**row) for row in await fetch(connection, USAGE, user_id, first, last)]
