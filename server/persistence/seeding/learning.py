"""What made-up people learned: enrolments, progress, quizzes, code, and the days they did it on."""

from server.persistence.seeding.plan import Plan, Step, ranged

ENROLMENTS = """
insert into enrollments (user_id, course_id, status, enrolled_at, completed_at)
select
    person, course,
    case
        when done = lessons then 'COMPLETED'
        when seeding.unit(person * 4096 + course, 'drops') < 0.05 then 'DROPPED'
        else 'ACTIVE'
    end,
    enrolled,
    case when done = lessons then seeding.done_at(person, course, enrolled, pace, lessons) end
from seeding.paths($1, $2)
"""

# All lessons that were completed, and the next one, which two in three began.
PROGRESS = """
insert into user_progress (
    user_id, course_id, lesson_id, status, percent, seconds, started_at, updated_at, completed_at
)
select
    person, course, lesson,
    case when complete then 'COMPLETED' else 'STARTED' end,
    case when complete then 100 else 5 + floor(seeding.unit(key, 'percent') * 90) end,
    seconds, at - make_interval(secs => seconds), at, case when complete then at end
from (
    select person, course,
        (course - 1) * 32 + place as lesson,
        place <= done as complete,
        seeding.done_at(person, course, enrolled, pace, place) as at,
        (person * 4096 + course) * 32 + place as key,
        (120 + power(seeding.unit((person * 4096 + course) * 32 + place, 'takes'), 2) * 1800)
            ::integer as seconds
    from seeding.paths($1, $2)
    cross join lateral generate_series(
        1, least(lessons, done + (seeding.unit(person * 4096 + course, 'began') < 0.6)::integer)
    ) as place
    offset 0
) as step
where at < seeding.until()
"""

# Who completed a quiz's lesson passed it, half of them at once.
ATTEMPTS = """
insert into quiz_attempts (
    id, public_id, user_id, quiz_id, number, answers, points, max_points, passed, started_at,
    submitted_at
)
overriding system value
select
    id, seeding.uuid(id, 'attempt'), user_id, quiz_id, number, '{}', points, 4, points >= 3,
    completed_at - make_interval(secs => 60 * (tries - number + 1)),
    completed_at - make_interval(secs => 60 * (tries - number) + 5)
from (
    select
        key * 4 + number as id, user_id, lesson_id as quiz_id, completed_at, number, tries,
        case
            when number < tries then floor(seeding.unit(key * 4 + number, 'points') * 3)::integer
            else 3 + (seeding.unit(key, 'full') < 0.5)::integer
        end as points
    from (
        select user_id, lesson_id, completed_at,
            (user_id - 1) * seeding.courses() * 32 + lesson_id as key,
            1 + floor(seeding.unit(user_id * 131072 + lesson_id, 'tries') * 2)::integer as tries
        from user_progress
        join lessons on id = lesson_id
        where user_id between $1 and $2 and user_progress.status = 'COMPLETED' and kind = 'QUIZ'
    ) as passed
    cross join lateral generate_series(1, tries) as number
) as attempt
"""

# Who completed an exercise handed it in until all tests passed.
SUBMISSIONS = """
insert into code_submissions (
    id, public_id, user_id, course_id, lesson_id, language, source, status, tests_passed,
    tests_total, gas_used, submitted_at, judged_at
)
overriding system value
select
    id, seeding.uuid(id, 'submission'), user_id, course_id, lesson_id, 'solidity',
    'contract Lesson' || lesson_id || ' { uint256 public total; function add(uint256 n) external'
        || ' { total += n * ' || number || '; } }',
    status,
    case status when 'PASSED' then 5 when 'FAILED' then number end,
    case when status in ('PASSED', 'FAILED') then 5 end,
    case when status in ('PASSED', 'FAILED') then 20000 + id % 90000 end,
    submitted_at, submitted_at + interval '2 seconds'
from (
    select
        key * 4 + number as id, user_id, course_id, lesson_id, number,
        case
            when number = tries then 'PASSED'
            when seeding.unit(key * 4 + number, 'outcome') < 0.7 then 'FAILED'
            when seeding.unit(key * 4 + number, 'outcome') < 0.95 then 'ERROR'
            else 'TIMEOUT'
        end as status,
        completed_at - make_interval(secs => 100 * (tries - number) + 5) as submitted_at
    from (
        select user_id, progress.course_id, lesson_id, completed_at,
            (user_id - 1) * seeding.courses() * 32 + lesson_id as key,
            1 + floor(power(seeding.unit(user_id * 131072 + lesson_id, 'tries'), 2) * 3)::integer
                as tries
        from user_progress as progress
        join lessons on id = lesson_id
        where user_id between $1 and $2 and progress.status = 'COMPLETED'
            and kind in ('EXERCISE', 'PROJECT')
    ) as solved
    cross join lateral generate_series(1, tries) as number
) as submission
"""

# Days in a row: a day less its place among the person's days is the same within a run.
STREAKS = """
insert into streaks (user_id, current, longest, last_day, days, updated_at)
select
    user_id, (array_agg(length order by last desc))[1], max(length), max(last),
    range_agg(daterange(first, last + 1)), max(updated_at)
from (
    select user_id, count(*)::integer as length, min(day) as first, max(day) as last,
        max(at) as updated_at
    from (
        select user_id, day, at,
            day - row_number() over (partition by user_id order by day)::integer as run
        from (
            select user_id, (completed_at at time zone time_zone)::date as day,
                max(completed_at) as at
            from user_progress
            join user_profiles using (user_id)
            where user_id between $1 and $2 and status = 'COMPLETED'
            group by user_id, day
        ) as days
    ) as placed
    group by user_id, run
) as runs
group by user_id
"""

CREDENTIALS = """
insert into credentials (
    id, public_id, user_id, course_id, status, chain_id, contract, recipient, token_id,
    transaction_hash, created_at, updated_at, confirmed_at
)
overriding system value
select
    id, seeding.uuid(id, 'credential'), user_id, course_id, 'CONFIRMED', 137,
    '0x' || repeat('5eed', 10), wallet, id, '0x' || md5('t' || id) || md5('x' || id),
    completed_at, completed_at + interval '1 minute', completed_at + interval '1 minute'
from (
    select user_id, course_id, completed_at, wallet, (user_id - 1) * 4096 + course_id as id
    from enrollments
    join user_profiles using (user_id)
    where user_id between $1 and $2 and status = 'COMPLETED' and wallet is not null
) as certified
"""

# A job recommends courses to whom that is due, as triggers say of others.
DUE = """
insert into recommendations_due (user_id, since)
select person, seeding.until()
from generate_series($1::bigint, $2::bigint) as person
on conflict on constraint recommendations_due_pkey do update
set since = excluded.since
"""


def steps(plan: Plan) -> list[Step]:
    """Everything that people learned, in ranges of people."""
    return [
        ranged("enrolments", plan.users, ENROLMENTS, rows=2, cost=20),
        ranged("progress", plan.users, PROGRESS, rows=9, cost=130),
        ranged("quizzes", plan.users, ATTEMPTS, rows=4, cost=40),
        ranged("submissions", plan.users, SUBMISSIONS, rows=4, cost=60),
        ranged("streaks", plan.users, STREAKS, rows=2, cost=25),
        ranged("credentials", plan.users, CREDENTIALS, rows=2, cost=5),
        ranged("recommendations", plan.users, DUE, rows=1, cost=3),
    ]
