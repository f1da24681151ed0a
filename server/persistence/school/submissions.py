"""Code that people hand in, what became of it, and what a course's teacher sees of it.

People hand in and read as themselves; judging, and looking at what others handed in, runs as
lyceum_server. A submission is known by its id and the moment of handing in, which the first try
chooses: together they find it in one month, and the next try changes nothing.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from asyncpg import Record
from msgspec import Struct, json

from server.domain.school import events, xp
from server.domain.school.deeds import Deed
from server.errors import NotFound
from server.ids import UserId
from server.persistence.queries import Kind, Query, fetch, fetchrow, fetchval
from server.persistence.school import earning, permissions
from server.persistence.school.allowed import allowed, jsonb
from server.persistence.school.earning import Earned
from server.persistence.school.whole import in_time, whole
from server.persistence.types import Connection

Status = Literal["PENDING", "PASSED", "FAILED", "ERROR", "TIMEOUT"]
MOST = 100  # on a page


class NewSubmission(Struct, frozen=True):
    """What is handed in. id, at: see the module."""

    id: UUID
    at: datetime
    language: str
    source: str


class Verdict(Struct, frozen=True):
    """What the runner says. result: test by test."""

    status: Literal["PASSED", "FAILED", "ERROR", "TIMEOUT"]
    tests_passed: int | None = None
    tests_total: int | None = None
    gas_used: int | None = None
    result: Any = None


class Submission(Struct, frozen=True):
    """One of a list, without its source; user: public id of who handed it in."""

    id: UUID
    at: datetime
    user: UUID
    lesson: UUID
    language: str
    status: Status
    tests_passed: int | None
    tests_total: int | None
    gas_used: int | None
    judged_at: datetime | None


class Whole(Struct, frozen=True):
    """One with its source and what the runner said."""

    submission: Submission
    source: str
    result: Any


class Judged(Struct, frozen=True):
    """newly: just now. earned: None unless its lesson was passed for the first time."""

    newly: bool
    status: Status
    earned: Earned | None


class Place(Struct, frozen=True):
    """Where a page begins: after this one."""

    at: datetime
    id: UUID


SUBMIT = Query(
    "submissions.submit",
    Kind.WRITE,
    """
insert into code_submissions (
    public_id, user_id, course_id, lesson_id, language, source, submitted_at
)
select $3, $1, lessons.course_id, lessons.id, $5, $6, $4
from lessons
join enrollments
    on enrollments.user_id = $1 and enrollments.course_id = lessons.course_id
    and enrollments.status <> 'DROPPED'
where lessons.public_id = $2 and lessons.status = 'PUBLISHED' and exercise is not null
on conflict (public_id, submitted_at) do nothing
returning true
""",
)
THERE = Query(
    "submissions.there",
    Kind.READ,
    """
select exists (
    select from code_submissions
    where user_id = $1 and public_id = $2 and submitted_at = $3
)
""",
)


async def submit(connection: Connection, user_id: int, lesson: UUID, new: NewSubmission) -> bool:
    """Hand code in; whether it was not there yet. As the person.

    Raises NotFound if the person has no such exercise to solve, BadRequest if it is too long or out
    of time.
    """
    values = (user_id, lesson, new.id, new.at, new.language, new.source)
    with in_time(new.at), allowed():
        if await fetchval(connection, SUBMIT, *values):
            return True
    if not await fetchval(connection, THERE, user_id, new.id, new.at):
        raise NotFound("There is no such exercise in a course that the person takes.")
    return False


OWNER = Query(
    "submissions.owner",
    Kind.READ,
    "select user_id from code_submissions where public_id = $1 and submitted_at = $2",
)
# What passes for the first time is counted where it is earned, together with that.
JUDGE = Query(
    "submissions.judge",
    Kind.WRITE,
    """
with there as (
    select submissions.course_id, submissions.lesson_id, submissions.status,
        case
            when jsonb_typeof(exercise -> 'xp') <> 'number' then null
            when (exercise -> 'xp')::numeric between 0 and 1000000 then (exercise -> 'xp')::integer
        end as xp
    from code_submissions as submissions
    join lessons on lessons.id = submissions.lesson_id
    where submissions.public_id = $2 and submitted_at = $3
),
judged as (
    update code_submissions
    set status = $4, tests_passed = $5, tests_total = $6, gas_used = $7, result = $8,
        judged_at = greatest(submitted_at, $9)
    where public_id = $2 and submitted_at = $3 and status = 'PENDING'
    returning course_id, lesson_id
),
counted as (
    insert into user_stats as stats (user_id, submissions)
    select $1, 1
    from judged
    where $4 <> 'PASSED' or exists (
        select from xp_event_keys where user_id = $1 and key = 'submission:' || lesson_id
    )
    on conflict on constraint user_stats_pkey do update
    set submissions = stats.submissions + 1, updated_at = now()
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, lesson_id, event_type, data)
    select $9, $10, $1, course_id, lesson_id, 'submission.judged',
        jsonb_build_object('status', $4::text)
    from judged
)
select course_id, lesson_id, status, xp, exists (select from judged) as newly
from there
""",
)


async def judge(
    connection: Connection, id: UUID, submitted_at: datetime, verdict: Verdict, at: datetime
) -> Judged:
    """Keep what the runner says, once, with what is earned by the first that passes in a lesson.

    Raises NotFound, and BadRequest for a verdict that can't be.
    """
    async with whole(connection):
        user_id = await fetchval(connection, OWNER, id, submitted_at)
        if user_id is None:
            raise NotFound("There is no such submission.")
        await earning.lock(connection, user_id)
        counts = (verdict.tests_passed, verdict.tests_total, verdict.gas_used)
        result = None if verdict.result is None else jsonb(verdict.result)
        event = events.event_id(user_id, events.SUBMISSION_JUDGED, id)
        values = (user_id, id, submitted_at, verdict.status, *counts, result, at, event)
        with in_time(at), allowed():
            row = await fetchrow(connection, JUDGE, *values)
        assert row is not None  # nobody deletes one
        if not row["newly"]:
            return Judged(False, row["status"], None)
        if verdict.status != "PASSED":
            return Judged(True, verdict.status, None)
        return Judged(True, verdict.status, await _earn(connection, user_id, row, at))


async def _earn(connection: Connection, user_id: int, row: Record, at: datetime) -> Earned | None:
    key, counts = f"submission:{row['lesson_id']}", {"submissions": 1, "submissions_passed": 1}
    amount = xp.SUBMISSION if row["xp"] is None else row["xp"]
    deed = Deed(key, "SUBMISSION", amount, at, row["course_id"], row["lesson_id"], counts)
    earned = await earning.earn_locked(connection, user_id, deed)
    return earned if earned.given else None


# Pages go by time; the second condition is for what was handed in at the same moment.
MINE = Query(
    "submissions.mine",
    Kind.READ,
    """
select submissions.public_id, submitted_at, users.public_id, lessons.public_id,
    submissions.language, submissions.status, tests_passed, tests_total, gas_used, judged_at
from lessons
join code_submissions as submissions
    on submissions.user_id = $1 and submissions.lesson_id = lessons.id
join users on users.id = submissions.user_id
where lessons.public_id = $2
    and submitted_at <= coalesce($3, 'infinity'::timestamptz)
    and (submitted_at < $3 or $3 is null or submissions.public_id < $4)
order by submitted_at desc, submissions.public_id desc
limit $5
""",
)


async def mine(
    connection: Connection,
    user_id: int,
    lesson: UUID,
    after: Place | None = None,
    limit: int = MOST,
) -> list[Submission]:
    """What the person handed in in a lesson, newest first. As the person."""
    at, id = (None, None) if after is None else (after.at, after.id)
    rows = await fetch(connection, MINE, user_id, lesson, at, id, min(limit, MOST))
    return [Submission(*row) for row in rows]


READ = Query(
    "submissions.read",
    Kind.READ,
    """
select submissions.public_id, submitted_at, users.public_id, lessons.public_id,
    submissions.language, submissions.status, tests_passed, tests_total, gas_used, judged_at,
    source, result, courses.owner_id
from code_submissions as submissions
join users on users.id = submissions.user_id
join lessons on lessons.id = submissions.lesson_id
join courses on courses.id = submissions.course_id
where submissions.public_id = $1 and submitted_at = $2
""",
)


async def read(connection: Connection, id: UUID, submitted_at: datetime) -> Whole:
    """One with its source, as who handed it in; raises NotFound."""
    return _whole(_there(await fetchrow(connection, READ, id, submitted_at)))


async def read_as_teacher(
    connection: Connection, teacher: UserId, id: UUID, submitted_at: datetime
) -> Whole:
    """One with its source, for who may read those of its course; raises NotFound, Forbidden."""
    row = _there(await fetchrow(connection, READ, id, submitted_at))
    await permissions.require(connection, teacher, "submission.read", row["owner_id"])
    return _whole(row)


def _there(row: Record | None) -> Record:
    if row is None:
        raise NotFound("There is no such submission.")
    return row


def _whole(row: Record) -> Whole:
    *listed, source, result, _ = row
    return Whole(Submission(*listed), source, None if result is None else json.decode(result))


COURSE = Query(
    "submissions.course", Kind.READ, "select id, owner_id from courses where public_id = $1"
)
OF_COURSE = Query(
    "submissions.of_course",
    Kind.READ,
    """
select submissions.public_id, submitted_at, users.public_id, lessons.public_id,
    submissions.language, submissions.status, tests_passed, tests_total, gas_used, judged_at
from code_submissions as submissions
join users on users.id = submissions.user_id
join lessons on lessons.id = submissions.lesson_id
where submissions.course_id = $1
    and submitted_at <= coalesce($2, 'infinity'::timestamptz)
    and (submitted_at < $2 or $2 is null or submissions.public_id < $3)
order by submitted_at desc, submissions.public_id desc
limit $4
""",
)


async def of_course(
    connection: Connection,
    teacher: UserId,
    course: UUID,
    after: Place | None = None,
    limit: int = MOST,
) -> list[Submission]:
    """What a course's people handed in, newest first; raises NotFound, Forbidden."""
    row = await fetchrow(connection, COURSE, course)
    if row is None:
        raise NotFound("There is no such course.")
    await permissions.require(connection, teacher, "submission.read", row["owner_id"])
    at, id = (None, None) if after is None else (after.at, after.id)
    rows = await fetch(connection, OF_COURSE, row["id"], at, id, min(limit, MOST))
    return [Submission(*row) for row in rows]
