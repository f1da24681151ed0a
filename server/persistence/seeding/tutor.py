"""What made-up people asked the tutor."""

from server.persistence.seeding.ground import prose
from server.persistence.seeding.plan import Plan, Step, ranged

# A person's threads have the ids person · 2 and person · 2 + 1, a thread's messages
# thread · 16 + 1, 2, …: the person and the tutor in turn.
THREADS = f"""
insert into tutor_threads (
    id, public_id, user_id, lesson_id, title, status, created_at, updated_at
)
overriding system value
select
    id, seeding.uuid(id, 'thread'), person, (course - 1) * 32 + 1 + id % 8,
    initcap({prose("-id", "4")}),
    case when seeding.unit(id, 'archived') < 0.1 then 'ARCHIVED' else 'OPEN' end,
    at, at + make_interval(mins => 4 * messages)
from (
    select person, person * 2 + number as id, seeding.course(person * 2 + number, 'asks') as course,
        2 * (1 + floor(seeding.unit(person * 2 + number, 'talks') * 4))::integer as messages,
        greatest(seeding.joined(person), seeding.since())
            + seeding.unit(person * 2 + number, 'asked')
            * (seeding.until() - interval '1 hour'
                - greatest(seeding.joined(person), seeding.since())) as at
    from generate_series($1::bigint, $2::bigint) as person
    cross join generate_series(0, 1) as number
    where seeding.unit(person * 2 + number, 'curious') < 0.2
        and seeding.joined(person) < seeding.until() - interval '1 day'
) as thread
"""  # noqa: S608
MESSAGES = f"""
insert into tutor_messages (
    id, public_id, thread_id, user_id, role, body, model, input_tokens, output_tokens, answers,
    sent_at
)
overriding system value
select
    id * 16 + number, seeding.uuid(id * 16 + number, 'tutor message'), id, user_id,
    case when number % 2 = 1 then 'USER' else 'TUTOR' end,
    {prose("-(id * 16 + number)", "case when number % 2 = 1 then 10 else 40 end")},
    case when number % 2 = 0 then 'tutor-1' end,
    case when number % 2 = 0 then 200 + number::integer * 60 end,
    case when number % 2 = 0 then 60 + (id % 40)::integer end,
    case when number % 2 = 0 then id * 16 + number - 1 end,
    created_at + make_interval(mins => 4 * number::integer - 2)
from tutor_threads
cross join lateral generate_series(
    1, 2 * (1 + floor(seeding.unit(id, 'talks') * 4))::bigint
) as number
where user_id between $1 and $2
"""  # noqa: S608
USAGE = """
insert into ai_usage_daily (user_id, day, requests, input_tokens, output_tokens)
select user_id, (sent_at at time zone 'UTC')::date as day, count(*), sum(input_tokens),
    sum(output_tokens)
from tutor_threads
join tutor_messages using (user_id)
where user_id between $1 and $2 and thread_id = tutor_threads.id and role = 'TUTOR'
group by user_id, day
"""


def steps(plan: Plan) -> list[Step]:
    """The conversations, in ranges of people."""
    return [
        ranged("tutor threads", plan.users, THREADS, rows=1, cost=15),
        ranged("tutor messages", plan.users, MESSAGES, rows=2, cost=40),
        ranged("tutor usage", plan.users, USAGE, rows=1, cost=15),
    ]
