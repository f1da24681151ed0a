"""Collaboration sessions that made-up teams had: who was there, what they said and how they typed.

Their documents are empty: what is in one is for Yjs to make.
"""

from server.persistence.seeding.ground import prose
from server.persistence.seeding.plan import Plan, Step, ranged

# Sessions are spread evenly over the time; each is a team of two to six.
TEAMS = """
    select session, seeding.since()
            + ((session - 0.5) / {sessions})::float8 * seeding.span() as at,
        2 + floor(seeding.unit(session, 'team') * 5)::integer as members,
        floor(power(seeding.unit(session, 'talks'), 2) * 30)::integer as messages
    from generate_series($1::bigint, $2::bigint) as session
"""
DOCUMENTS = """
insert into documents (id, name, created_at)
overriding system value
select session, 'seed-' || session, at
from ({teams}) as team
"""
SESSIONS = """
insert into collaboration_sessions (
    id, name, title, type, language, status, owner, permissions, created_at, updated_at, expires_at
)
select
    session, 'seed-' || session, initcap({title}), 'code', 'solidity',
    case when at < seeding.until() - interval '30 days' then 'ARCHIVED' else 'ACTIVE' end,
    'seed-' || seeding.voter(session, 0), '{{"everyone": "editor"}}', at, at, null
from ({teams}) as team
"""
PARTICIPANTS = """
insert into session_participants (session_id, user_id, name, role, first_seen_at, last_seen_at)
select
    session, 'seed-' || seeding.voter(session, number),
    seeding.name(seeding.voter(session, number)), case number when 0 then 'teacher' end, at,
    least(seeding.until(), at + interval '1 hour')
from ({teams}) as team
cross join lateral generate_series(0, least(members, seeding.people() / 2) - 1) as number
"""
ACTIVITY = """
insert into session_activity (
    at, session_id, participant, user_id, kind, seconds, updates, inserted, deleted
)
select
    at + make_interval(secs => beat * 10), session, seeding.uuid(session * 8 + number, 'place'),
    'seed-' || seeding.voter(session, number),
    case beat when 0 then 'join' when 121 then 'leave' else 'edit' end,
    case when beat between 1 and 120 then 10 end,
    case when beat between 1 and 120 then 1 + (session + beat) % 20 end,
    case when beat between 1 and 120 then (session * 7 + beat * 3) % 60 end,
    case when beat between 1 and 120 then (session + beat) % 9 end
from ({teams}) as team
cross join lateral generate_series(0, least(members, seeding.people() / 2) - 1) as number
cross join generate_series(0, 121) as beat
where (beat in (0, 121) or seeding.unit(session * 1024 + number * 128 + beat, 'types') < 0.2)
    and at + make_interval(secs => beat * 10) < seeding.until()
"""
CHAT = """
insert into chat_messages (
    session_id, seq, revision, user_id, name, client_message_id, body, sent_at
)
select
    session, number, number, 'seed-' || seeding.voter(session, number % 2),
    seeding.name(seeding.voter(session, number % 2)), 'seed-' || number,
    {said},
    at + number / 64.0 * least(interval '20 minutes', seeding.until() - at)
from ({teams}) as team
cross join lateral generate_series(1, messages) as number
"""
COUNTERS = """
insert into chat_counters (session_id, last_seq, last_revision)
select session, messages, messages
from ({teams}) as team
where messages > 0
"""


def steps(plan: Plan) -> list[Step]:
    """The sessions, in ranges of them."""
    filled = {
        "teams": TEAMS.format(sessions=plan.sessions),
        "title": prose("-session", "3"),
        "said": prose("-(session * 64 + number)", "8"),
    }

    def step(name: str, *statements: str, rows: float, cost: float) -> Step:
        made = (statement.format(**filled) for statement in statements)
        return ranged(name, plan.sessions, *made, rows=rows, cost=cost)

    return [
        step("sessions", DOCUMENTS, SESSIONS, rows=2, cost=40),
        step("participants", PARTICIPANTS, rows=4, cost=60),
        step("activity", ACTIVITY, rows=100, cost=900),
        step("chat", CHAT, COUNTERS, rows=11, cost=250),
    ]
