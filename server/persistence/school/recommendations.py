"""What people might learn next: computed in the background, read and dismissed by themselves.

Somebody is recommended published courses whose prerequisites are completed, that were neither
taken nor dismissed: those that a completed course opens, those that others took after one of
theirs, and those that many take now. `recompute_recommendations` runs as lyceum_server, the rest in
the person's own transaction (`Access.as_user`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.errors import NotFound
from server.ids import UserId
from server.persistence.jobs import progress
from server.persistence.queries import Kind, Query, execute, fetch, fetchval
from server.persistence.types import Connection

Reason = Literal["PREREQUISITE", "SIMILAR", "POPULAR"]

COURSES, PEOPLE_AT_ONCE = 5, 200  # of one statement, which so is a short one
RUNS = 25  # of each statement in one run of the job
MOST = 10  # courses that somebody is recommended


class Recommendation(Struct, frozen=True):
    """A course that somebody might take. score: 0 to 1."""

    course_id: int
    public_id: UUID
    slug: str
    title: str
    difficulty: str
    score: float
    reason: Reason
    computed_at: datetime


# Of each course the newest two thousand learners, and what they took after it. Looks by learner,
# one by one: joined freely, all enrolments would be read.
SEQUELS = Query(
    "recommendations.sequels",
    Kind.UPKEEP,
    """
    with stale as materialized (
        select courses.id
        from courses
        left join course_sequels on course_id = courses.id
        where status in ('PUBLISHED', 'ARCHIVED')
            and (computed_at is null or computed_at < now() - interval '6 hours')
        order by computed_at nulls first, courses.id
        limit $1
    ),
    went_on as materialized (
        select stale.id as course_id, learner.user_id, later.course_id as sequel
        from stale
        cross join lateral (
            select user_id, enrolled_at
            from enrollments
            where enrollments.course_id = stale.id
            order by enrolled_at desc
            limit 2000
        ) as learner
        cross join lateral (
            select enrollments.course_id
            from enrollments
            where enrollments.user_id = learner.user_id
                and enrollments.enrolled_at > learner.enrolled_at
            limit 50
        ) as later
    ),
    counted as (
        select course_id, sequel, count(*) as people,
            row_number() over (partition by course_id order by count(*) desc, sequel) as place
        from went_on
        group by course_id, sequel
    ),
    learners as (
        select course_id, count(distinct user_id) as all_of_them
        from went_on
        group by course_id
    ),
    computed as (
        insert into course_sequels as known (course_id, recent, sequels, shares, computed_at)
        select stale.id,
            (
                select count(*)
                from (
                    select
                    from enrollments
                    where course_id = stale.id and enrolled_at > now() - interval '30 days'
                    limit 1000
                ) as newest
            ),
            array(
                select sequel from counted
                where counted.course_id = stale.id and place <= 20
                order by place
            ),
            array(
                select people::real / all_of_them
                from counted
                join learners using (course_id)
                where counted.course_id = stale.id and place <= 20
                order by place
            ),
            now()
        from stale
        on conflict on constraint course_sequels_pkey do update
        set recent = excluded.recent, sequels = excluded.sequels, shares = excluded.shares,
            computed_at = excluded.computed_at
    )
    select count(*) from stale
    """,
)
PEOPLE = Query(
    "recommendations.people",
    Kind.UPKEEP,
    """
    with due as materialized (
        select user_id, since
        from recommendations_due
        order by since, user_id
        limit $1
    ),
    taken as materialized (
        select due.user_id, mine.course_id, mine.status
        from due
        cross join lateral (
            select course_id, status
            from enrollments
            where enrollments.user_id = due.user_id
            limit 500
        ) as mine
    ),
    popular as materialized (
        select course_id, recent::real / max(recent) over () as share
        from course_sequels
        where recent > 0
        order by recent desc, course_id
        limit 50
    ),
    alike as materialized (
        select taken.user_id, sequel.course_id,
            1 - exp(sum(ln(1 - least(sequel.share, 0.9::real)))) as likely
        from taken
        join course_sequels on course_sequels.course_id = taken.course_id
        cross join unnest(sequels, shares) as sequel (course_id, share)
        where status <> 'DROPPED'
        group by taken.user_id, sequel.course_id
    ),
    opened as materialized (
        select distinct taken.user_id, needs.course_id
        from taken
        join course_prerequisites as needs on prerequisite_id = taken.course_id
        where status = 'COMPLETED'
    ),
    candidates as (
        select user_id, course_id, 0.9 * likely as score, 'SIMILAR' as reason
        from alike
        union all
        select user_id, course_id, 0.5 + 0.5 * coalesce(likely, 0), 'PREREQUISITE'
        from opened
        left join alike using (user_id, course_id)
        union all
        select user_id, course_id, 0.1 * share, 'POPULAR'
        from due
        cross join popular
    ),
    chosen as (
        select distinct on (user_id, course_id) user_id, course_id, score, reason
        from candidates
        order by user_id, course_id, score desc
    ),
    possible as materialized (
        select user_id, course_id, score, reason,
            row_number() over (partition by user_id order by score desc, course_id) as place
        from chosen
        join courses on id = course_id and status = 'PUBLISHED'
        where not exists (
            select
            from taken
            where taken.user_id = chosen.user_id and taken.course_id = chosen.course_id
        )
        and not exists (
            select
            from recommendations as known
            where known.user_id = chosen.user_id and known.course_id = chosen.course_id
                and dismissed_at is not null
        )
        and not exists (
            select
            from course_prerequisites as needs
            where needs.course_id = chosen.course_id and not exists (
                select
                from taken
                where taken.user_id = chosen.user_id
                    and taken.course_id = needs.prerequisite_id
                    and taken.status = 'COMPLETED'
            )
        )
    ),
    recommended as (
        insert into recommendations as known (user_id, course_id, score, reason)
        select user_id, course_id, score, reason
        from possible
        where place <= $2
        on conflict on constraint recommendations_pkey do update
        set score = excluded.score, reason = excluded.reason, computed_at = now()
        where known.dismissed_at is null
    ),
    forgotten as (
        delete from recommendations as known
        using due
        where known.user_id = due.user_id and dismissed_at is null and not exists (
            select
            from possible
            where possible.user_id = known.user_id and possible.course_id = known.course_id
                and place <= $2
        )
    )
    select user_id, since from due
    """,
)
# Whoever did something meanwhile stays due.
DONE = Query(
    "recommendations.done",
    Kind.UPKEEP,
    """
    delete from recommendations_due as due
    using unnest($1::bigint[], $2::timestamptz[]) as done (user_id, since)
    where due.user_id = done.user_id and due.since = done.since
    """,
)


async def recompute_recommendations(connection: Connection) -> Mapping[str, object]:
    """Compute what is due, of courses and for people, up to a bound; how many of each.

    Work goes by what people did since the last time. The next run does what this one leaves.
    """
    courses = people = 0
    for run in range(RUNS):
        done = await fetchval(connection, SEQUELS, COURSES)
        courses += done
        if done < COURSES:
            break
        progress(run / RUNS / 2)
    for run in range(RUNS):
        async with connection.transaction():
            due = await fetch(connection, PEOPLE, PEOPLE_AT_ONCE, MOST)
            await execute(connection, DONE, *map(list, zip(*due, strict=True)) if due else ([], []))
        people += len(due)
        if len(due) < PEOPLE_AT_ONCE:
            break
        progress(0.5 + run / RUNS / 2)
    return {name: done for name, done in (("courses", courses), ("people", people)) if done}


MINE = Query(
    "recommendations.mine",
    Kind.READ,
    """
    select course_id, public_id, slug, title, difficulty, score, reason, computed_at
    from recommendations as mine
    join courses on id = course_id
    where user_id = $1 and dismissed_at is null and status = 'PUBLISHED' and not exists (
        select
        from enrollments
        where enrollments.user_id = $1 and enrollments.course_id = mine.course_id
    )
    order by score desc, course_id
    """,
)
DISMISS = Query(
    "recommendations.dismiss",
    Kind.WRITE,
    """
    update recommendations
    set dismissed_at = coalesce(dismissed_at, now())
    where user_id = $1 and course_id = $2
    returning true
    """,
)


async def mine(connection: Connection, user_id: UserId) -> list[Recommendation]:
    """What somebody might take next, the best first; as the person."""
    return [Recommendation(**row) for row in await fetch(connection, MINE, user_id)]


async def dismiss(connection: Connection, user_id: UserId, course_id: int) -> None:
    """Never recommend this course to somebody again; as the person. Raises NotFound."""
    if not await fetchval(connection, DISMISS, user_id, course_id):
        raise NotFound("This course is not recommended to you.")
