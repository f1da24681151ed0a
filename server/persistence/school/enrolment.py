"""Who takes which course: enrolling once what it needs is completed, leaving, coming back.

All of it runs as lyceum_server, as each change is an event too.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.errors import Conflict, NotFound
from server.persistence.queries import Kind, Query, fetchrow
from server.persistence.school.whole import in_time
from server.persistence.types import Connection

Status = Literal["ACTIVE", "COMPLETED", "DROPPED"]


class Enrolment(Struct, frozen=True):
    """Somebody in a course, as it is now. changed: by what was just done."""

    course_id: int
    status: Status
    changed: bool


# Who is in a course already may come back, whatever has become of it.
ENROL = Query(
    "enrolment.enrol",
    Kind.WRITE,
    """
with course as (
    select id, status
    from courses
    where public_id = $2
),
missing as (
    select slug
    from course_prerequisites as needed
    join course on course.id = needed.course_id
    join courses on courses.id = needed.prerequisite_id
    where not exists (
        select from enrollments
        where user_id = $1 and enrollments.course_id = needed.prerequisite_id
            and enrollments.status = 'COMPLETED'
    )
),
there as (
    select enrollments.status
    from enrollments
    join course on course.id = course_id
    where user_id = $1
),
taken as (
    insert into enrollments (user_id, course_id, enrolled_at)
    select $1, id, $3
    from course
    where exists (select from there) or status = 'PUBLISHED' and not exists (select from missing)
    on conflict on constraint enrollments_pkey do update set status = 'ACTIVE'
    where enrollments.status = 'DROPPED'
    returning course_id
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, event_type)
    select $3, gen_random_uuid(), $1, course_id, 'course.enrolled'
    from taken
)
select id, status, (select status from there) as enrolled, exists (select from taken) as changed,
    array(select slug from missing order by slug) as missing
from course
""",
)


async def enrol(connection: Connection, user_id: int, course: UUID, at: datetime) -> Enrolment:
    """Take a course, or come back to it; nothing changes for who is in it.

    Raises NotFound, and Conflict if prerequisites are not completed, which it names.
    """
    with in_time(at):
        row = await fetchrow(connection, ENROL, user_id, course, at)
    if row is None or (row["enrolled"] is None and row["status"] != "PUBLISHED"):
        raise NotFound("There is no such course.")
    if row["enrolled"] is None and row["missing"]:
        raise Conflict(f"This course needs others first: {', '.join(row['missing'])}.")
    status: Status = "COMPLETED" if row["enrolled"] == "COMPLETED" else "ACTIVE"
    return Enrolment(row["id"], status, row["changed"])


LEAVE = Query(
    "enrolment.leave",
    Kind.WRITE,
    """
with there as (
    select course_id, enrollments.status
    from enrollments
    join courses on courses.id = course_id
    where user_id = $1 and public_id = $2
),
gone as (
    update enrollments
    set status = 'DROPPED'
    from there
    where user_id = $1 and enrollments.course_id = there.course_id
        and enrollments.status = 'ACTIVE'
    returning enrollments.course_id
),
told as (
    insert into learning_analytics (at, event_id, user_id, course_id, event_type)
    select $3, gen_random_uuid(), $1, course_id, 'course.dropped'
    from gone
)
select course_id, status, exists (select from gone) as changed
from there
""",
)


async def leave(connection: Connection, user_id: int, course: UUID, at: datetime) -> Enrolment:
    """Leave a course; progress stays for whoever comes back, and a completed one stays completed.

    Raises NotFound for who never was in it.
    """
    with in_time(at):
        row = await fetchrow(connection, LEAVE, user_id, course, at)
    if row is None:
        raise NotFound("There is no such course that this person takes.")
    return Enrolment(
        row["course_id"], "DROPPED" if row["changed"] else row["status"], row["changed"]
    )
