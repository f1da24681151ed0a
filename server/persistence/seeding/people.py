"""Made-up people: who they are, their profiles, sign-ins and roles.

E-mail addresses are encrypted by keys of this process, so they come with the statement. Without
a keyring nobody has one.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from server.domain.envelope import DataKey, Kek
from server.ids import UserId
from server.persistence.people import email_place, key_place
from server.persistence.seeding.ground import prose
from server.persistence.seeding.plan import Plan, Step, ranged

# The first three are one of each role; then one in 500 teaches and one in 2,000 moderates.
ROLE = """
    case
        when person = 1 then 'ADMIN'
        when person = 2 or person % 500 = 7 then 'INSTRUCTOR'
        when person = 3 or person % 2000 = 11 then 'MODERATOR'
        else 'STUDENT'
    end
"""
USERS = f"""
insert into users (
    id, public_id, subject, username, email, email_key_id, email_blind, role, status,
    last_active_at, created_at, updated_at
)
overriding system value
select
    person, seeding.uuid(person, 'person'), 'seed-' || person,
    lower(seeding.name(person)) || person, sealed.email,
    case when sealed.email is not null then $3::integer end, sealed.blind, {ROLE},
    case when person > 3 and seeding.unit(person, 'suspended') < 0.002
        then 'SUSPENDED' else 'ACTIVE' end,
    greatest(seeding.joined(person), seeding.since())
        + seeding.unit(person, 'seen')
        * (seeding.until() - greatest(seeding.joined(person), seeding.since())),
    seeding.joined(person), seeding.joined(person)
from generate_series($1::bigint, $2::bigint) as person
left join unnest($4::bigint[], $5::bytea[], $6::bytea[]) as sealed (id, email, blind)
    on sealed.id = person
"""  # noqa: S608
KEYS = """
insert into user_keys (user_id, key_id, wrapped, created_at, updated_at)
select id, $1::integer, wrapped, seeding.joined(id), seeding.joined(id)
from unnest($2::bigint[], $3::bytea[]) as sealed (id, wrapped)
"""

PROFILES = f"""
insert into user_profiles (
    user_id, display_name, bio, language, time_zone, wallet, visibility, created_at, updated_at
)
select
    person, seeding.name(person) || ' ' || chr(65 + (person % 26)::integer) || '.',
    case when seeding.unit(person, 'bio') < 0.3
        then {prose("person", "12")} else '' end,
    (array['en', 'en', 'en', 'de', 'fr', 'es'])
        [1 + floor(seeding.unit(person, 'language') * 6)::integer],
    (array['UTC', 'Europe/Berlin', 'Europe/London', 'America/New_York', 'America/Los_Angeles',
        'Asia/Kolkata', 'Asia/Tokyo', 'Australia/Sydney', 'America/Sao_Paulo', 'Africa/Lagos'])
        [1 + floor(seeding.unit(person, 'zone') * 10)::integer],
    case when seeding.unit(person, 'wallet') < 0.3
        then '0x' || left(md5('wallet' || person) || md5('w' || person), 40) end,
    case when seeding.unit(person, 'private') < 0.1 then 'PRIVATE' else 'MEMBERS' end,
    seeding.joined(person), seeding.joined(person)
from generate_series($1::bigint, $2::bigint) as person
"""  # noqa: S608

AUTH_SESSIONS = """
insert into auth_sessions (
    id, public_id, user_id, token_hash, user_agent, address, created_at, last_seen_at, expires_at
)
overriding system value
select
    person, seeding.uuid(person, 'sign-in'), person, sha256(convert_to('seed-' || person, 'UTF8')),
    'Mozilla/5.0', '192.0.2.0'::inet + person % 256, last_active_at - interval '3 days',
    last_active_at, last_active_at + interval '30 days'
from (
    select id as person, last_active_at from users where id between $1 and $2
) as people
where seeding.unit(person, 'signed in') < 0.5
"""

GRANTS = """
insert into role_grants (id, user_id, role, reason, granted_by, granted_at)
overriding system value
select id, id, role, 'seeded', case when id > 1 then 1 end, created_at
from users
where id between $1 and $2 and role <> 'STUDENT'
"""


def steps(plan: Plan, kek: Kek | None) -> list[Step]:
    """Everything about people themselves. kek: seals addresses; None: nobody has one."""
    return [
        Step("people", plan.users, (USERS, KEYS), partial(_sealed, kek), rows=2, cost=30),
        ranged("profiles", plan.users, PROFILES, rows=1, cost=15),
        ranged("sign-ins", plan.users, AUTH_SESSIONS, rows=1, cost=12),
        ranged("roles", plan.users, GRANTS, rows=1, cost=1),
    ]


def email_of(person: int) -> str:
    """The address that somebody made up has."""
    return f"learner{person}@seed.example"


def _sealed(kek: Kek | None, first: int, last: int) -> Sequence[tuple[Any, ...]]:
    """The arguments of the statements above, with an address for each person of a range."""
    if kek is None:
        return [(first, last, None, [], [], []), (None, [], [])]
    ids = list(range(first, last + 1))
    emails, blinds, wrapped = [], [], []
    for id in ids:
        key, user = DataKey.new(), UserId(id)
        emails.append(key.seal(email_place(user), email_of(id).encode()))
        blinds.append(kek.blind(email_of(id)))
        wrapped.append(kek.wrap(key_place(user), key))
    return [(first, last, kek.id, ids, emails, blinds), (kek.id, ids, wrapped)]
