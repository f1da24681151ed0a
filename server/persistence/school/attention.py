"""What needs somebody's attention, newest first: nothing but what the tables hold.

As lyceum_server, for one person. Each kind is a look at an index of its own for the newest of one
person, so a page costs as much for a million people as for ten.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from server.ids import UserId
from server.persistence.queries import Kind, Query, execute, fetch
from server.persistence.school.permissions import scopes
from server.persistence.types import Connection

What = Literal[
    "ACHIEVEMENT",
    "ANSWER",
    "ATTEMPT",
    "BADGE",
    "CREDENTIAL",
    "FLAGGED_COMMENT",
    "FLAGGED_POST",
    "HIDDEN_COMMENT",
    "HIDDEN_POST",
    "MENTION",
    "REVIEW",
    "SUBMISSION",
    "WAITING",
]
MOST = 100  # items of a page, and what is counted
SINCE = "(select since from bounds)"
DAYS = 90  # older things need nobody's attention any more


class Item(msgspec.Struct, frozen=True):
    """Something that needs attention.

    number: its place among those of the same moment and kind. id: the public one of the comment,
    submission, attempt, badge, achievement, credential, post or history; None for a mention.
    about, note: by kind:

    - ACHIEVEMENT, BADGE: slug; title
    - ANSWER: number of the post; its beginning
    - ATTEMPT: number of the quiz; PASSED or FAILED
    - CREDENTIAL: number of the course; its status
    - FLAGGED_…, HIDDEN_…: number of the post; for HIDDEN_… the reason
    - MENTION: name of the session; number of the message in it
    - REVIEW: COURSE, MODULE, LESSON or QUIZ; the version
    - SUBMISSION, WAITING (to be judged): number of the lesson; its status

    new: whether it came after what was seen.
    """

    what: What
    number: int
    at: datetime
    id: UUID | None
    about: str
    note: str
    new: bool


class Place(NamedTuple):
    """A place in the list: the item that was last seen."""

    at: datetime
    what: What
    number: int


def _of(what: What, at: str, number: str, columns: str, rest: str) -> str:
    """The newest of one kind. $3, $4, $5: the place; $6: how many."""
    return f"""(
        select '{what}' as what, {number} as number, {at} as at, {columns}
        {rest}
            and {at} > {SINCE} and {at} <= $3 and ({at}, '{what}', {number}) < ($3, $4, $5)
        order by {at} desc, {number} desc
        limit $6
    )"""


OWN = (
    _of(
        "ANSWER",
        "created_at",
        "id",
        "public_id as id, post_id::text as about, left(body, 100) as note",
        "from comments where addressee_id = $1 and status in ('VISIBLE', 'FLAGGED')",
    ),
    _of(
        "SUBMISSION",
        "judged_at",
        "id",
        "public_id, lesson_id::text, status",
        # Judged soon after it came: so other months are passed over.
        f"""
        from code_submissions
        where user_id = $1 and judged_at is not null
            and submitted_at > {SINCE} - interval '1 day'
        """,
    ),
    _of(
        "ATTEMPT",
        "submitted_at",
        "id",
        "public_id, quiz_id::text, case when passed then 'PASSED' else 'FAILED' end",
        "from quiz_attempts where user_id = $1 and submitted_at is not null",
    ),
    _of(
        "BADGE",
        "awarded_at",
        "badge_id",
        "public_id, slug, title",
        "from user_badges join badges on badges.id = badge_id where user_id = $1",
    ),
    _of(
        "ACHIEVEMENT",
        "earned_at",
        "achievement_id",
        "public_id, slug, title",
        "from user_achievements join achievements on achievements.id = achievement_id"
        " where user_id = $1",
    ),
    _of(
        "CREDENTIAL",
        "confirmed_at",
        "id",
        "public_id, course_id::text, status",
        "from credentials where user_id = $1",
    ),
    _of(
        "MENTION",
        "sent_at",
        "(session_id * 4294967296 + seq)",
        """
        null, (select name from collaboration_sessions where id = session_id), seq::text
        """,
        f"""
        from (
            select session_id, seq, sent_at
            from chat_messages
            where mentions <> '{{}}' and sent_at > {SINCE}
                and mentions @> array[(select subject from users where id = $1)]
                and not exists (
                    select
                    from session_participants as removed
                    where removed.session_id = chat_messages.session_id and removed.role = 'none'
                        and removed.user_id = (select subject from users where id = $1)
                )
        ) as said
        where true
        """,  # noqa: S608
    ),
    _of(
        "HIDDEN_POST",
        "moderated_at",
        "id",
        "public_id, id::text, moderation_reason",
        "from posts where author_id = $1 and status = 'HIDDEN'",
    ),
    _of(
        "HIDDEN_COMMENT",
        "moderated_at",
        "id",
        "public_id, post_id::text, moderation_reason",
        "from comments where author_id = $1 and status = 'HIDDEN'",
    ),
)
# $7: whether to moderate; $8, $9: scopes of publishing, and of looking at code.
FOR_STAFF = (
    _of(
        "FLAGGED_POST",
        "coalesce(flagged_at, created_at)",
        "id",
        "public_id, id::text, ''",
        "from posts where $7 and status = 'FLAGGED'",
    ),
    _of(
        "FLAGGED_COMMENT",
        "coalesce(flagged_at, created_at)",
        "id",
        "public_id, post_id::text, ''",
        "from comments where $7 and status = 'FLAGGED'",
    ),
    _of(
        "REVIEW",
        "review_at",
        "content_items.id",
        """
        content_items.public_id,
            case
                when content_items.course_id is not null then 'COURSE'
                when content_items.module_id is not null then 'MODULE'
                when content_items.lesson_id is not null then 'LESSON'
                else 'QUIZ'
            end,
            review_version::text
        """,
        """
        from content_items
        left join quizzes on quizzes.id = quiz_id
        left join lessons on lessons.id = coalesce(content_items.lesson_id, quizzes.lesson_id)
        left join modules on modules.id = content_items.module_id
        where $8::text is not null and review_version is not null
            and ($8 = 'ANY' or (
                select owner_id
                from courses
                where courses.id
                    = coalesce(content_items.course_id, modules.course_id, lessons.course_id)
            ) = $1)
        """,
    ),
    _of(
        "WAITING",
        "submitted_at",
        "id",
        "public_id, lesson_id::text, status",
        """
        from code_submissions
        where $9::text is not null and status = 'PENDING'
            and ($9 = 'ANY' or (
                select owner_id from courses where courses.id = course_id
            ) = $1)
        """,
    ),
)


def _list(name: str, kinds: Sequence[str]) -> Query:
    """$1: who; $2: only what is new. Bounds are looked up, so that all have one plan."""
    return Query(
        name,
        Kind.READ,
        f"""
        with told as materialized (
            select max(seen_until) as seen_until
            from attention_seen
            where user_id = $1
        ),
        bounds as materialized (
            select greatest(
                now() - interval '{DAYS} days',
                case when $2 then seen_until end
            ) as since
            from told
        )
        select *, at > coalesce((select seen_until from told), '-infinity')
        from ({" union all ".join(kinds)}) as items
        order by at desc, what desc, number desc
        limit $6
        """,  # noqa: S608
    )


LIST = _list("attention.list", OWN)
LIST_OF_STAFF = _list("attention.list_of_staff", (*OWN, *FOR_STAFF))
NOWHERE = (datetime(9999, 1, 1, tzinfo=UTC), "~", 0)  # before the first item


async def items(
    connection: Connection, who: UserId, after: Place | None = None, limit: int = 20
) -> Sequence[Item]:
    """A page of what needs somebody's attention and is not too old; after: the last item seen."""
    return await _items(connection, who, after, limit, only_new=False)


async def count_new(connection: Connection, who: UserId) -> int:
    """How many items there are that somebody has not seen; no further than MOST."""
    return len(await _items(connection, who, None, MOST, only_new=True))


async def _items(
    connection: Connection, who: UserId, after: Place | None, limit: int, only_new: bool
) -> Sequence[Item]:
    may = await scopes(connection, who, ["post.hide", "course.publish", "submission.read"])
    given = (who, only_new, *(after or NOWHERE), min(limit, MOST))
    if may:
        publish, read = may.get("course.publish"), may.get("submission.read")
        rows = await fetch(connection, LIST_OF_STAFF, *given, "post.hide" in may, publish, read)
    else:
        rows = await fetch(connection, LIST, *given)
    return [Item(*row) for row in rows]


SEEN = Query(
    "attention.seen",
    Kind.WRITE,
    """
    insert into attention_seen (user_id, seen_until)
    values ($1, least($2, now()))
    on conflict (user_id) do update
    set seen_until = greatest(attention_seen.seen_until, excluded.seen_until)
    """,
)


async def seen(connection: Connection, who: UserId, until: datetime) -> None:
    """Somebody has seen all until a moment, now at the latest; it is never taken back."""
    await execute(connection, SEEN, who, until)
